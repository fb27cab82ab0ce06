#include "qwen-run/table_detect.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "common/output.h"
#include "qwen-run/csv.h"

namespace qwen_run {
namespace {

constexpr std::array kTextNames = {"text",     "sentence", "review",  "reviews",  "comment",
                                   "comments", "content",  "message", "body",     "文本",
                                   "句子",     "评论",     "评价",    "点评",     "内容",
                                   "正文",     "留言",     "消息",    "评论内容", "评价内容"};
constexpr std::array kLabelNames = {"label", "labels", "标签", "标注", "类别", "分类"};

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

template <std::size_t N>
bool is_one_of(const std::string& name, const std::array<const char*, N>& names) {
  return std::find(names.begin(), names.end(), lower(name)) != names.end();
}

template <std::size_t N>
std::optional<std::size_t> only_named(const Cells& columns, const std::array<const char*, N>& names) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!is_one_of(columns[i], names)) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

bool is_number(const std::string& cell) {
  double value = 0;
  const char* end = cell.data() + cell.size();
  const auto [stop, error] = std::from_chars(cell.data(), end, value);
  return error == std::errc() && stop == end;
}

// How many columns the first record has, if at least nine of ten records have as many; else 0.
std::size_t columns_with(char delimiter, std::string_view sample, bool whole) {
  std::map<std::size_t, std::size_t> counts;  // records by their number of columns
  std::size_t first = 0, records = 0;
  for (std::size_t at = 0; at < sample.size();) {
    CsvRecord record(delimiter);
    const std::size_t begin = at;
    auto state = CsvRecord::State::open;
    bool cut = false;
    while (state == CsvRecord::State::open && at < sample.size()) {
      const std::size_t end = std::min(sample.find('\n', at), sample.size() - 1) + 1;
      cut = sample[end - 1] != '\n' && !whole;
      state = record.feed(sample.substr(at, end - at));
      at = end;
    }
    if (cut) break;
    if (state != CsvRecord::State::complete) {  // as the reader does: go on after the first line
      at = std::min(sample.find('\n', begin), sample.size() - 1) + 1;
      continue;
    }
    if (without_line_break(sample.substr(begin, at - begin)).empty()) continue;
    const std::size_t columns = record.cells().size();
    if (records++ == 0) first = columns;
    ++counts[columns];
  }
  return records > 0 && counts[first] * 10 >= records * 9 ? first : 0;
}

}  // namespace

std::optional<char> find_delimiter(std::string_view sample, bool whole) {
  std::optional<char> best;
  std::size_t most = 1;
  for (const char delimiter : {',', '\t', ';', '|'}) {
    const std::size_t columns = columns_with(delimiter, sample, whole);
    if (columns <= most) continue;
    most = columns;
    best = delimiter;
  }
  return best;
}

std::optional<bool> find_header(const std::vector<Cells>& rows) {
  const Cells& first = rows.front();
  for (const std::string& cell : first)
    if (is_one_of(cell, kTextNames) || is_one_of(cell, kLabelNames)) return true;
  if (std::any_of(first.begin(), first.end(), is_number)) return false;
  for (std::size_t i = 0; i < first.size() && rows.size() > 1; ++i) {
    const bool numbers = std::all_of(rows.begin() + 1, rows.end(),
                                     [&](const Cells& row) { return i < row.size() && is_number(row[i]); });
    if (numbers) return true;
  }
  return std::nullopt;
}

std::optional<std::size_t> find_text_column(const Cells& columns, const std::vector<Cells>& rows) {
  if (columns.size() == 1) return 0;
  if (const auto named = only_named(columns, kTextNames)) return named;
  if (std::any_of(columns.begin(), columns.end(), [](const auto& c) { return is_one_of(c, kTextNames); }))
    return std::nullopt;
  std::vector<std::size_t> bytes(columns.size());
  for (const Cells& row : rows)
    for (std::size_t i = 0; i < std::min(row.size(), columns.size()); ++i)
      bytes[i] += is_number(row[i]) ? 0 : row[i].size();
  const std::size_t longest =
      static_cast<std::size_t>(std::max_element(bytes.begin(), bytes.end()) - bytes.begin());
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (i != longest && bytes[i] * 3 > bytes[longest]) return std::nullopt;
  return bytes[longest] > 0 ? std::optional(longest) : std::nullopt;
}

std::optional<std::size_t> find_label_column(const Cells& columns) {
  return only_named(columns, kLabelNames);
}

std::string list_columns(const Cells& columns) {
  std::string out;
  for (const std::string& name : columns) {
    if (out.size() > 400) return out + ", ...";
    out += (out.empty() ? "" : ", ") + (name.empty() ? "\"\"" : tools::printable(name));
  }
  return out;
}

}  // namespace qwen_run
