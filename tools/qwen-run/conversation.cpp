#include "qwen-run/conversation.h"

#include <algorithm>

#include "common/program.h"

namespace qwen_run {

void ChatFlags::add(CLI::App& app, tools::ModelOptions& model) {
  app.add_option("-s,--system", system, "System prompt, instead of the model's own")
      ->each([this](const std::string&) { system_given = true; })
      ->type_name("TEXT")
      ->group("Input");
  app.add_flag("--think", think, "Let Qwen3 think before it answers")->group("Answer");
  tools::add_chat_template(app, model);
}

Conversation::Conversation(qwen::Session& session, const ChatFlags& flags)
    : session_(session), turns_(flags.turns) {
  const qwen::ChatTemplate& chat = session.model().chat_template();
  if (flags.think && chat.kind() != qwen::ChatTemplate::Kind::qwen3)
    throw tools::UsageError("--think: this model's template (" + std::string(chat.name()) +
                            ") knows no thinking");
  render_.enable_thinking = flags.think;
  start(flags.system, flags.system_given);
}

void Conversation::start(std::string system, bool given) {
  messages_.clear();
  if (given) messages_.push_back({"system", std::move(system)});
}

std::string_view Conversation::system() const noexcept {
  if (!messages_.empty() && messages_.front().role == "system") return messages_.front().content;
  return session_.model().chat_template().default_system();
}

std::vector<qwen::Token> Conversation::prompt(int reserve, int* dropped) {
  const qwen::ChatTemplate& chat = session_.model().chat_template();
  std::vector<qwen::Token> tokens = chat.render(messages_, render_);
  const std::size_t first = !messages_.empty() && messages_.front().role == "system";
  int left_out = 0;
  // A turn is a question and its answer; the last question always stays.
  const auto too_long = [&] {
    const auto turns = static_cast<int>((messages_.size() - first - 1) / 2);
    return static_cast<int>(tokens.size()) + reserve > session_.context() || (turns_ >= 0 && turns > turns_);
  };
  while (messages_.size() >= first + 3 && too_long()) {
    const auto begin = messages_.begin() + static_cast<std::ptrdiff_t>(first);
    messages_.erase(begin, begin + 2);
    ++left_out;
    tokens = chat.render(messages_, render_);
  }
  if (dropped) *dropped = left_out;
  const auto held = session_.tokens();
  // At least one token is computed again: the session needs its logits.
  const auto limit = std::min(held.size(), tokens.size() - 1);
  std::size_t common = 0;
  while (common < limit && held[common] == tokens[common]) ++common;
  session_.rewind(static_cast<int>(common));
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(common));
  return tokens;
}

}  // namespace qwen_run
