// A table of texts with known labels.
#pragma once
#include <string>
#include <vector>

#include "qwen-run/table_reader.h"
#include "qwen/qwen.h"

namespace qwen_run {

struct LabelledTexts {
  std::vector<TableRow> rows;
  std::vector<std::string> texts, labels;  // [rows]
};

// Reads at most `limit` rows (0: all). The column of the labels is `label_column`, else the one with a usual name (label, 标签 ...).
// Throws Error(bad_format), with file and line, if a row is broken or there are none.
// Throws UsageError, with the columns, if there is no such column.
LabelledTexts read_labelled(TableReader& input, const std::string& label_column, int limit);

// The task's index of each label, by Task::find_label. Throws Error(bad_format), with file and line, for an unknown label.
std::vector<int> label_indices(const LabelledTexts& data, const qwen::Task& task, const std::string& file);

}  // namespace qwen_run
