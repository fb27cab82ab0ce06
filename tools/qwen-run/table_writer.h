// A table with added columns, written row by row as CSV, TSV or JSON lines.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "common/output.h"
#include "qwen-run/table_reader.h"

namespace qwen_run {

// What receives the answers of a batch, in the order of the rows.
class RowWriter {
 public:
  virtual ~RowWriter() = default;
  // Why this row cannot be written as it is; "" if it can.
  virtual std::string refusal(const TableRow&) const { return ""; }
  // `answer` is null if the row has an error.
  virtual void write(const TableRow& row, const tools::Json& answer, const std::string& error) = 0;
  // Passes whole rows on to the system.
  virtual void flush() = 0;
};

// Writes the rows of `input` with some keys of the answers as columns; the key error stands for the row's error. If the
// input has a column of such a name, all added ones are called predicted_...
//
// A file consists of whole rows after each flush(). The caller can continue it later with resume().
enum class ExistingFile { refuse, resume, replace };

class TableWriter : public RowWriter {
 public:
  // `path` "" or "-": stdout, in the format of the input (CSV for plain lines), else by the extension of the file.
  // Throws UsageError if the file exists and `existing` refuses that, if it is the input, or if its extension is unknown.
  TableWriter(std::string path, ExistingFile existing, const std::string& input_path, TableReader& input,
              std::vector<std::string> added);
  ~TableWriter() override;

  // Reads the rows of the input that the file already has, and removes an incomplete last row of the file. Returns the
  // number of rows. Throws Error(bad_format) if the file has other rows than the input.
  long skip_done();
  std::string refusal(const TableRow& row) const override;
  void write(const TableRow& row, const tools::Json& answer, const std::string& error) override;
  void flush() override;
  bool to_stdout() const { return path_.empty(); }
  const std::string& path() const { return path_; }
  long changed_cells() const { return changed_; }  // TSV: cells with tabs or line breaks, which became spaces

 private:
  class Records;
  std::string header();
  std::string kept_part(const TableRow& row);  // of a row, up to its added columns
  std::string tsv_cell(std::string text);
  std::string cell(const std::string& text);

  std::string path_;
  TableReader& input_;
  TableFormat format_;
  char delimiter_ = ',';
  std::vector<std::string> added_, names_;  // keys of the answers, and the names of their columns
  std::FILE* file_ = nullptr;
  std::string buffer_;
  bool begun_ = false;
  long changed_ = 0;
};

}  // namespace qwen_run
