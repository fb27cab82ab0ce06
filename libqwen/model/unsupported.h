// Refuses what a file contains and this library does not compute.
#pragma once
#include <string>
#include <unordered_set>
#include <vector>

#include "formats/model_file.h"
#include "qwen/model.h"

namespace qwen::model {

// Throws unsupported for files that are not a language model: LoRA adapters, vision projectors, importance
// matrices.
void check_kind(const formats::ModelFile& file);

// Throws unsupported for a key of the architecture that changes the result and is not implemented; appends
// keys that are not known to `warnings`.
void check_keys(const formats::ModelFile& file, const std::string& architecture, const ModelShape& shape,
                std::vector<std::string>& warnings);

// Throws unsupported for a tensor that is neither in `used` nor in formats::kHarmlessTensors.
void check_all_used(const formats::ModelFile& file, const ModelShape& shape,
                    const std::unordered_set<const formats::Tensor*>& used);

}  // namespace qwen::model
