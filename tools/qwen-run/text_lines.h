// The options of commands that compute many texts: a text a line, or the rows of a table.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "common/model_options.h"
#include "qwen-run/batch.h"
#include "qwen-run/options.h"
#include "qwen/engine.h"

namespace qwen_run {

struct TextLineFlags {
  tools::ModelOptions model;
  TextInput input;
  TableFlags table;
  int context = 0;
  bool jsonl = false, truncate = false;

  void add(tools::CommandLine& app, const char* description);
  // Inline, for the texts of this process.
  std::shared_ptr<qwen::Engine> engine() const;
};

// The texts of the input, in order.
class TextRows {
 public:
  // Tells on stderr which column of a table has the texts, unless that is plain. Throws as TableReader.
  explicit TextRows(const TextLineFlags& flags);
  // Returns false at the end. Throws Error(bad_format), with the line, for a row without a text.
  bool next(std::string& text);
  long line() const { return line_; }  // where the last text begins
  bool would_wait() { return lines_ ? lines_->would_wait() : table_->would_wait(); }

 private:
  std::optional<LineSource> lines_;
  std::optional<TableReader> table_;
  long line_ = 0;
};

}  // namespace qwen_run
