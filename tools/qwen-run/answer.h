// Generating one answer: streamed text or one JSON object on stdout, timing on stderr.
#pragma once
#include <optional>
#include <span>
#include <string>

#include "common/model_options.h"
#include "common/output.h"
#include "qwen-run/options.h"
#include "qwen/qwen.h"

namespace qwen_run {

// The options of a command that generates.
struct GenerationFlags {
  tools::ModelOptions model;
  SessionFlags session;
  AnswerFlags answer;
  bool json = false;

  void add(tools::CommandLine& app);
  // Whether to print timing on stderr: with -v, or if stderr is a terminal.
  bool show_timing() const;
};

// Options of commands that answer messages.
struct ChatFlags {
  std::optional<std::string> system;  // "": an empty prompt; unset: the model's own
  bool think = false;

  void add(tools::CommandLine& app, tools::ModelOptions& model);
  // Throws UsageError for --think if the model's template does not support it.
  void check(const qwen::Model& model) const;
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
