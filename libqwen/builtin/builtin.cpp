// The bundled demonstration model.
#include "base/fail.h"
#include "qwen/model.h"

namespace qwen {

Model Model::builtin(const LoadOptions&) {
  fail(ErrorCode::unsupported, "this build has no bundled model: give one with -m FILE");
}

}  // namespace qwen
