// Tasks as data: a prompt, and the kind of its answer. docs/tasks.md describes the file format.
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

// What a task's answer is.
enum class TaskKind {
  classify,  // the answer is one of the labels
  generate,  // the answer is text
  extract,   // the answer is JSON that matches a schema
};

// "classify", "generate", "extract": as in task files.
QWEN_API const char* to_string(TaskKind kind) noexcept;

// What happens to a text that does not fit into the context.
enum class TextOverflow {
  refuse,    // throws Error(context_full)
  truncate,  // the end of the text is left out; results report the number of tokens
};

// One answer of a classifier.
struct TaskLabel {
  std::string text;                  // exactly what the model answers
  std::string display;               // for people
  std::string emoji;                 // "" for none
  std::vector<std::string> aliases;  // other names in files of labeled texts
};

// A turn that the model sees before the text.
struct TaskExample {
  std::string text;    // the user's, before the template is applied
  std::string answer;  // the model's; of a classifier: a label's text
};

// Fitted to labeled texts (fit_calibration): probabilities are softmax(score / temperature + offset).
struct Calibration {
  std::uint64_t model = 0;      // Model::fingerprint() that it was fitted with
  std::uint64_t prompt = 0;     // Task::prompt_digest() that it was fitted with
  double temperature = 1;       // more than 0
  std::vector<double> offsets;  // [labels] or empty
  int examples = 0;             // texts that it was fitted on
};

// A prompt and the kind of its answer. Classifier and Chat check its rules; docs/tasks.md has them.
struct QWEN_API Task {
  std::string name;                    // letters, digits, "_" and "-"
  int version = 1;                     // a change invalidates cached answers
  TaskKind kind = TaskKind::classify;  // Classifier needs classify, Chat generate, Extractor extract
  std::string description;             // one line for people
  std::string heading;                 // printed before a label: "LLM 情感判断"; "": the name
  std::string system;                  // "" leaves the model's own default
  std::string user_template;           // the user's turn; contains "{text}" once
  std::vector<TaskLabel> labels;       // of a classifier
  std::string schema;                  // of kind extract: a JSON schema (docs/constraints.md)
  std::vector<TaskExample> examples;   // in order
  std::map<std::string, std::string> system_by_label;  // system prompts of a reply to a text of that label
  bool history = false;                                // Chat keeps turns
  int max_new_tokens = 128;                            // of an answer
  SamplingOptions sampling;                            // how an answer's tokens are chosen
  TextOverflow overflow = TextOverflow::refuse;        // for texts that are too long
  double abstain_below = 0;  // a classifier abstains if its best label is less probable
  // Texts without content ("", "N/A"): the labels' mean probabilities on them are divided out. Empty: off.
  std::vector<std::string> content_free;
  std::optional<Calibration> calibration;  // ignored if fitted with another model or prompt
  std::string source;                      // the file it was read from, "" for built-in tasks

  // Reads a YAML file.
  // Throws Error(bad_format), with file, line and reason, if it is malformed or has unknown keys.
  // Throws Error(not_found) or Error(io) if it cannot be read.
  static Task load(const std::string& path);
  // Reads YAML text; `source` is its name in messages. Throws Error(bad_format) as load().
  static Task parse(std::string_view yaml, const std::string& source);
  // A classifier with a general prompt that lists these labels.
  // Throws Error(invalid_argument) if there are none, or one is empty or a duplicate.
  static Task for_labels(const std::vector<std::string>& labels);

  // The user template with the text inserted unchanged.
  std::string user_message(std::string_view text) const;
  // The conversation up to this text: system prompt, examples, `history`, the user's turn. `reply_to` is the text of a
  // label that may choose the system prompt (system_by_label).
  std::vector<Message> messages(std::string_view text, const std::vector<Message>& history = {},
                                std::string_view reply_to = {}) const;
  // Index of the label with this text, display text or alias (ignoring the case of ASCII letters); -1 for none.
  int find_label(std::string_view name) const;
  // A 64-bit digest of everything that the model sees: prompts, examples, label texts.
  std::uint64_t prompt_digest() const;
};

struct ModelInfo;

// Tasks by name. Many threads may read it while none adds tasks.
class QWEN_API TaskRegistry {
 public:
  TaskRegistry();  // the built-in ones

  // Adds a task; replaces one of the same name.
  // Throws Error(invalid_argument) if the task breaks the rules of the file format.
  void add(Task task);
  // Adds all NAME.yaml files of a folder, with its NAME.calibration.yaml files; all or none.
  // Throws Error(bad_format), with file, line and reason, if a file is invalid.
  // Throws Error(not_found) or Error(io) if the folder or a file cannot be read.
  void add_folder(const std::string& path);

  // The task of this name, valid until it is replaced or the registry is destroyed; nullptr if there is none.
  const Task* find(std::string_view name) const;
  // As find(), but throws Error(not_found), with the known names.
  const Task& get(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  // The tasks to offer with this model, sorted: a built-in task only if the model was trained for it or
  // its file does not name trained tasks; an added task always.
  std::vector<std::string> names_for(const ModelInfo& model) const;

 private:
  std::map<std::string, Task, std::less<>> tasks_;
};

// The file name under which TaskRegistry::add_folder finds the task's calibration.
QWEN_API std::string calibration_file_name(const Task& task);  // "sentiment.calibration.yaml"
// Writes a calibration file, which appears under its name when it is complete.
// Throws Error(io) if it cannot be written.
// Throws Error(invalid_argument) if the path exists and is not a regular file.
QWEN_API void save_calibration(const Task& task, const Calibration& calibration, const std::string& path);
// Loads a calibration file.
// Throws Error(bad_format), with the line, if it is invalid or belongs to another task.
// Throws Error(not_found) or Error(io) if it cannot be read.
QWEN_API Calibration load_calibration(const Task& task, const std::string& path);

}  // namespace qwen
