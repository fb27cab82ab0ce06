// The bundled demonstration model. QWEN_BUILTIN_MODEL is 1 if mini_model.S is part of the library.
#include "base/fail.h"
#include "formats/model_file.h"
#include "runtime/load.h"

#if QWEN_BUILTIN_MODEL

extern "C" const std::byte qwen_builtin_begin[], qwen_builtin_end[];

namespace qwen {

Model Model::builtin(const LoadOptions& options) {
  return runtime::load_model(formats::open_gguf_memory({qwen_builtin_begin, qwen_builtin_end}, "builtin"),
                             options);
}

}  // namespace qwen

#else

namespace qwen {

Model Model::builtin(const LoadOptions&) {
  fail(ErrorCode::unsupported, "this build has no bundled model; name a model file");
}

}  // namespace qwen

#endif
