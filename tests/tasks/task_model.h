// The tiny model and short tasks that the tests of this folder share.
#pragma once
#include "formats/test_folder.h"
#include "qwen/qwen.h"
#include "support/tiny_model.h"

namespace qwen::test {

inline Model task_model(TensorType type = TensorType::q8_0, unsigned seed = 1, int threads = 2) {
  static const TestFolder folder("task-model");
  TinyModel tiny;
  tiny.type = type;
  tiny.seed = seed;
  tiny.spare_rows = 0;  // random weights would choose the rows that stand for no token
  LoadOptions options;
  options.threads = threads;
  return Model::load(write_tiny_model(tiny, folder / "tiny.gguf"), options);
}

inline Task label_task(const std::vector<std::string>& labels, const std::string& system = "Judge.") {
  Task task;
  task.name = "test";
  task.system = system;
  task.user_template = "In: {text}\nOut:";
  for (const std::string& label : labels) task.labels.push_back({label, label, "", {}});
  task.max_new_tokens = 5;
  task.overflow = TextOverflow::truncate;
  return task;
}

inline Task reply_task() {
  Task task;
  task.name = "reply";
  task.kind = TaskKind::generate;
  task.system = "Be kind.";
  task.user_template = "{text}";
  task.history = true;
  task.max_new_tokens = 6;
  task.sampling.temperature = 0;
  task.overflow = TextOverflow::truncate;
  return task;
}

}  // namespace qwen::test
