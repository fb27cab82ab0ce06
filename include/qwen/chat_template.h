// ChatML, in the variants that the checkpoints of the family use.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/export.h"
#include "qwen/tokenizer.h"

namespace qwen {

struct Message {        // one of a conversation
  std::string role;     // "system", "user" or "assistant"
  std::string content;  // plain text; control tokens in it are ordinary text
};

// Renders messages as token ids. Template pieces and content are tokenised apart, so nothing that a user
// writes can become a control token. Immutable, thread-safe.
class QWEN_API ChatTemplate {
 public:
  // What the templates of the family differ in: the system prompt that stands where the caller gives none.
  enum class Kind {
    qwen1_5,  // "You are a helpful assistant" (no full stop)
    qwen2,    // "You are a helpful assistant."
    qwen2_5,  // "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    qwen3,    // no default system prompt; an empty think block where thinking is off
    chatml,   // plain ChatML without a default system prompt
  };

  // Recognises the model's own template text (Jinja). Error(unsupported) for a template of another kind, with
  // advice.
  static ChatTemplate detect(std::string_view jinja, Tokenizer tokenizer);
  // "qwen1.5", "qwen2", "qwen2.5", "qwen3" or "chatml". Error(invalid_argument) for another name.
  static Kind parse_kind(std::string_view name);
  ChatTemplate(Kind kind,
               Tokenizer tokenizer);  // Error(unsupported) where the vocabulary lacks its control tokens

  Kind kind() const noexcept { return kind_; }  // which one it is
  std::string_view name() const noexcept;       // that as parse_kind() knows it
  // The system prompt used where the messages do not start with one; empty for none.
  std::string_view default_system() const noexcept;

  struct RenderOptions {                // how render() ends the prompt
    bool add_generation_prompt = true;  // end with "<|im_start|>assistant\n"
    bool enable_thinking = false;  // Qwen3 only: false adds an empty think block after the generation prompt
  };
  // Tokens of the conversation. Error(invalid_argument) for an unknown role or a system message that is not
  // first.
  std::vector<Token> render(std::span<const Message> messages, const RenderOptions& options) const;
  // The same with the default options: a prompt for a reply.
  std::vector<Token> render(std::span<const Message> messages) const {
    return render(messages, RenderOptions{});
  }
  // The same conversation as text with the control tokens spelt out: for people and for logs, not for the
  // model.
  std::string render_text(std::span<const Message> messages, const RenderOptions& options) const;

  // The tokens that end a turn: <|im_end|> and <|endoftext|>, as far as the vocabulary has them.
  std::span<const Token> end_of_turn() const noexcept { return end_of_turn_; }

 private:
  Kind kind_;
  Tokenizer tokenizer_;
  std::vector<Token> end_of_turn_;
};

}  // namespace qwen
