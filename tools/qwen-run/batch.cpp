#include "qwen-run/batch.h"

#include <nlohmann/json.hpp>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/interrupt.h"

namespace qwen_run {

using tools::Json;
using tools::UsageError;

void TableFlags::add_input(tools::CommandLine& app, std::optional<tools::Option> other) {
  const auto add = [&](const char* name, std::string& value, const char* help, const char* type) {
    const tools::Option option = app.add(name, value, help).type(type).group("Table");
    return other ? option.excludes(*other) : option;
  };
  add("--text-column", read.text_column,
      "Column of the texts in a table: a name, or a number that counts from 1 (default: found)", "NAME");
  add("--format", read.format,
      "csv, tsv, jsonl or lines (default: by the extension of the file, else by its beginning)", "NAME")
      .one_of({"csv", "tsv", "jsonl", "lines"});
  add("--delimiter", read.delimiter, "Delimiter of CSV: one character, or tab (default: found)", "X");
  add("--header", read.header, "Whether the first row names the columns: yes or no (default: found)",
      "yes|no")
      .one_of({"yes", "no"});
}

void TableFlags::add_output(tools::CommandLine& app, std::optional<tools::Option> other) {
  const tools::Option file =
      app.add("-o,--out", out,
              "Write the table with the answers to a .csv, .tsv or .jsonl file (default: stdout)")
          .type("FILE")
          .group("Table");
  app.add_flag("--resume", resume, "Continue the file of -o after its last complete row")
      .needs(file)
      .group("Table");
  if (other) file.excludes(*other);
}

bool TableFlags::wanted(const TextInput& input) const {
  return resume || !out.empty() || !read.text_column.empty() || !read.format.empty() ||
         !read.delimiter.empty() || !read.header.empty() || format_of_name(input.file_path()).has_value();
}

namespace {

class Batch {
 public:
  Batch(TableReader& input, Answerer& answerer, RowWriter& output, bool bar_enabled, bool report_rows)
      : input_(input),
        answerer_(answerer),
        output_(output),
        report_rows_(report_rows),
        bar_("answering", "rows", bar_enabled),
        start_(input.fraction()) {}

  BatchSummary run() {
    const InterruptGuard guard(cancel_);
    try {
      TableRow row;
      while (!cancel_.cancelled()) {
        if (rows_.size() >= kMost || (!rows_.empty() && input_.would_wait())) answer();
        if (!next(row)) break;
        if (row.error.empty()) row.error = output_.refusal(row);
        rows_.push_back(std::move(row));
      }
      answer();
    } catch (const qwen::Error& error) {
      if (error.code() != qwen::ErrorCode::cancelled) throw;
    }
    output_.flush();
    summary_.interrupted = cancel_.cancelled();
    return summary_;
  }

 private:
  static constexpr std::size_t kMost = 128;
  static constexpr long kReported = 20;

  bool next(TableRow& row) {
    try {
      return input_.next(row);
    } catch (const qwen::Error&) {
      answer();  // the rows before the error
      throw;
    }
  }

  void answer() {
    std::vector<std::string> texts;
    for (TableRow& row : rows_)
      if (row.error.empty()) texts.push_back(std::move(row.text));
    std::size_t at = 0;
    const auto write_broken = [&] {
      for (; at < rows_.size() && !rows_[at].error.empty(); ++at) write(rows_[at], Json(), rows_[at].error);
    };
    try {
      answerer_.answer(
          texts,
          [&](const Json& answer, const std::string& error) {
            write_broken();
            write(rows_[at++], answer, error);
          },
          cancel_);
    } catch (...) {
      output_.flush();
      throw;
    }
    write_broken();
    rows_.clear();
    output_.flush();
  }

  void write(const TableRow& row, const Json& answer, const std::string& error) {
    output_.write(row, answer, error);
    ++summary_.rows;
    if (!error.empty() && ++summary_.broken <= kReported && report_rows_) {
      bar_.hide();
      tools::warn(input_.name() + ":" + std::to_string(row.line) + ": " + error);
      if (summary_.broken == kReported) tools::warn("further broken rows are only counted");
    }
    bar_.update(input_.fraction(), start_, summary_.rows);
  }

  TableReader& input_;
  Answerer& answerer_;
  RowWriter& output_;
  bool report_rows_;
  tools::RateBar bar_;
  double start_;  // fraction of the file that an earlier run did
  qwen::CancelToken cancel_;
  std::vector<TableRow> rows_;
  BatchSummary summary_;
};

}  // namespace

BatchSummary run_batch(TableReader& input, Answerer& answerer, RowWriter& output, bool bar_enabled,
                       bool report_rows) {
  return Batch(input, answerer, output, bar_enabled, report_rows).run();
}

void warn_truncated_texts(long texts, const std::string& prefix) {
  if (texts == 0) return;
  tools::warn(prefix + std::to_string(texts) +
              (texts == 1 ? " text was too long: its end was left out"
                          : " texts were too long: their ends were left out"));
}

int label_table(const TableFlags& flags, const std::string& source, tools::Encoding encoding, bool progress,
                const std::function<std::unique_ptr<Answerer>()>& make_answerer) {
  TableReader input(source, encoding, flags.read);
  if (!input.found().empty()) std::fprintf(stderr, "%s\n", input.found().c_str());
  const std::unique_ptr<Answerer> answerer = make_answerer();
  std::vector<std::string> added = answerer->columns();
  added.push_back("error");
  TableWriter output(flags.out, flags.resume ? ExistingFile::resume : ExistingFile::refuse, source, input,
                     added);
  const long done = output.skip_done();
  if (done > 0) std::fprintf(stderr, "%s has %ld rows already\n", output.path().c_str(), done);
  const BatchSummary summary = run_batch(
      input, *answerer, output, progress && !(output.to_stdout() && tools::stdout_is_terminal()), true);
  warn_truncated_texts(answerer->truncated());
  if (output.changed_cells() > 0)
    tools::warn(std::to_string(output.changed_cells()) +
                " cells had tabs or line breaks, which TSV cannot hold: they became spaces");
  if (summary.interrupted) {
    std::fprintf(stderr, "stopped after %ld rows%s\n", done + summary.rows,
                 output.to_stdout() ? "" : "; --resume continues");
    return tools::kExitInterrupted;
  }
  if (summary.broken > 0)
    tools::warn(std::to_string(summary.broken) + " of " + std::to_string(summary.rows) +
                " rows have no answer: the column error says why");
  return summary.broken > 0 ? tools::kExitFailed : tools::kExitOk;
}

}  // namespace qwen_run
