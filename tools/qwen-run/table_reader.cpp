#include "qwen-run/table_reader.h"

#include <algorithm>
#include <charconv>

#include "common/program.h"
#include "qwen-run/csv.h"
#include "qwen-run/table_detect.h"

namespace qwen_run {

using tools::Json;
using tools::UsageError;

namespace {

constexpr std::size_t kSample = 1 << 16;     // bytes that decide about format and delimiter
constexpr std::size_t kSampleRows = 50;      // rows that decide about header and columns
constexpr std::size_t kMaxRecord = 1 << 20;  // bytes after which a quote counts as never closed

TableFormat parse_format(const std::string& name) {
  return name == "csv"     ? TableFormat::csv
         : name == "tsv"   ? TableFormat::tsv
         : name == "jsonl" ? TableFormat::jsonl
                           : TableFormat::lines;
}

char parse_delimiter(const std::string& text) {
  if (text == "tab" || text == "\\t") return '\t';
  if (text.size() != 1 || text == "\"" || text == "\n")
    throw UsageError("--delimiter: expected one ASCII character or tab, found \"" + text + "\"");
  return text[0];
}

Cells split_tabs(std::string_view line) {
  Cells cells;
  while (true) {
    const std::size_t tab = line.find('\t');
    cells.emplace_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return cells;
    line.remove_prefix(tab + 1);
  }
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// The index that `wanted`, a name or a number, means.
std::size_t find_column(const Cells& columns, const std::string& wanted, const std::string& file) {
  const auto found = std::find(columns.begin(), columns.end(), wanted);
  if (found != columns.end()) {
    if (std::find(found + 1, columns.end(), wanted) != columns.end())
      throw UsageError(file + " has several columns " + wanted + ": give the number of one, from 1 to " +
                       std::to_string(columns.size()));
    return static_cast<std::size_t>(found - columns.begin());
  }
  std::size_t number = 0;
  const char* end = wanted.data() + wanted.size();
  const auto [stop, error] = std::from_chars(wanted.data(), end, number);
  if (error == std::errc() && stop == end && number >= 1 && number <= columns.size()) return number - 1;
  throw UsageError(file + " has no column " + wanted + "; its columns: " + list_columns(columns));
}

}  // namespace

std::optional<TableFormat> format_of_name(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  std::string extension = dot == std::string::npos ? "" : path.substr(dot + 1);
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (extension == "csv") return TableFormat::csv;
  if (extension == "tsv" || extension == "tab") return TableFormat::tsv;
  if (extension == "jsonl" || extension == "ndjson") return TableFormat::jsonl;
  return std::nullopt;
}

TableReader::TableReader(const std::string& path, tools::Encoding encoding, TableOptions options)
    : lines_(path, encoding), empty_texts_(options.empty_texts) {
  bool known = true;
  if (!options.format.empty()) {
    format_ = parse_format(options.format);
  } else if (const auto by_name = format_of_name(path)) {
    format_ = *by_name;
  } else if (!options.delimiter.empty()) {
    format_ = TableFormat::csv;
  } else {
    known = false;
  }
  std::optional<char> delimiter;
  if (!options.delimiter.empty()) {
    delimiter = parse_delimiter(options.delimiter);
    if (format_ != TableFormat::csv) throw UsageError("--delimiter applies to CSV only (--format csv)");
  } else if (!known || format_ == TableFormat::csv) {
    const std::string_view sample = lines_.peek(kSample);
    const std::size_t begin = sample.find_first_not_of(" \t\r\n");
    if (!known && begin != std::string_view::npos && sample[begin] == '{') {
      format_ = TableFormat::jsonl;
    } else {
      delimiter = find_delimiter(sample, sample.size() < kSample);
      if (!known && !delimiter && options.text_column.empty() && options.header.empty())
        format_ = TableFormat::lines;
      else if (!known)
        format_ = delimiter == '\t' ? TableFormat::tsv : TableFormat::csv;
    }
  }
  delimiter_ = format_ == TableFormat::tsv ? '\t' : delimiter.value_or(',');
  if (format_ == TableFormat::lines) {
    if (!options.text_column.empty()) throw UsageError("--text-column does not apply to plain lines");
    columns_ = {text_column_ = "text"};
    columns_known_ = has_header_ = true;
    if (!known) found_ = name() + ": plain lines, each one a text";
  } else if (format_ == TableFormat::jsonl) {
    open_objects(options);
  } else {
    open_table(options);
  }
}

void TableReader::look_ahead(std::size_t rows) {
  for (TableRow row; pending_.size() < rows && read_row(row);) pending_.push_back(std::move(row));
}

void TableReader::open_table(const TableOptions& options) {
  TableRow first;
  if (!read_row(first)) throw qwen::Error(qwen::ErrorCode::bad_format, name() + ": the file has no rows");
  if (!first.error.empty())
    throw qwen::Error(qwen::ErrorCode::bad_format,
                      name() + ":" + std::to_string(first.line) + ": " + first.error);
  columns_ = first.cells;
  columns_known_ = true;
  const std::string& wanted = options.text_column;
  const bool named = std::find(columns_.begin(), columns_.end(), wanted) != columns_.end();
  if (!wanted.empty() && options.header != "no") find_column(columns_, wanted, name());  // or throw
  std::vector<Cells> sample{first.cells};
  if (options.header.empty() ? wanted.empty() || !named : wanted.empty()) {
    look_ahead(kSampleRows);
    for (const TableRow& row : pending_)
      if (row.error.empty()) sample.push_back(row.cells);
  }
  if (!options.header.empty() || (!wanted.empty() && named)) {
    has_header_ = options.header != "no";
  } else {
    const std::optional<bool> found = find_header(sample);
    if (!found)
      throw UsageError(
          "cannot tell if the first row of " + name() +
          " names the columns: give --header yes or --header no; the row: " + list_columns(columns_));
    has_header_ = *found;
  }
  if (has_header_) {
    sample.erase(sample.begin());
  } else {
    pending_.push_front(std::move(first));
    for (std::size_t i = 0; i < columns_.size(); ++i) columns_[i] = "column" + std::to_string(i + 1);
  }
  if (!wanted.empty()) {
    text_at_ = find_column(columns_, wanted, name());
  } else {
    const auto found = find_text_column(columns_, sample);
    if (!found)
      throw UsageError("cannot tell which column of " + name() +
                       " has the texts: name it with --text-column; its columns: " + list_columns(columns_));
    text_at_ = *found;
    if (columns_[text_at_] != "text")
      found_ = name() + ": texts are in the column " + tools::printable(columns_[text_at_]) + " of " +
               list_columns(columns_) + (has_header_ ? "" : " (no header)");
  }
  text_column_ = columns_[text_at_];
}

void TableReader::open_objects(const TableOptions& options) {
  text_column_ = options.text_column;
  if (!text_column_.empty()) return;
  columns();
  const auto first =
      std::find_if(pending_.begin(), pending_.end(), [](const TableRow& row) { return row.error.empty(); });
  if (first == pending_.end())
    throw qwen::Error(qwen::ErrorCode::bad_format, name() + ": no line is a JSON object");
  Cells names, texts;
  for (const auto& [key, value] : first->object.items()) {
    if (!value.is_string()) continue;
    names.push_back(key);
    texts.push_back(value.get<std::string>());
  }
  const auto found = names.empty() ? std::nullopt : find_text_column(names, {texts});
  if (!found)
    throw UsageError("cannot tell which key of " + name() +
                     " has the texts: name it with --text-column; its keys: " + list_columns(columns_));
  text_column_ = names[*found];
  found_ =
      name() + ": texts are in the key " + tools::printable(text_column_) + " of " + list_columns(columns_);
}

const std::vector<std::string>& TableReader::columns() {
  while (!columns_known_) {
    const std::size_t before = pending_.size();
    look_ahead(before + 1);
    columns_known_ = pending_.size() == before;  // the end
    if (columns_known_ || !pending_.back().error.empty()) continue;
    for (const auto& item : pending_.back().object.items()) columns_.push_back(item.key());
    columns_known_ = true;
  }
  return columns_;
}

bool TableReader::next(TableRow& row) {
  if (!pending_.empty()) {
    row = std::move(pending_.front());
    pending_.pop_front();
  } else if (!read_row(row)) {
    return false;
  }
  if (!row.error.empty()) return true;
  if (format_ == TableFormat::jsonl) {
    const auto found = row.object.find(text_column_);
    if (found == row.object.end() || !found->is_string())
      row.error = "expected an object with " + Json(text_column_).dump() + ", a string";
    else
      row.text = found->get<std::string>();
  } else {
    row.text = row.cells[text_at_];
  }
  if (row.error.empty() && !empty_texts_ && is_blank(row.text)) row.error = "the text is empty";
  return true;
}

std::string TableReader::column_name(const std::string& wanted) {
  return columns()[find_column(columns(), wanted, name())];
}

std::optional<std::string> TableReader::value(const TableRow& row, const std::string& column) {
  if (format_ == TableFormat::jsonl) {
    const auto found = row.object.find(column);
    if (found == row.object.end()) return std::nullopt;
    return found->is_string() ? found->get<std::string>() : found->dump();
  }
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found == columns_.end()) return std::nullopt;
  return row.cells[static_cast<std::size_t>(found - columns_.begin())];
}

bool TableReader::read_line(Line& line) {
  if (returned_.empty()) {
    if (!lines_.next_raw(line.text)) return false;
    line.number = lines_.number();
    return true;
  }
  line = std::move(returned_.front());
  returned_.pop_front();
  return true;
}

bool TableReader::read_row(TableRow& row) {
  row = {};
  Line line;
  do {
    if (!read_line(line)) return false;
  } while (is_blank(line.text) &&
           !(format_ == TableFormat::tsv && line.text.find('\t') != std::string::npos));
  row.line = line.number;
  switch (format_) {
    case TableFormat::csv: read_csv(std::move(line), row); break;
    case TableFormat::tsv: row.cells = split_tabs(without_line_break(line.text)); break;
    case TableFormat::jsonl: read_object(line, row); return true;
    case TableFormat::lines: row.cells = {std::string(without_line_break(line.text))}; return true;
  }
  if (columns_known_ && row.error.empty()) fit_columns(row);
  if (columns_known_) row.cells.resize(columns_.size());
  return true;
}

// A record with a misplaced or unclosed quote is broken: its first line is the row, and reading goes on with the next line.
void TableReader::read_csv(Line line, TableRow& row) {
  CsvRecord record(delimiter_);
  auto state = record.feed(line.text);
  std::vector<Line> more;
  std::size_t bytes = line.text.size();
  for (Line next; state == CsvRecord::State::open && bytes < kMaxRecord && read_line(next);) {
    state = record.feed(next.text);
    bytes += next.text.size();
    more.push_back(std::move(next));
  }
  if (state == CsvRecord::State::complete) {
    row.cells = std::move(record.cells());
    return;
  }
  row.error = state == CsvRecord::State::broken ? record.reason() : "a quote is never closed";
  row.cells = {std::string(without_line_break(line.text))};
  returned_.insert(returned_.begin(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
}

// Marks a row with another number of cells than columns as broken. No cell is lost: surplus ones join the last.
void TableReader::fit_columns(TableRow& row) {
  if (row.cells.size() == columns_.size()) return;
  row.error =
      "expected " + std::to_string(columns_.size()) + " columns, found " + std::to_string(row.cells.size());
  for (std::size_t i = columns_.size(); i < row.cells.size(); ++i)
    row.cells[columns_.size() - 1] += delimiter_ + row.cells[i];
}

void TableReader::read_object(const Line& line, TableRow& row) {
  row.object = Json::parse(line.text, nullptr, false);
  if (row.object.is_object()) return;
  row.error = "expected a JSON object";
  row.cells = {std::string(without_line_break(line.text))};
  row.object = {{"broken", row.cells[0]}};
}

}  // namespace qwen_run
