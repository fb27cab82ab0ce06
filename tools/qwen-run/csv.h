// Comma-separated values by RFC 4180, with any one-byte delimiter.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace qwen_run {

// Reads one record, line by line: a quoted cell may contain line breaks.
class CsvRecord {
 public:
  explicit CsvRecord(char delimiter) : delimiter_(delimiter) {}

  enum class State {
    open,      // within a quoted cell: more lines follow
    complete,  // cells() is the record
    broken,    // reason() says why
  };
  // `line` includes its line break, which the last line of a file may lack.
  State feed(std::string_view line);
  std::vector<std::string>& cells() { return cells_; }
  std::string reason() const {
    return "text after the closing quote of column " + std::to_string(cells_.size());
  }

 private:
  char delimiter_;
  bool quoted_ = false;
  std::vector<std::string> cells_;
};

// The cell as it is written: in quotes if it needs them.
std::string csv_cell(const std::string& text, char delimiter);

// `line` without its line break, LF or CR LF.
std::string_view without_line_break(std::string_view line);

}  // namespace qwen_run
