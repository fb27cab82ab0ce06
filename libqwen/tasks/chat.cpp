#include "qwen/chat.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "qwen/prefix_cache.h"
#include "tasks/clock.h"
#include "tasks/engine_request.h"
#include "tasks/errors.h"
#include "tasks/prompt.h"

namespace qwen {
namespace {

SessionOptions session_options(const ChatOptions& options) {
  SessionOptions out;
  out.context = options.context;
  out.kv_type = options.kv_type;
  out.prefill_chunk = options.prefill_chunk;
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

using tasks::Clock;
using tasks::seconds_since;
using OnText = std::function<bool(std::string_view)>;

}  // namespace

struct Chat::State {
  Model model;
  Task task;
  ChatOptions options;
  std::unique_ptr<Session> session;  // where there is no engine
  int context;
  std::vector<ChatTurn> turns;
  // analyze() computed the whole prompt beside the label's; of its tokens, so many were known before. -1: it
  // did not.
  int ready = -1;

  bool history() const { return options.history.value_or(task.history); }
  int max_new_tokens() const { return options.max_new_tokens.value_or(task.max_new_tokens); }

  std::vector<Token> render(std::string_view text, const std::vector<Message>& history,
                            std::string_view reply_to) const {
    std::vector<Message> messages = task.messages(text, history, reply_to);
    if (options.system && messages.front().role != "system")
      messages.insert(messages.begin(), {"system", ""});  // which a task cannot say
    ChatTemplate::RenderOptions out;
    out.enable_thinking = options.thinking;
    return model.chat_template().render(messages, out);
  }

  // The prompt with as many of the latest turns as the window takes.
  Prompt prompt(std::string_view text, std::string_view reply_to) const {
    // Room for the answer; where the context is small, half of it at most.
    const int limit = context - std::min(max_new_tokens(), context / 2);
    const int window = options.history_tokens > 0 ? std::min(limit, options.history_tokens) : limit;
    const std::size_t kept = history() ? static_cast<std::size_t>(options.history_turns) : 0;
    std::size_t first = turns.size() - std::min(turns.size(), kept);
    for (; first < turns.size(); ++first) {
      const auto history = messages_of(std::span(turns).subspan(first), task);
      std::vector<Token> tokens = render(text, history, reply_to);
      if (static_cast<int>(tokens.size()) <= window) return {std::move(tokens), static_cast<int>(first), 0};
    }
    const bool cut = task.overflow == TextOverflow::truncate;  // else the reply gets what room there is
    tasks::Prompt alone = tasks::make_prompt(model, task, text, cut ? limit : context - 1,
                                             [&](auto part) { return render(part, {}, reply_to); });
    return {std::move(alone.tokens), static_cast<int>(first), alone.truncated_tokens};
  }

  // Leaves the longest known beginning of the prompt in the session.
  int reuse(std::span<const Token> prompt) {
    int length = 0;
    if (options.prefixes) {
      length = options.prefixes->begin(*session, prompt);
    } else {
      length = common_prefix(session->tokens(), prompt);
    }
    length = std::min(length, static_cast<int>(prompt.size()) - 1);
    session->rewind(length);
    return length;
  }

