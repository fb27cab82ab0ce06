#include "tasks/prompt.h"

#include <algorithm>

#include "base/fail.h"

namespace qwen::tasks {
namespace {

// The first tokens as text. What is half a character at the cut is left out.
std::string beginning(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  constexpr std::string_view replacement = "\xEF\xBF\xBD";
  std::string text = tokenizer.decode(tokens, true);
  while (text.ends_with(replacement)) text.resize(text.size() - replacement.size());
  return text;
}

}  // namespace

Prompt make_prompt(const Model& model, const Task& task, std::string_view text, int limit,
                   const Render& render) {
  Prompt prompt{render(text), 0};
  const auto size = [&] { return static_cast<int>(prompt.tokens.size()); };
  if (size() <= limit) return prompt;
  const int needed = size();
  if (task.overflow == TextOverflow::truncate) {
    const std::vector<Token> whole = model.tokenizer().encode(text);
    int keep = static_cast<int>(whole.size());
    while (keep > 0 && size() > limit) {
      keep = std::max(0, keep - std::max(1, size() - limit));
      prompt.tokens =
          render(beginning(model.tokenizer(), std::span(whole).first(static_cast<std::size_t>(keep))));
    }
    prompt.truncated_tokens = static_cast<int>(whole.size()) - keep;
    if (size() <= limit) return prompt;
  }
  fail(ErrorCode::context_full, "task ", task.name, ": the prompt with this text has ", needed,
       " tokens; expected at most ", limit, ", to leave room for the answer in the context",
       task.overflow == TextOverflow::refuse && !task.source.empty()
           ? " (on_overflow: truncate would cut the text)"
           : "");
}

std::vector<Token> fixed_prefix(const Render& render) {
  std::vector<Token> prefix = render("");
  // Letters, digits, marks and white space may each merge with what the template has before the text.
  for (const char* probe : {"a", "你", "1", "!", " ", "\n", "，"}) {
    const std::vector<Token> other = render(probe);
    prefix.resize(static_cast<std::size_t>(
        std::mismatch(prefix.begin(), prefix.end(), other.begin(), other.end()).first - prefix.begin()));
  }
  return prefix;
}

}  // namespace qwen::tasks
