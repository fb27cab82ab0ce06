// A tab-separated file of labelled texts. The first line names the columns; label and text are required.
#pragma once
#include <string>
#include <vector>

#include "common/encoding.h"
#include "qwen/qwen.h"

namespace qwen_run {

struct LabelledTexts {
  std::vector<std::string> texts;
  std::vector<int> labels;  // indices of the task's labels
};

// Reads at most `limit` texts (0: all); labels are matched by Task::find_label. Throws Error(bad_format) with file and line.
LabelledTexts read_labelled(const std::string& path, const qwen::Task& task, int limit,
                            tools::Encoding encoding);

}  // namespace qwen_run
