#include "qwen-run/table_writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "common/program.h"
#include "qwen-run/csv.h"

namespace qwen_run {

using tools::Json;
using tools::UsageError;

namespace {

[[noreturn]] void fail_io(const std::string& path) {
  throw qwen::Error(qwen::ErrorCode::io, "cannot write " + path + ": " + std::strerror(errno));
}

TableFormat output_format(const std::string& path, const TableReader& input) {
  if (path.empty()) return input.format() == TableFormat::lines ? TableFormat::csv : input.format();
  if (const auto by_name = format_of_name(path)) return *by_name;
  throw UsageError("-o " + path + ": expected a file name that ends in .csv, .tsv or .jsonl");
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

TableWriter::TableWriter(std::string path, ExistingFile existing, const std::string& input_path,
                         TableReader& input, std::vector<std::string> added)
    : path_(path == "-" ? "" : std::move(path)),
      input_(input),
      format_(output_format(path_, input)),
      added_(std::move(added)) {
  if (existing == ExistingFile::resume && path_.empty()) throw UsageError("--resume needs -o FILE");
  delimiter_ = format_ == TableFormat::tsv                                         ? '\t'
               : input.format() == TableFormat::csv && format_ == TableFormat::csv ? input.delimiter()
                                                                                   : ',';
  const auto taken = [&](const std::string& name) {
    return std::find(input.columns().begin(), input.columns().end(), name) != input.columns().end();
  };
  names_ = added_;
  while (std::any_of(names_.begin(), names_.end(), taken))
    for (std::string& name : names_) name = "predicted_" + name;
  const std::set<std::string> distinct(input.columns().begin(), input.columns().end());
  if (format_ == TableFormat::jsonl && distinct.size() != input.columns().size())
    throw UsageError(input.name() + " has several columns of one name: JSON lines cannot hold them");
  if (path_.empty()) return;
  struct stat out {
  }, in{};
  const bool exists = ::stat(path_.c_str(), &out) == 0;
  if (exists && input_path != "-" && ::stat(input_path.c_str(), &in) == 0 && in.st_dev == out.st_dev &&
      in.st_ino == out.st_ino)
    throw UsageError("-o " + path_ + " is the input");
  if (exists && S_ISREG(out.st_mode) && existing == ExistingFile::refuse)
    throw UsageError(path_ + " exists: --resume continues it; remove it to start again");
  if (existing == ExistingFile::resume && exists && !S_ISREG(out.st_mode))
    throw UsageError("--resume: " + path_ + " is not a file");
  file_ = std::fopen(path_.c_str(), existing == ExistingFile::replace ? "wb" : "ab");
  if (!file_) fail_io(path_);
}

TableWriter::~TableWriter() {
  if (file_) std::fclose(file_);
}

std::string TableWriter::tsv_cell(std::string text) {
  bool changed = false;
  for (char& c : text) {
    if (c != '\t' && c != '\n' && c != '\r') continue;
    c = ' ';
    changed = true;
  }
  changed_ += changed;
  return text;
}

std::string TableWriter::cell(const std::string& text) {
  return format_ == TableFormat::tsv ? tsv_cell(text) : csv_cell(text, delimiter_);
}

std::string TableWriter::header() {
  if (format_ == TableFormat::jsonl || !(input_.has_header() || input_.format() == TableFormat::jsonl))
    return "";
  std::string line;
  for (const std::string& name : input_.columns()) line += cell(name) + delimiter_;
  for (const std::string& name : names_) line += cell(name) + delimiter_;
  line.back() = '\n';
  return line;
}

std::string TableWriter::refusal(const TableRow& row) const {
  if (format_ == TableFormat::jsonl || !row.object.is_object()) return "";
  for (const auto& item : row.object.items())
    if (std::find(input_.columns().begin(), input_.columns().end(), item.key()) == input_.columns().end())
      return "the first object has no key " + Json(item.key()).dump() + ": a table has no column for it";
  return "";
}

std::string TableWriter::kept_part(const TableRow& row) {
  if (format_ == TableFormat::jsonl) {
    Json object = Json::object();
    for (const auto& [key, value] : row.object.items())  // a key of ours is renamed
      object[(std::find(names_.begin(), names_.end(), key) == names_.end() ? "" : "input_") + key] = value;
    for (std::size_t i = 0; row.object.is_null() && i < row.cells.size(); ++i)
      object[input_.columns()[i]] = row.cells[i];
    std::string text = dump(object);
    text.pop_back();
    return text + (object.empty() ? "" : ",");
  }
  std::string line;
  for (std::size_t i = 0; i < input_.columns().size(); ++i) {
    if (!row.cells.empty())
      line += cell(i < row.cells.size() ? row.cells[i] : "");
    else
      line += cell(input_.value(row, input_.columns()[i]).value_or(""));
    line += delimiter_;
  }
  return line;
}

void TableWriter::write(const TableRow& row, const Json& answer, const std::string& error) {
  if (!begun_) buffer_ += header();
  begun_ = true;
  buffer_ += kept_part(row);
  std::string added;
  for (std::size_t i = 0; i < added_.size(); ++i) {
    Json value;
    if (added_[i] == "error" && !error.empty())
      value = error;
    else if (answer.contains(added_[i]))
      value = answer[added_[i]];
    if (i > 0) added += format_ == TableFormat::jsonl ? ',' : delimiter_;
    if (format_ == TableFormat::jsonl)
      added += dump(names_[i]) + ":" + dump(value);
    else
      added += cell(value.is_null() ? "" : value.is_string() ? value.get<std::string>() : dump(value));
  }
  buffer_ += added + (format_ == TableFormat::jsonl ? "}\n" : "\n");
}

void TableWriter::flush() {
  if (!begun_) buffer_ += header();  // of a table without rows
  begun_ = true;
  if (path_.empty()) {
    tools::stream_out(buffer_);
  } else if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size() ||
             std::fflush(file_) != 0) {
    fail_io(path_);
  }
  buffer_.clear();
}

// Records of a file that was written, byte by byte: an incomplete row may end within a character.
class TableWriter::Records {
 public:
  Records(const std::string& path, TableFormat format, char delimiter)
      : path_(path), file_(std::fopen(path.c_str(), "rb")), format_(format), delimiter_(delimiter) {
    if (!file_) throw qwen::Error(qwen::ErrorCode::io, "cannot read " + path + ": " + std::strerror(errno));
  }
  ~Records() {
    std::fclose(file_);
    std::free(line_);
  }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  // A whole record; false at the end or if it is incomplete or broken.
  bool next(std::string& record) {
    record.clear();
    CsvRecord csv(delimiter_);
    auto state = CsvRecord::State::open;
    while (state == CsvRecord::State::open && read_line()) {
      record += line();
      state = format_ == TableFormat::csv ? csv.feed(line()) : CsvRecord::State::complete;
    }
    return state == CsvRecord::State::complete && record.ends_with('\n');
  }
  bool at_end() { return !read_line(); }
  [[noreturn]] void refuse(const std::string& why) const {
    throw qwen::Error(qwen::ErrorCode::bad_format, path_ + ":" + std::to_string(number_) + ": " + why +
                                                       ": --resume needs the output of the same command");
  }

