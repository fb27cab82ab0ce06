#include "qwen-run/labelled_file.h"

#include <cstdio>

#include "common/program.h"
#include "qwen-run/table_detect.h"

namespace qwen_run {
namespace {

[[noreturn]] void fail(const std::string& path, long line, const std::string& reason) {
  throw qwen::Error(qwen::ErrorCode::bad_format, path + ":" + std::to_string(line) + ": " + reason);
}

std::string find_labels(TableReader& input, const std::string& wanted) {
  if (!wanted.empty()) return input.column_name(wanted);
  const auto found = find_label_column(input.columns());
  if (!found)
    throw tools::UsageError(
        "cannot tell which column of " + input.name() +
        " has the labels: name it with --label-column; its columns: " + list_columns(input.columns()));
  return input.columns()[*found];
}

}  // namespace

LabelledTexts read_labelled(TableReader& input, const std::string& label_column, int limit) {
  const std::string column = find_labels(input, label_column);
  if (!input.found().empty()) std::fprintf(stderr, "%s\n", input.found().c_str());
  LabelledTexts out;
  for (TableRow row; input.next(row);) {
    if (!row.error.empty()) fail(input.name(), row.line, row.error);
    const auto label = input.value(row, column);
    if (!label) fail(input.name(), row.line, "there is no " + column);
    out.texts.push_back(row.text);
    out.labels.push_back(*label);
    out.rows.push_back(std::move(row));
    if (limit > 0 && static_cast<int>(out.rows.size()) >= limit) break;
  }
  if (out.rows.empty()) throw qwen::Error(qwen::ErrorCode::bad_format, input.name() + ": there are no texts");
  return out;
}

std::vector<int> label_indices(const LabelledTexts& data, const qwen::Task& task, const std::string& file) {
  std::vector<int> out;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    out.push_back(task.find_label(data.labels[i]));
    if (out.back() < 0)
      fail(file, data.rows[i].line,
           "the task " + task.name + " has no label \"" + data.labels[i].substr(0, 40) + "\"");
  }
  return out;
}

}  // namespace qwen_run
