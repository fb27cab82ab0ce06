// The chat templates of the Qwen family, written out.
#include "qwen/chat_template.h"

#include "base/fail.h"

namespace qwen {
namespace {

using Kind = ChatTemplate::Kind;

constexpr std::string_view kStart = "<|im_start|>", kEnd = "<|im_end|>", kEndOfText = "<|endoftext|>",
                           kThink = "<think>", kEndThink = "</think>";

struct Variant {
  Kind kind;
  std::string_view name, default_system;
};
constexpr Variant kVariants[] = {
    {Kind::qwen1_5, "qwen1.5", "You are a helpful assistant"},
    {Kind::qwen2, "qwen2", "You are a helpful assistant."},
    {Kind::qwen2_5, "qwen2.5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
    {Kind::qwen3, "qwen3", ""},
    {Kind::chatml, "chatml", ""},
};

const Variant& variant_of(Kind kind) {
  for (const Variant& variant : kVariants)
    if (variant.kind == kind) return variant;
  fail(ErrorCode::internal, "chat template: kind ", static_cast<int>(kind));
}

std::string all_names() {
  std::string names;
  for (const Variant& variant : kVariants) names += (names.empty() ? "" : ", ") + std::string(variant.name);
  return names;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

[[noreturn]] void fail_unknown(std::string_view why) {
  fail(ErrorCode::unsupported, "chat template: ", why,
       "; name the one to use (--chat-template NAME: ", all_names(), ")");
}

// A template with the escape "\n" of its string literals resolved: files hold it either way.
std::string with_newlines(std::string_view jinja) {
  std::string text;
  for (std::size_t i = 0; i < jinja.size(); ++i) {
    const bool escape = jinja.substr(i, 2) == "\\n";
    text += escape ? '\n' : jinja[i];
    i += escape;
  }
  return text;
}

// The system prompt that the template spells out itself, where there is one.
std::optional<std::string_view> spelt_system(std::string_view jinja) {
  constexpr std::string_view opening = "<|im_start|>system\n";
  for (std::size_t at = jinja.find(opening); at != std::string_view::npos; at = jinja.find(opening, at + 1)) {
    const std::string_view rest = jinja.substr(at + opening.size());
    // A quote or brace ends the literal: what follows is the caller's message.
    const bool literal = !rest.empty() && rest[0] != '\'' && rest[0] != '"' && rest[0] != '{';
    if (literal && contains(rest, kEnd)) return rest.substr(0, rest.find(kEnd));
  }
  return std::nullopt;
}

// A conversation as it will be encoded: control tokens, and the plain text between them in one piece each,
// since that is how the reference splits the rendered text.
class Transcript {
 public:
  struct Piece {
    bool control;
    std::string text;
  };
  void control(std::string_view text) { pieces_.push_back({true, std::string(text)}); }
  void text(std::string_view text) {
    if (pieces_.empty() || pieces_.back().control) pieces_.push_back({false, {}});
    pieces_.back().text += text;
  }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  std::vector<Piece> pieces_;
};

void add_turn(Transcript& out, std::string_view role, std::string_view content) {
  out.control(kStart);
  out.text(cat(role, "\n", content));
  out.control(kEnd);
  out.text("\n");
}

std::string_view trim_newlines(std::string_view text, bool front, bool back) {
  while (front && text.starts_with('\n')) text.remove_prefix(1);
  while (back && text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

// An answer of Qwen3, taken apart as its template does: "<think>\nthought\n</think>\n\ncontent".
struct Qwen3Answer {
  std::string_view thought, content;
  explicit Qwen3Answer(std::string_view answer) : content(answer) {
    const std::size_t first = answer.find(kEndThink);
    if (first == std::string_view::npos) return;
    thought = trim_newlines(answer.substr(0, first), false, true);
    if (contains(thought, kThink)) thought.remove_prefix(thought.rfind(kThink) + kThink.size());
    thought = trim_newlines(thought, true, false);
    content = trim_newlines(answer.substr(answer.rfind(kEndThink) + kEndThink.size()), true, false);
  }
};

void add_qwen3_answer(Transcript& out, std::string_view message, bool after_last_query, bool last) {
  const Qwen3Answer answer(message);
  if (!after_last_query || (!last && answer.thought.empty()))
    return add_turn(out, "assistant", answer.content);
  out.control(kStart);
  out.text("assistant\n");
  out.control(kThink);
  out.text(cat("\n", trim_newlines(answer.thought, true, true), "\n"));
  out.control(kEndThink);
  out.text(cat("\n\n", trim_newlines(answer.content, true, false)));
  out.control(kEnd);
  out.text("\n");
}

// Index of the last message that asks something: a user's, unless it only hands over a tool's answer.
std::size_t last_query(std::span<const Message> messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    const std::string_view content = messages[i].content;
    const bool tool = content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
    if (messages[i].role == "user" && !tool) return i;
  }
  return messages.size() - 1;
}

Transcript transcribe(Kind kind, std::span<const Message> messages,
                      const ChatTemplate::RenderOptions& options) {
  Transcript out;
  const std::string_view default_system = variant_of(kind).default_system;
  const bool has_system = !messages.empty() && messages[0].role == "system";
  if (!has_system && !default_system.empty()) add_turn(out, "system", default_system);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role != "system" && message.role != "user" && message.role != "assistant")
      fail(ErrorCode::invalid_argument, "chat message ", i,
           ": expected role system, user or assistant, found ", quoted(message.role));
    if (message.role == "system" && i > 0)
      fail(ErrorCode::invalid_argument, "chat message ", i, ": a system message must be the first");
    if (kind == Kind::qwen3 && message.role == "assistant")
      add_qwen3_answer(out, message.content, i > last_query(messages), i + 1 == messages.size());
    else
      add_turn(out, message.role, message.content);
  }
  if (!options.add_generation_prompt) return out;
  out.control(kStart);
  out.text("assistant\n");
  if (kind == Kind::qwen3 && !options.enable_thinking) {
    out.control(kThink);
    out.text("\n\n");
    out.control(kEndThink);
    out.text("\n\n");
  }
  return out;
}

}  // namespace

ChatTemplate ChatTemplate::detect(std::string_view jinja, Tokenizer tokenizer) {
  const std::string text = with_newlines(jinja);
  if (!contains(text, kStart) || !contains(text, kEnd)) fail_unknown("the model's own is not ChatML");
  if (const auto system = spelt_system(text)) {
    for (const Variant& variant : kVariants)
      if (*system == variant.default_system) return {variant.kind, std::move(tokenizer)};
    fail_unknown(cat("the model's own has an unknown default system prompt, ", quoted(*system)));
  }
  // Later models (Qwen3.5) trim contents, and open the think block themselves.
  const bool trims = contains(text, "trim");
  const bool thinks = contains(text, "enable_thinking is false") &&
                      contains(text, "{{- '<think>\n\n</think>\n\n' }}") && !contains(text, "'<think>\n' }}");
  if (thinks && !trims) return {Kind::qwen3, std::move(tokenizer)};
  if (contains(text, kThink) || contains(text, "enable_thinking"))
    fail_unknown("the model's own has a way to think that is not Qwen3's");
  if (trims || contains(text, "strip(")) fail_unknown("the model's own changes the messages' text");
  return {Kind::chatml, std::move(tokenizer)};
}

ChatTemplate::Kind ChatTemplate::parse_kind(std::string_view name) {
  for (const Variant& variant : kVariants)
    if (variant.name == name) return variant.kind;
  fail(ErrorCode::invalid_argument, "chat template: expected one of ", all_names(), ", found ", quoted(name));
}

ChatTemplate::ChatTemplate(Kind kind, Tokenizer tokenizer) : kind_(kind), tokenizer_(std::move(tokenizer)) {
  for (const std::string_view needed : {kStart, kEnd})
    if (!tokenizer_.find_added_token(needed))
      fail(ErrorCode::unsupported, "chat template ", name(), ": the vocabulary has no control token ",
           needed);
  for (const std::string_view end : {kEnd, kEndOfText})
    if (const auto token = tokenizer_.find_added_token(end)) end_of_turn_.push_back(*token);
}

std::string_view ChatTemplate::name() const noexcept {
  return variant_of(kind_).name;
}
std::string_view ChatTemplate::default_system() const noexcept {
  return variant_of(kind_).default_system;
}

std::vector<Token> ChatTemplate::render(std::span<const Message> messages,
                                        const RenderOptions& options) const {
  std::vector<Token> tokens;
  std::string text;  // gathered up to the next control token
  const auto flush = [&] {
    const std::vector<Token> plain = tokenizer_.encode(text, Tokenizer::ControlTokens::as_text);
    tokens.insert(tokens.end(), plain.begin(), plain.end());
    text.clear();
  };
  const Transcript transcript = transcribe(kind_, messages, options);
  for (const Transcript::Piece& piece : transcript.pieces()) {
    const auto control = piece.control ? tokenizer_.find_added_token(piece.text) : std::nullopt;
    if (!control) {
      text += piece.text;  // also a think tag that this vocabulary does not have
      continue;
    }
    flush();
    tokens.push_back(*control);
  }
  flush();
  return tokens;
}

std::string ChatTemplate::render_text(std::span<const Message> messages, const RenderOptions& options) const {
  std::string text;
  const Transcript transcript = transcribe(kind_, messages, options);
  for (const Transcript::Piece& piece : transcript.pieces()) text += piece.text;
  return text;
}

}  // namespace qwen
