// Generating one answer: streamed text or one JSON object on stdout, timing on stderr.
#pragma once
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

  void add(CLI::App& app);
  // Timing goes to stderr: to a terminal, or where -v asks for it.
  bool show_timing() const;
};

// Shows the prompt's progress on a terminal while it is computed.
void watch_prefill(qwen::Session& session, bool enabled);

// "[12 tokens at 35.2 tokens/s, the first after 0.041 s; ...]"
std::string timing_line(const qwen::GenerateResult& result);

// Generates and writes the answer. Returns what was generated.
qwen::GenerateResult answer(qwen::Session& session, std::span<const qwen::Token> prompt,
                            const qwen::GenerateOptions& options, const GenerationFlags& flags,
                            double load_seconds);

}  // namespace qwen_run
