// Chat templates: a conversation as the prompt that a model was trained on.
#pragma once
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/export.h"
#include "qwen/thinking.h"
#include "qwen/tokenizer.h"

namespace qwen {

namespace templates {
struct ParsedTemplate;  // internal
}

// One message of a conversation. Control tokens in any of its texts are ordinary text.
struct Message {
  std::string role;                 // "system", "user", "assistant" or "tool"
  std::string content;              // plain text
  std::string reasoning_content{};  // the thought before an assistant's answer; "": none
  std::string tool_calls{};         // a JSON array, as in OpenAI's API; "": none
  // A JSON object of further members that a template may read, such as "name" or "tool_call_id". A member
  // named as one above replaces it: {"content": [{"type": "text", "text": "hi"}]}, {"content": null}.
  std::string fields{};
};

// A rendered conversation.
struct RenderedPrompt {
  // Consecutive text of one origin.
  struct Segment {
    std::string text;    // UTF-8
    bool from_template;  // false: the text came from the caller and cannot hold control tokens
  };
  std::vector<Segment> segments;  // none is empty; neighbors differ in from_template
  // begun: the template has opened a thought ("<think>"), which the model's first token continues. may_begin: the
  // template can turn thinking on and off, and it is not off. For GenerateOptions::thought.
  Thought thought = Thought::none;
  QWEN_API std::string text() const;  // all segments joined
};

// Executes a chat template written in Jinja, as Hugging Face's apply_chat_template() does. Only text that the
// template itself writes (and the special tokens that it is given) can become control tokens; all text of
// messages and tools is encoded as ordinary text. Immutable, thread-safe; copies share the parsed template.
class QWEN_API ChatTemplate {
 public:
  // What the variables bos_token and eos_token hold. nullopt: the variable is undefined.
  struct SpecialTokens {
    std::optional<std::string> bos{};  // a template may begin a prompt with it
    std::optional<std::string> eos{};  // also ends a turn, if it is a token of the vocabulary
  };

  // The template `name_or_text`: "qwen1.5", "qwen2", "qwen2.5", "qwen3", "chatml" (built in), or Jinja text.
  // Throws Error(bad_format) if the text is not valid Jinja, with line and column.
  // Throws Error(unsupported) if it uses a part of Jinja that is not implemented, with line and column.
  // Throws Error(unsupported) if the vocabulary has no token that ends a turn, or a built-in template's tokens are
  // missing.
  // Throws Error(invalid_argument) if it is neither a name nor text with Jinja tags.
  ChatTemplate(std::string_view name_or_text, Tokenizer tokenizer, SpecialTokens tokens);
  // The same with bos_token and eos_token undefined.
  ChatTemplate(std::string_view name_or_text, Tokenizer tokenizer);
  // Whether a template of this name is built in.
  static bool is_builtin(std::string_view name) noexcept;

  std::string_view name() const noexcept;  // of a built-in template; "custom" for a text

  // How the template treats the variable enable_thinking, found by rendering a short conversation.
  enum class Thinking {
    none,      // it makes no difference
    optional,  // on and off render different prompts
    always,    // every prompt opens a thought, or the template refuses to turn thinking off
  };
  Thinking thinking() const noexcept { return thinking_; }  // found when the template was made
  // The value for RenderOptions::enable_thinking: `wanted`, or true if the template cannot turn thinking off.
  bool enable_thinking(bool wanted) const noexcept { return wanted || thinking_ == Thinking::always; }

  // What a rendering ends with, and the variables that the template sees.
  struct RenderOptions {
    bool add_generation_prompt = true;  // end with the beginning of an assistant's message
    // End within the last message, so that the model continues it; no generation prompt is added.
    bool continue_final_message = false;
    // The variable enable_thinking; nullopt: it is undefined. What it does is the template's choice.
    std::optional<bool> enable_thinking = false;
    std::string tools{};                     // a JSON array of tools, as in OpenAI's API; "": none
    std::string variables{};                 // a JSON object of further variables for the template; "": none
    std::optional<std::string> bos_token{};  // instead of SpecialTokens::bos
    std::optional<std::string> eos_token{};  // instead of SpecialTokens::eos
    std::optional<std::time_t> now{};        // for strftime_now(); nullopt: the current time
  };

  // Renders a conversation.
  // Throws Error(invalid_argument), with line and column, if the template refuses the conversation (with its own
  // message), reads a member that a message lacks, or exceeds the limits: 20 million steps, 32 MiB of text.
  // Throws Error(invalid_argument) if continue_final_message is set and the last message is not in the rendering.
  // Throws Error(bad_format) if a JSON member is malformed.
  // Throws Error(unsupported) if the template needs something that is not implemented.
  RenderedPrompt apply(std::span<const Message> messages, const RenderOptions& options) const;
  // The same for a JSON array of messages, each an object with any members.
  RenderedPrompt apply(std::string_view messages_json, const RenderOptions& options) const;

  // Token ids of a rendered prompt. Control tokens are recognized within the template's segments only; the
  // text between them is encoded as one text across segments, as the reference encodes it.
  std::vector<Token> encode(const RenderedPrompt& prompt) const;

  // apply() and encode() in one call.
  std::vector<Token> render(std::span<const Message> messages, const RenderOptions& options) const {
    return encode(apply(messages, options));
  }
  // The same with the default options: the prompt for a reply, without thinking.
  std::vector<Token> render(std::span<const Message> messages) const {
    return render(messages, RenderOptions{});
  }
  // The rendered text with the control tokens spelled out: for people and logs, not for the model.
  std::string render_text(std::span<const Message> messages, const RenderOptions& options) const {
    return apply(messages, options).text();
  }

  // The tokens that end a turn, the one that ends an assistant's message first. Not empty.
  std::span<const Token> end_of_turn() const noexcept { return end_of_turn_; }

 private:
  std::shared_ptr<const templates::ParsedTemplate> parsed_;
  Tokenizer tokenizer_;
  SpecialTokens tokens_;
  std::vector<Token> end_of_turn_;
  Thinking thinking_ = Thinking::none;

  Thinking find_thinking() const;
  RenderedPrompt finish(RenderedPrompt prompt, const RenderOptions& options) const;
};

}  // namespace qwen
