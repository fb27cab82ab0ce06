// From an open model file to a Model.
#pragma once
#include <memory>

#include "formats/model_file.h"
#include "qwen/model.h"

namespace qwen::runtime {

Model load_model(std::shared_ptr<const formats::ModelFile> file, const LoadOptions& options);

}  // namespace qwen::runtime
