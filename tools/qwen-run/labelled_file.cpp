#include "qwen-run/labelled_file.h"

#include <algorithm>

#include "qwen-run/line_source.h"

namespace qwen_run {
namespace {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> out;
  for (std::size_t begin = 0, end; begin != std::string::npos;
       begin = end == std::string::npos ? end : end + 1) {
    end = line.find('\t', begin);
    out.push_back(line.substr(begin, end == std::string::npos ? end : end - begin));
  }
  return out;
}

[[noreturn]] void fail(const std::string& path, long line, const std::string& reason) {
  throw qwen::Error(qwen::ErrorCode::bad_format, path + ":" + std::to_string(line) + ": " + reason);
}

std::size_t column(const std::vector<std::string>& names, const std::string& name, const std::string& path) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    fail(path, 1, "the first line names no column " + name + " (tab-separated: label, text)");
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace

LabelledTexts read_labelled(const std::string& path, const qwen::Task& task, int limit,
                            tools::Encoding encoding) {
  LineSource lines(path, encoding);
  LabelledTexts out;
  std::string line;
  if (!lines.next(line)) fail(path, 1, "the file is empty");
  const std::vector<std::string> names = split(line);
  const std::size_t label_at = column(names, "label", path), text_at = column(names, "text", path);
  while (lines.next(line)) {
    if (line.empty()) continue;
    const std::vector<std::string> cells = split(line);
    if (cells.size() != names.size())
      fail(path, lines.number(),
           "expected " + std::to_string(names.size()) + " columns, found " + std::to_string(cells.size()));
    const int label = task.find_label(cells[label_at]);
    if (label < 0)
      fail(path, lines.number(),
           "the task " + task.name + " has no label \"" + cells[label_at].substr(0, 40) + "\"");
    out.texts.push_back(cells[text_at]);
    out.labels.push_back(label);
    if (limit > 0 && static_cast<int>(out.texts.size()) >= limit) break;
  }
  if (out.texts.empty()) fail(path, lines.number(), "there are no texts below the first line");
  return out;
}

}  // namespace qwen_run
