// Labelled texts: a tab-separated file whose first line names its columns, label and text among them.
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

// At most `limit` texts (0: all). Error(bad_format) with file and line; labels are found by Task::find_label.
LabelledTexts read_labelled(const std::string& path, const qwen::Task& task, int limit,
                            tools::Encoding encoding);

}  // namespace qwen_run
