// Hugging Face directories: config.json, safetensors, tokenizer files.
#pragma once
#include <memory>
#include <string>

#include "formats/model_file.h"

namespace qwen::formats {

std::shared_ptr<const ModelFile> open_hf_directory(const std::string& path);

}  // namespace qwen::formats
