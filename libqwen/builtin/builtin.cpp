// The bundled demonstration model. QWEN_BUILTIN_MODEL is 1 if mini_model.S is part of the library.
#include "builtin/builtin.h"

#include "base/fail.h"
#include "formats/model_file.h"
#include "runtime/load.h"

#if QWEN_BUILTIN_MODEL
extern "C" const std::byte qwen_builtin_begin[], qwen_builtin_end[];
#endif

namespace qwen {

std::span<const std::byte> builtin::model_file() noexcept {
#if QWEN_BUILTIN_MODEL
  return {qwen_builtin_begin, qwen_builtin_end};
#else
  return {};
#endif
}

Model Model::builtin(const LoadOptions& options) {
  const auto file = qwen::builtin::model_file();
  if (file.empty()) fail(ErrorCode::unsupported, "this build has no bundled model; name a model file");
  return runtime::load_model(formats::open_gguf_memory(file, "builtin"), options);
}

}  // namespace qwen
