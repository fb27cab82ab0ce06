// Task files. What is read must be a task that the registry takes, whose prompt can be made.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qwen/error.h"
#include "qwen/task.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const qwen::Task task = qwen::Task::parse({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
    qwen::TaskRegistry().add(task);
    if (task.user_message("<>").find("<>") == std::string::npos) std::abort();
    for (std::size_t i = 0; i < task.labels.size(); ++i)
      if (task.find_label(task.labels[i].text) != static_cast<int>(i)) std::abort();
    task.prompt_digest();
  } catch (const qwen::Error& error) {
    // A refusal of the file itself; the registry has nothing to add to it.
    if (error.code() != qwen::ErrorCode::bad_format) std::abort();
  }
  return 0;
}
