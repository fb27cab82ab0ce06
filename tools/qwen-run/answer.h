// Generating one answer: streamed text or one JSON object on stdout, timing on stderr.
#pragma once
#include <optional>
#include <span>
#include <string>

#include "common/model_options.h"
#include "common/output.h"
#include "qwen-run/constraint_options.h"
#include "qwen-run/options.h"
#include "qwen/qwen.h"

namespace qwen_run {

// The options of a command that generates.
struct GenerationFlags {
  tools::ModelOptions model;
  SessionFlags session;
  AnswerFlags answer;
  ConstraintFlags constraint;
  bool json = false;

  void add(tools::CommandLine& app);
  // Before a model is loaded. Throws UsageError for an invalid value, and qwen::Error for a constraint that is refused.
  void check() const;
  // Those of `answer` and `constraint`.
  qwen::GenerateOptions options(const qwen::Model& model) const;
  // Whether to print timing on stderr: with -v, or if stderr is a terminal.
  bool show_timing() const;
};

// --think.
struct ThinkFlags {
  std::optional<std::string> think;  // "on", "off", or a number of tokens

  void add(tools::CommandLine& app);
  // Throws UsageError for a --think that the model's template cannot do.
  void check(const qwen::Model& model) const;
  static std::string think_problem(const std::string& value);  // why it is no value of `think`; "": it is one
  bool thinking() const { return think && *think != "off"; }
  int thought_tokens() const;  // at most; -1: no limit
};

// Options of commands that answer messages.
struct ChatFlags : ThinkFlags {
  std::optional<std::string> system;  // "": an empty prompt; unset: the model's own

  void add(tools::CommandLine& app, tools::ModelOptions& model);
};

// Writes an answer to stdout as it is generated. A thought is written dim to a terminal, and left out elsewhere.
class AnswerStream {
 public:
  AnswerStream() = default;
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;
  ~AnswerStream();
  void thought(std::string_view text);
  void text(std::string_view text);

 private:
  bool in_thought_ = false;  // the terminal writes dim
};

// Shows a progress bar during prefill.
void watch_prefill(qwen::Session& session, bool enabled);

// "[12 tokens at 35.2 tokens/s, the first after 0.041 s; ...]"
std::string timing_line(const qwen::GenerateResult& result);

// Generates and writes the answer.
void answer(qwen::Session& session, std::span<const qwen::Token> prompt, const qwen::GenerateOptions& options,
            const GenerationFlags& flags, double load_seconds);

// Ends a streamed answer: a line break, and the timing.
void end_answer(const qwen::GenerateResult& result, const GenerationFlags& flags);

// Answers one message and ends: the default command, and `chat` without a terminal.
int ask_once(const std::string& text, const GenerationFlags& flags, const ChatFlags& chat);

}  // namespace qwen_run
