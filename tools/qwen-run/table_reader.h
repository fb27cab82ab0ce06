// Rows of a table as they are read: CSV, TSV, JSON lines, or plain lines.
#pragma once
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/output.h"
#include "qwen-run/line_source.h"
#include "qwen/error.h"

namespace qwen_run {

enum class TableFormat {
  csv,    // RFC 4180, with any delimiter; blank lines are skipped
  tsv,    // a tab always separates: no quotes
  jsonl,  // an object a line; blank lines are skipped
  lines,  // each line is a text
};

// The format that the name of a file means by its extension, if any.
std::optional<TableFormat> format_of_name(const std::string& path);

// How to read a file. Empty: find out.
struct TableOptions {
  std::string format{};       // csv, tsv, jsonl, lines; else by the name of the file, else by its beginning
  std::string delimiter{};    // of csv: one character, or "tab"
  std::string header{};       // yes, no
  std::string text_column{};  // a name, or a number that counts from 1
  bool empty_texts = false;   // allowed; else such a row is broken
};

struct TableRow {
  long line = 0;                   // where it begins in the file
  std::vector<std::string> cells;  // [columns]; of jsonl only the line of a broken row
  tools::Json object;              // jsonl
  std::string text;                // of the text column
  std::string error;               // why the row is broken; it then has no text
};

class TableReader {
 public:
  // Reads as much of the file as it takes to find what `options` leave open.
  // Throws UsageError, with the columns, if that cannot be found or there is no such column.
  // Throws io or bad_format as LineSource; so does next().
  TableReader(const std::string& path, tools::Encoding encoding, TableOptions options);

  TableFormat format() const { return format_; }
  char delimiter() const { return delimiter_; }
  bool has_header() const { return has_header_; }
  // Names, or column1, column2, ... without a header. Of jsonl: the keys of the first object.
  const std::vector<std::string>& columns();
  const std::string& text_column() const { return text_column_; }
  // Which column it chose, for people; "" if the options name it, or it is called text.
  const std::string& found() const { return found_; }

  // Returns false at the end.
  bool next(TableRow& row);
  bool would_wait() { return pending_.empty() && lines_.would_wait(); }
  double fraction() const { return lines_.fraction(); }
  const std::string& name() const { return lines_.name(); }
  // The name of the column that is named, or numbered, so. Throws UsageError if there is none, or more than one.
  std::string column_name(const std::string& wanted);
  // The value of a column in a row; nothing if the row has none. Numbers are given as text.
  std::optional<std::string> value(const TableRow& row, const std::string& column);

 private:
  // A line with its number and its line break.
  struct Line {
    std::string text;
    long number;
  };

  bool read_line(Line& line);
  bool read_row(TableRow& row);
  void read_csv(Line line, TableRow& row);
  void fit_columns(TableRow& row);
  static void read_object(const Line& line, TableRow& row);
  void open_table(const TableOptions& options);
  void open_objects(const TableOptions& options);
  void look_ahead(std::size_t rows);

  LineSource lines_;
  bool empty_texts_;
  TableFormat format_ = TableFormat::lines;
  char delimiter_ = ',';
  bool has_header_ = false;
  std::vector<std::string> columns_;
  bool columns_known_ = false;
  std::string text_column_, found_;
  std::size_t text_at_ = 0;
  std::deque<Line> returned_;     // lines behind a broken record, read again
  std::deque<TableRow> pending_;  // read ahead
};

}  // namespace qwen_run