 private:
  std::string_view line() const { return {line_, static_cast<std::size_t>(length_)}; }
  bool read_line() {
    length_ = ::getline(&line_, &room_, file_);
    if (length_ < 0 && std::ferror(file_))
      throw qwen::Error(qwen::ErrorCode::io, "cannot read " + path_ + ": " + std::strerror(errno));
    number_ += length_ >= 0;
    return length_ >= 0;
  }

  std::string path_;
  std::FILE* file_;
  TableFormat format_;
  char delimiter_;
  char* line_ = nullptr;
  std::size_t room_ = 0;
  ssize_t length_ = 0;
  long number_ = 0;
};

long TableWriter::skip_done() {
  if (!file_) return 0;
  Records records(path_, format_, delimiter_);
  std::string record;
  std::size_t complete = 0;  // bytes
  long rows = 0;
  bool whole = records.next(record);
  const std::string expected = header();
  if (whole && !expected.empty()) {
    if (record != expected) records.refuse("the columns differ");
    complete = record.size();
    begun_ = true;
    whole = records.next(record);
  }
  TableRow row;
  for (; whole; whole = records.next(record)) {
    if (!input_.next(row)) records.refuse("the file has more rows than the input");
    if (!record.starts_with(kept_part(row)))
      records.refuse("the row differs from line " + std::to_string(row.line) + " of " + input_.name());
    complete += record.size();
    ++rows;
  }
  begun_ = begun_ || rows > 0;
  if (!records.at_end()) records.refuse("the row is broken");
  if (::truncate(path_.c_str(), static_cast<off_t>(complete)) != 0) fail_io(path_);
  return rows;
}

}  // namespace qwen_run
