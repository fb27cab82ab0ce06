// Response bodies as OpenAI's clients read them.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qwen-serve/request_context.h"
#include "qwen/generate.h"
#include "qwen/thinking.h"
#include "qwen/tokenizer.h"
#include "qwen/tool_call.h"

namespace qwen_serve {

// A part of a reply, or the whole reply.
struct Delta {
  std::string text{};
  std::string reasoning{};                   // the thought before the text
  std::vector<qwen::ToolCallPiece> calls{};  // of tools
  // NaN, without alternatives, for a prompt's first token (with "echo").
  std::vector<qwen::TokenProbability> logprobs{};
  std::vector<std::vector<qwen::TokenProbability>> alternatives{};

  void add_logprobs(const std::vector<qwen::TokenProbability>& tokens,
                    const std::vector<std::vector<qwen::TokenProbability>>& others);
};

// Takes one reply apart while it is generated.
class ReplySplitter {
 public:
  ReplySplitter(qwen::Thought thought, bool tools);
  Delta push(std::string_view text);
  Delta finish();                                                              // what was held back
  std::size_t calls() const noexcept { return calls_ ? calls_->calls() : 0; }  // so far

 private:
  Delta split(qwen::ThoughtSplitter::Parts parts);

  std::optional<qwen::ThoughtSplitter> thought_;
  std::optional<qwen::ToolCallSplitter> calls_;
};

// The calls that the pieces of one reply make.
std::vector<qwen::ToolCall> join_calls(const std::vector<qwen::ToolCallPiece>& pieces);

struct Choice {
  Delta delta;
  qwen::FinishReason finish = qwen::FinishReason::length;
};

struct Usage {
  int prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
};

struct Timings {
  double queue_seconds = 0, first_token_seconds = 0, total_seconds = 0, decode_seconds = 0;
  int generated_tokens = 0;
};

struct Answer {
  std::vector<Choice> choices;
  Usage usage;
};

const char* finish_name(qwen::FinishReason reason, bool has_calls = false);
Json usage_json(const Usage& usage);
Json timings_json(const Timings& timings);

// Makes the response bodies of one request.
class CompletionBodies {
 public:
  CompletionBodies(bool chat, std::string model, std::uint64_t fingerprint, qwen::Tokenizer tokenizer,
                   bool logprobs, bool include_usage);
  Json whole(const Answer& answer, const Timings& timings) const;
  // Streamed: the role, then pieces, then the reason, then perhaps usage.
  Json role_chunk(int index) const;
  Json delta_chunk(int index, const Delta& delta, std::size_t text_offset) const;
  Json finish_chunk(int index, const Choice& choice) const;
  Json usage_chunk(const Usage& usage, const Timings& timings) const;

 private:
  Json head(bool chunk) const;
  Json logprobs(const Delta& delta, std::size_t text_offset) const;

  bool chat_, logprobs_, include_usage_;
  std::string id_, model_, fingerprint_;
  long created_;
  qwen::Tokenizer tokenizer_;
};

// The number of characters of UTF-8 text.
std::size_t count_characters(std::string_view text);

}  // namespace qwen_serve
