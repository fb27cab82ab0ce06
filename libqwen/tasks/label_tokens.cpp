#include "tasks/label_tokens.h"

#include <algorithm>

#include "base/fail.h"

namespace qwen::tasks {
namespace {

// The turn rendered with the answer, less the turn without it. The tokenizer decides where the answer begins: a
// vocabulary may treat the beginning of a text differently.
std::vector<Token> answer_tokens(const Model& model, const Task& task, const std::string& label) {
  const ChatTemplate& chat = model.chat_template();
  std::vector<Message> messages = task.messages("");
  const std::vector<Token> prompt = chat.render(messages);
  messages.push_back({"assistant", label});
  ChatTemplate::RenderOptions options;
  options.add_generation_prompt = false;
  const std::vector<Token> whole = chat.render(messages, options);
  if (whole.size() >= prompt.size() && std::equal(prompt.begin(), prompt.end(), whole.begin())) {
    const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(prompt.size());
    const auto end =
        std::find(begin, whole.end(), chat.end_of_turn().front());  // some templates leave the turn open
    if (begin < end) return {begin, end};
  }
  return model.tokenizer().encode(label);
}

}  // namespace

std::vector<std::vector<Token>> label_tokens(const Model& model, const Task& task) {
  std::vector<std::vector<Token>> answers;
  for (const TaskLabel& label : task.labels) answers.push_back(answer_tokens(model, task, label.text));
  for (std::size_t i = 0; i < answers.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (answers[k] == answers[i])
        fail(ErrorCode::invalid_argument, "task ", task.name, ": the labels ", quoted(task.labels[k].text),
             " and ", quoted(task.labels[i].text), " have the same tokens");
  std::vector<std::vector<Token>> sequences = answers;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto extends = [&](const std::vector<Token>& other) {
      return answers[i].size() < other.size() &&
             std::equal(answers[i].begin(), answers[i].end(), other.begin());
    };
    if (std::ranges::any_of(answers, extends))
      sequences[i].push_back(model.chat_template().end_of_turn().front());
  }
  return sequences;
}

}  // namespace qwen::tasks
