// Many texts: rows are read, answered together and written in order, in bounded memory.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/output.h"
#include "qwen-run/table_reader.h"
#include "qwen-run/table_writer.h"
#include "qwen-run/task_options.h"

namespace qwen_run {

// A task that answers texts.
class Answerer {
 public:
  virtual ~Answerer() = default;
  // Keys of an answer, which become columns.
  virtual std::vector<std::string> columns() const = 0;
  // Receives the texts' answers in order: an object, or an error if the text does not fit into the context.
  using Receiver = std::function<void(const tools::Json& answer, const std::string& error)>;
  // Throws Error(cancelled) if `cancel` is set before all are answered.
  virtual void answer(std::span<const std::string> texts, const Receiver& receive,
                      const qwen::CancelToken& cancel) = 0;
  long truncated() const { return truncated_; }  // texts whose end was left out

 protected:
  long truncated_ = 0;
};

// Answers {"label", "probability", "abstained"}; `full`: label_json.
std::unique_ptr<Answerer> make_classifier_answerer(qwen::Classifier classifier, qwen::ClassifyMode mode,
                                                   bool full);
// Answers {"answer", "finish_reason"}, for a task of kind generate.
std::unique_ptr<Answerer> make_reply_answerer(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task);
// Answers the members of the schema, for a task of kind extract.
std::unique_ptr<Answerer> make_extract_answerer(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task);

// --format, --delimiter, --header, --text-column, -o, --resume.
struct TableFlags {
  TableOptions read;
  std::string out;
  bool resume = false;

  // They exclude `other`, if it is an option.
  void add_input(tools::CommandLine& app, std::optional<tools::Option> other = {});
  void add_output(tools::CommandLine& app, std::optional<tools::Option> other = {});
  // Whether `input` is a table: by these options, or by the extension of its file.
  bool wanted(const TextInput& input) const;
};

// Warns if texts were longer than the context. `prefix` begins the line.
void warn_truncated_texts(long texts, const std::string& prefix = "");

struct BatchSummary {
  long rows = 0, broken = 0;  // broken: without an answer
  bool interrupted = false;
};

// Answers all rows. Ctrl-C ends it after the answers that are complete. `bar_enabled`: on a terminal.
// `report_rows`: broken rows are reported on stderr with their line.
BatchSummary run_batch(TableReader& input, Answerer& answerer, RowWriter& output, bool bar_enabled,
                       bool report_rows);

// A whole command: `source` is the file or "-". Returns the exit code.
int label_table(const TableFlags& flags, const std::string& source, tools::Encoding encoding, bool progress,
                const std::function<std::unique_ptr<Answerer>()>& make_answerer);

}  // namespace qwen_run
