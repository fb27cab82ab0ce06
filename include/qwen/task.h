// Tasks: a prompt, and what to do with its answer, as data. How to write one: docs/tasks.md.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/chat_template.h"
#include "qwen/export.h"
#include "qwen/sampler.h"

namespace qwen {

enum class TaskKind {  // what an answer is
  classify,            // the answer is one of the labels
  generate,            // the answer is text
};

// What happens to a text that does not fit into the context.
enum class TextOverflow {
  refuse,    // Error(context_full)
  truncate,  // its end is left out, and the result says how much
};

struct TaskLabel {                   // one of the answers of a classification
  std::string text;                  // what the model answers, exactly
  std::string display;               // for people
  std::string emoji;                 // "" for none
  std::vector<std::string> aliases;  // other names of it, in labelled files
};

struct TaskExample {         // shown to the model before the text
  std::string text, answer;  // a turn shown to the model before the real one
};

// What `qwen-run calibrate` learns from labelled texts: probabilities are softmax(score / temperature +
// offset).
struct Calibration {
  std::uint64_t model = 0;      // Model::fingerprint() that it was fitted with
  std::uint64_t prompt = 0;     // Task::prompt_digest() that it was fitted with
  double temperature = 1;       // more than 0
  std::vector<double> offsets;  // [labels] or empty
  int examples = 0;             // texts that it was fitted on
};

struct QWEN_API Task {                 // a prompt, and what to do with its answer
  std::string name;                    // letters, digits, "_" and "-"
  int version = 1;                     // a new one makes cached answers old
  TaskKind kind = TaskKind::classify;  // what an answer is
  std::string description;             // one line for people
  std::string heading;  // before the label where people read it, for example "LLM 情感判断"; "" is the name
  std::string system;                                  // "" leaves the model's own default
  std::string user_template;                           // the user's turn; "{text}" stands in it once
  std::vector<TaskLabel> labels;                       // of a classification, in order
  std::vector<TaskExample> examples;                   // in order
  std::map<std::string, std::string> system_by_label;  // system prompts of a reply to a text of that label
  bool history = false;                                // Chat keeps turns
  int max_new_tokens = 128;                            // of an answer
  SamplingOptions sampling;                            // how an answer's tokens are chosen
  TextOverflow overflow = TextOverflow::refuse;        // for texts that are too long
  double abstain_below = 0;  // a label less probable than this is no answer; 0: every label is one
  // Texts without content ("", "N/A"): the labels' mean probabilities on them are divided out. Empty: off.
  std::vector<std::string> content_free;
  std::optional<Calibration> calibration;  // used where it belongs to model and prompt
  std::string source;                      // the file it was read from, "" for built-in tasks

  // Reads a YAML file. Error(bad_format) with file, line and reason, unknown keys among them;
  // Error(not_found) or Error(io) where it cannot be read.
  static Task load(const std::string& path);
  // The same from text; `source` stands in messages.
  static Task parse(std::string_view yaml, const std::string& source);
  // A classification into labels that are only known now: a general prompt that lists them.
  // Error(invalid_argument) for no labels, an empty one or two that are the same.
  static Task for_labels(const std::vector<std::string>& labels);

  // The template with the text in its place. Whatever stands in the text stays as it is.
  std::string user_message(std::string_view text) const;
  // The conversation up to this text: system prompt, examples, `history`, the user's turn. The system prompt
  // is the task's, or that of `reply_to` (a label's text) where the task has one for it.
  std::vector<Message> messages(std::string_view text, const std::vector<Message>& history = {},
                                std::string_view reply_to = {}) const;
  // Index of the label with this text, display text or alias (ASCII letters in either case); -1 for none.
  int find_label(std::string_view name) const;
  // 64 bits over all that the model gets to see: prompts, examples, label texts.
  std::uint64_t prompt_digest() const;
};

struct ModelInfo;

// Tasks by name. May be read by many threads as long as none adds.
class QWEN_API TaskRegistry {
 public:
  TaskRegistry();  // the built-in ones

  // Adds a task; one of the same name is replaced. Error(invalid_argument) for a task that breaks the rules
  // of the file format.
  void add(Task task);
  // Adds all NAME.yaml files of a folder, then takes up its NAME.calibration.yaml files. Nothing is added
  // where one of them is bad: Error(bad_format) with file, line and reason. Error(not_found) for no such
  // folder.
  void add_folder(const std::string& path);

  // nullptr for none. What these two give stays until a task of that name is added, or the registry goes.
  const Task* find(std::string_view name) const;
  const Task& get(std::string_view name) const;  // Error(not_found), with the names there are
  std::vector<std::string> names() const;        // sorted
  // The tasks to offer with this model, sorted: a built-in task only if the model was trained for it or
  // its file does not say what it was trained for; tasks that were added always.
  std::vector<std::string> names_for(const ModelInfo& model) const;

 private:
  std::map<std::string, Task, std::less<>> tasks_;
};

// Calibrations as files: what registries take up, beside the tasks.
QWEN_API std::string calibration_file_name(const Task& task);  // "sentiment.calibration.yaml"
// Writes a file, through a temporary name. Error(io) where it cannot be written, Error(invalid_argument)
// where the path is something other than a file.
QWEN_API void save_calibration(const Task& task, const Calibration& calibration, const std::string& path);
// Reads one. Error(bad_format) with line and reason for what is none, or another task's; Error(not_found) or
// Error(io).
QWEN_API Calibration load_calibration(const Task& task, const std::string& path);

}  // namespace qwen
