#include "qwen-run/csv.h"

namespace qwen_run {

std::string_view without_line_break(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

CsvRecord::State CsvRecord::feed(std::string_view line) {
  const std::size_t end = without_line_break(line).size();  // of the last cell, unless it is quoted
  std::size_t at = 0;
  while (true) {
    if (!quoted_) {
      cells_.emplace_back();
      if (at == end || line[at] != '"') {
        const std::size_t next = line.substr(0, end).find(delimiter_, at);
        cells_.back() = line.substr(at, next == std::string_view::npos ? end - at : next - at);
        if (next == std::string_view::npos) return State::complete;
        at = next + 1;
        continue;
      }
      ++at;
    }
    // Within quotes; two quotes are one.
    while (true) {
      const std::size_t quote = line.find('"', at);
      quoted_ = quote == std::string_view::npos;
      cells_.back() += line.substr(at, quoted_ ? quote : quote - at);
      if (quoted_) return State::open;
      at = quote + 1;
      if (at == line.size() || line[at] != '"') break;
      cells_.back() += '"';
      ++at;
    }
    if (at >= end) return State::complete;
    if (line[at] != delimiter_) return State::broken;
    ++at;
  }
}

std::string csv_cell(const std::string& text, char delimiter) {
  if (text.find_first_of(std::string("\"\r\n") + delimiter) == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace qwen_run
