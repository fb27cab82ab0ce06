#include <algorithm>
#include <cctype>
#include <cstdio>

#include "report.h"

namespace qwen::bench {
namespace {

// Terminal columns of UTF-8 text that has no wide characters.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool is_number(const std::string& text) {
  return !text.empty() &&
         (std::isdigit(static_cast<unsigned char>(text[0])) || text[0] == '-' || text[0] == '+');
}

}  // namespace

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string Table::text() const {
  std::string out;
  std::vector<std::size_t> widths(rows_[0].size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t i = 0; i < rows_[r].size(); ++i) {
      const std::string& cell = rows_[r][i];
      const std::string pad(widths[i] - width(cell), ' ');
      const bool right = i > 0 && is_number(rows_[std::min(r + (r == 0), rows_.size() - 1)][i]);
      if (i > 0) line += "  ";
      line.append(right ? pad : cell).append(right ? cell : pad);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string Table::markdown() const {
  std::string out;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (const auto& cell : rows_[r]) out.append("| ").append(cell).append(" ");
    out += "|\n";
    if (r > 0) continue;
    for (std::size_t i = 0; i < rows_[0].size(); ++i) out += i == 0 ? "|---" : "|---:";
    out += "|\n";
  }
  return out;
}

std::string Table::csv() const {
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool quote = row[i].find_first_of(",\"\n") != std::string::npos;
      std::string cell;
      for (const char c : row[i]) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
      if (i > 0) out += ',';
      if (quote) cell.insert(cell.begin(), '"'), cell += '"';
      out += cell;
    }
    out += "\n";
  }
  return out;
}

}  // namespace qwen::bench