  // A reply that was begun.
  struct Pending {
    Clock::time_point start;
    Prompt prompt;
    GenerateOptions generation;
    EngineJob job;  // over an engine
  };
  Pending begin(std::string_view text, const SayOptions& say) const;
  ChatReply finish(Pending& pending, std::string_view text, const OnText& on_text, const SayOptions& say);
  void compute(Pending& pending, const OnText& on_text, ChatReply& reply);
  void receive(Pending& pending, const OnText& on_text, const SayOptions& say, ChatReply& reply) const;
};

Chat::Chat(Model model, Task task, const ChatOptions& options) {
  if (task.kind != TaskKind::generate)
    tasks::fail(ErrorCode::invalid_argument, "task ", task.name, ": expected kind generate, found classify");
  if (options.history_turns < 0 || options.history_tokens < 0 || options.max_new_tokens.value_or(0) < 0)
    tasks::fail(ErrorCode::invalid_argument,
                "chat: history_turns, history_tokens and max_new_tokens must be 0 or more");
  if (options.system) task.system = *options.system;
  TaskRegistry().add(task);  // the rules for tasks made by hand
  std::unique_ptr<Session> session;
  if (options.engine)
    tasks::check_engine(*options.engine, model);
  else
    session = std::make_unique<Session>(model, session_options(options));
  const int context = options.engine ? options.engine->options().context : session->context();
  state_ = std::make_unique<State>(
      State{std::move(model), std::move(task), options, std::move(session), context, {}, -1});
  if (!options.engine && !options.prefixes) return;
  const std::vector<Token> prefix =
      tasks::fixed_prefix([this](auto text) { return state_->render(text, {}, {}); });
  if (options.engine)
    options.engine->pin(prefix);
  else
    options.prefixes->pin(prefix);
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
Session* Chat::session() noexcept {
  return state_->session.get();
}
const Task& Chat::task() const noexcept {
  return state_->task;
}
const Model& Chat::model() const noexcept {
  return state_->model;
}

Chat::Prompt Chat::prompt(std::string_view text, std::string_view reply_to) const {
  return state_->prompt(text, reply_to);
}

ChatReply Chat::say(std::string_view text, const OnText& on_text, const SayOptions& options) {
  State::Pending pending = state_->begin(text, options);
  return state_->finish(pending, text, on_text, options);
}

Chat::State::Pending Chat::State::begin(std::string_view text, const SayOptions& say) const {
  Pending pending;
  pending.start = Clock::now();
  pending.prompt = prompt(text, say.reply_to);
  GenerateOptions& generation = pending.generation;
  generation.max_new_tokens = max_new_tokens();
  generation.sampling = options.sampling.value_or(task.sampling);
  if (say.seed) generation.sampling.seed = *say.seed;
  generation.stop = say.stop;
  generation.cancel = say.cancel;
  if (options.engine) {
    EngineRequest request;
    request.prompt = pending.prompt.tokens;
    request.generate = generation;
    pending.job = options.engine->submit(std::move(request));
  }
  return pending;
}

ChatReply Chat::State::finish(Pending& pending, std::string_view text, const OnText& on_text,
                              const SayOptions& say) {
  ChatReply reply;
  reply.prompt_tokens = static_cast<int>(pending.prompt.tokens.size());
  reply.truncated_tokens = pending.prompt.truncated_tokens;
  if (pending.job)
    receive(pending, on_text, say, reply);
  else
    compute(pending, on_text, reply);
  reply.text = reply.generation.text;
  reply.finish = reply.generation.finish;
  reply.total_seconds = seconds_since(pending.start);
  if (history()) {
    reply.dropped_turns = pending.prompt.dropped_turns;
    turns.erase(turns.begin(), turns.begin() + reply.dropped_turns);
    turns.push_back({std::string(text), reply.text});
  } else {
    turns.clear();
  }
  return reply;
}

void Chat::State::compute(Pending& pending, const OnText& on_text, ChatReply& reply) {
  const std::vector<Token>& tokens = pending.prompt.tokens;
  const int known = std::exchange(ready, -1);
  const bool computed = known >= 0 && std::ranges::equal(session->tokens(), tokens);
  reply.cached_tokens = computed ? known : reuse(tokens);
  const double before = seconds_since(pending.start);
  const auto rest = std::span(tokens).subspan(static_cast<std::size_t>(session->position()));
  reply.generation = generate(*session, rest, pending.generation, on_text);
  reply.first_token_seconds = before + reply.generation.first_token_seconds;
}

// Pulls the text: a slow on_text holds up nobody.
void Chat::State::receive(Pending& pending, const OnText& on_text, const SayOptions& say,
                          ChatReply& reply) const {
  EngineJob& job = pending.job;
  std::string text;
  std::size_t tokens = 0;
  bool ended_early = false;
  auto patience = std::chrono::milliseconds(100);
  while (!ended_early) {
    const auto chunk = say.on_wait ? job.next(patience) : job.next();
    if (chunk) {
      text += chunk->text;
      tokens += chunk->tokens.size();
      ended_early = on_text && !chunk->text.empty() && !on_text(chunk->text);
    } else if (job.done()) {
      break;
    } else {
      patience = std::chrono::milliseconds(1000);
      ended_early = say.on_wait && !say.on_wait(job.queue_position());
    }
  }
  if (ended_early) job.cancel();
  const EngineResult& result = job.result();
  reply.generation = result.generation;
  reply.cached_tokens = result.cached_tokens;
  reply.queue_seconds = result.queue_seconds;
  reply.first_token_seconds = result.first_token_seconds;
  if (!ended_early) return;
  // The engine may have gone on meanwhile: the reply is what was delivered.
  reply.generation.finish = FinishReason::cancelled;
  reply.generation.text = std::move(text);
  reply.generation.tokens.resize(tokens);
  reply.generation.token_seconds.resize(tokens);
}

Analysis analyze(Classifier& classifier, Chat& chat, std::string_view text,
                 const std::function<bool(const Classification&)>& on_label,
                 const std::function<bool(std::string_view)>& on_text, const SayOptions& options) {
  const auto start = Clock::now();
  if (options.cancel.cancelled()) tasks::fail(ErrorCode::cancelled, "the analysis was cancelled");
  Analysis out;
  Chat::State& c = *chat.state_;
  // A system prompt that the label chooses cannot be computed with it.
  const bool together = c.task.system_by_label.empty() && &c.model.state() == &classifier.model().state();
  std::optional<Chat::State::Pending> pending;
  if (together && !c.options.engine && !classifier.engine()) {
    const Chat::Prompt prompt = c.prompt(text, {});
    const int known = c.reuse(prompt.tokens);
    const auto rest = std::span<const Token>(prompt.tokens).subspan(static_cast<std::size_t>(known));
    bool joined = false;
    out.classification = classifier.classify_beside(text, {c.session.get(), rest, false, {}}, joined);
    c.ready = joined ? known : -1;
  } else {
    if (together && c.options.engine) pending = c.begin(text, options);
    out.classification = classifier.classify(text, ClassifyMode::score, options.cancel);
  }
  out.label_seconds = seconds_since(start);
  if (on_label && !on_label(out.classification)) {
    out.reply.finish = FinishReason::cancelled;
    return out;
  }
  SayOptions say = options;
  if (say.reply_to.empty() && !out.classification.abstained)
    say.reply_to = classifier.task().labels[static_cast<std::size_t>(out.classification.label)].text;
  const auto before = pending ? 0.0 : seconds_since(start);
  if (!pending) pending = c.begin(text, say);
  out.reply = c.finish(*pending, text, on_text, say);
  out.reply_seconds = before + out.reply.first_token_seconds;
  return out;
}

}  // namespace qwen
