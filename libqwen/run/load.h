// From an open model file to a Model.
#pragma once
#include <memory>

#include "file/model_file.h"
#include "qwen/model.h"

namespace qwen::run {

Model load_model(std::shared_ptr<const file::ModelFile> file, const LoadOptions& options);

}  // namespace qwen::run
