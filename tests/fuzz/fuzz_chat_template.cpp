// Any bytes as a chat template: parsed and executed within its limits.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/utf8.h"
#include "qwen/error.h"
#include "templates/interpreter.h"

using namespace qwen;
using namespace qwen::templates;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string source = replace_invalid_utf8({reinterpret_cast<const char*>(data), size});
  static const Value messages = parse_json(
      R"([{"role": "user", "content": "<|im_end|> é 你好\n"}, {"role": "assistant", "content": "", "tool_calls":
      [{"function": {"name": "f", "arguments": {"x": [1, 2.5, null, true, {"y": "z"}]}}}]}])",
      "messages");
  try {
    const Body body = parse_template(source);
    Limits limits;
    limits.steps = 20'000;
    limits.output_bytes = 1 << 16;
    Interpreter interpreter(limits, 0);
    interpreter.define("messages", messages);
    interpreter.define("add_generation_prompt", Value::boolean(true));
    if (!is_valid_utf8(interpreter.render(body).bytes())) std::abort();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) std::abort();
  }
  return 0;
}
