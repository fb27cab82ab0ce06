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
  // Timing goes to stderr: to a terminal, or where -v asks for it.
  bool show_timing() const;
};

// Options of commands that answer messages.
struct ChatFlags {
  std::optional<std::string> system;  // "": an empty one; not given: the model's own
  bool think = false;

  void add(tools::CommandLine& app, tools::ModelOptions& model);
  // UsageError for --think with a model whose template knows no thinking.
  void check(const qwen::Model& model) const;
};

// Shows the prompt's progress on a terminal while it is computed.
void watch_prefill(qwen::Session& session, bool enabled);

// "[12 tokens at 35.2 tokens/s, the first after 0.041 s; ...]"
std::string timing_line(const qwen::GenerateResult& result);

// Generates and writes the answer.
void answer(qwen::Session& session, std::span<const qwen::Token> prompt, const qwen::GenerateOptions& options,
            const GenerationFlags& flags, double load_seconds);

// What stands below an answer that was streamed.
void end_answer(const qwen::GenerateResult& result, const GenerationFlags& flags);

// Answers one message and ends: the default command, and `chat` without a terminal.
int ask_once(const std::string& text, const GenerationFlags& flags, const ChatFlags& chat);

}  // namespace qwen_run
