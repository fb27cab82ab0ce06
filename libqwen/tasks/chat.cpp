#include "qwen/chat.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tasks/errors.h"
#include "qwen/prefix_cache.h"
#include "tasks/prompt.h"

namespace qwen {
namespace {

SessionOptions session_options(const ChatOptions& options) {
  SessionOptions out;
  out.context = options.context;
  out.kv_type = options.kv_type;
  return out;
}

std::vector<Message> messages_of(std::span<const ChatTurn> turns, const Task& task) {
  std::vector<Message> out;
  for (const ChatTurn& turn : turns) {
    out.push_back({"user", task.user_message(turn.user)});
    out.push_back({"assistant", turn.assistant});
  }
  return out;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

struct Chat::State {
  Model model;
  Task task;
  ChatOptions options;
  Session session;
  std::vector<ChatTurn> turns;
  // analyze() computed the whole prompt beside the label's; of its tokens, so many were known before. -1: it
  // did not.
  int ready = -1;

  bool history() const { return options.history.value_or(task.history); }
  int max_new_tokens() const { return options.max_new_tokens.value_or(task.max_new_tokens); }

  // The prompt with as many of the latest turns as the window takes: `first` is the oldest of them.
  tasks::Prompt prompt(std::string_view text, std::string_view reply_to, std::size_t& first) const {
    // Room for the answer; where the context is small, half of it at most.
    const int limit = session.context() - std::min(max_new_tokens(), session.context() / 2);
    const int window = options.history_tokens > 0 ? std::min(limit, options.history_tokens) : limit;
    const std::size_t kept = static_cast<std::size_t>(std::max(0, options.history_turns));
    first = turns.size() - std::min(turns.size(), kept);
    for (; first < turns.size(); ++first) {
      const auto history = messages_of(std::span(turns).subspan(first), task);
      std::vector<Token> tokens = model.chat_template().render(task.messages(text, history, reply_to));
      if (static_cast<int>(tokens.size()) <= window) return {std::move(tokens), 0};
    }
    return tasks::make_prompt(model, task, text, limit, {}, reply_to);
  }

  // Leaves the longest known beginning of the prompt in the session.
  int reuse(std::span<const Token> prompt) {
    int length = 0;
    if (options.prefixes) {
      length = options.prefixes->begin(session, prompt);
    } else {
      length = common_prefix(session.tokens(), prompt);
    }
    length = std::min(length, static_cast<int>(prompt.size()) - 1);
    session.rewind(length);
    return length;
  }
};

Chat::Chat(Model model, Task task, const ChatOptions& options) {
  if (task.kind != TaskKind::generate)
    tasks::fail(ErrorCode::invalid_argument, "task ", task.name, ": expected kind generate, found classify");
  if (options.history_turns < 0 || options.history_tokens < 0 || options.max_new_tokens.value_or(1) < 1)
    tasks::fail(ErrorCode::invalid_argument, "chat: history_turns and history_tokens must be 0 or more, ",
                "max_new_tokens 1 or more");
  TaskRegistry().add(task);  // the rules for tasks made by hand
  Session session(model, session_options(options));
  state_ =
      std::make_unique<State>(State{std::move(model), std::move(task), options, std::move(session), {}, -1});
  if (options.prefixes) options.prefixes->pin(tasks::fixed_prefix(state_->model, state_->task));
}

Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;
Chat::~Chat() = default;

const std::vector<ChatTurn>& Chat::turns() const noexcept {
  return state_->turns;
}
void Chat::set_turns(std::vector<ChatTurn> turns) {
  state_->turns = std::move(turns);
}
const Task& Chat::task() const noexcept {
  return state_->task;
}
const Model& Chat::model() const noexcept {
  return state_->model;
}

ChatReply Chat::say(std::string_view text, const std::function<bool(std::string_view)>& on_text,
                    const SayOptions& options) {
  State& s = *state_;
  if (!s.history()) s.turns.clear();
  std::size_t first = 0;
  const tasks::Prompt prompt = s.prompt(text, options.reply_to, first);
  ChatReply reply;
  reply.prompt_tokens = static_cast<int>(prompt.tokens.size());
  reply.truncated_tokens = prompt.truncated_tokens;
  const int ready = std::exchange(s.ready, -1);
  const bool computed = ready >= 0 && std::ranges::equal(s.session.tokens(), prompt.tokens);
  reply.cached_tokens = computed ? ready : s.reuse(prompt.tokens);
  GenerateOptions generation;
  generation.max_new_tokens = s.max_new_tokens();
  generation.sampling = s.options.sampling.value_or(s.task.sampling);
  if (options.seed) generation.sampling.seed = *options.seed;
  generation.stop = options.stop;
  generation.cancel = options.cancel;
  reply.generation =
      generate(s.session, std::span(prompt.tokens).subspan(static_cast<std::size_t>(s.session.position())),
               generation, on_text);
  reply.text = reply.generation.text;
  reply.finish = reply.generation.finish;
  if (s.history()) {
    reply.dropped_turns = static_cast<int>(first);
    s.turns.erase(s.turns.begin(), s.turns.begin() + static_cast<std::ptrdiff_t>(first));
    s.turns.push_back({std::string(text), reply.text});
  }
  return reply;
}

Analysis analyze(Classifier& classifier, Chat& chat, std::string_view text,
                 const std::function<bool(const Classification&)>& on_label,
                 const std::function<bool(std::string_view)>& on_text, const SayOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Analysis out;
  // A system prompt that the label chooses cannot be computed with it.
  Chat::State& c = *chat.state_;
  if (c.task.system_by_label.empty() && &c.model.state() == &classifier.model().state()) {
    if (!c.history()) c.turns.clear();
    std::size_t first = 0;
    const tasks::Prompt prompt = c.prompt(text, {}, first);
    const int known = c.reuse(prompt.tokens);
    const auto rest = std::span<const Token>(prompt.tokens).subspan(static_cast<std::size_t>(known));
    bool joined = false;
    out.classification = classifier.classify_beside(text, {&c.session, rest, false, {}}, joined);
    c.ready = joined ? known : -1;
  } else {
    out.classification = classifier.classify(text);
  }
  out.label_seconds = seconds_since(start);
  if (on_label && !on_label(out.classification)) {
    out.reply.finish = FinishReason::cancelled;
    return out;
  }
  SayOptions say = options;
  if (say.reply_to.empty() && !out.classification.abstained)
    say.reply_to = classifier.task().labels[static_cast<std::size_t>(out.classification.label)].text;
  const auto before = seconds_since(start);
  out.reply = chat.say(text, on_text, say);
  out.reply_seconds = before + out.reply.generation.first_token_seconds;
  return out;
}

}  // namespace qwen
