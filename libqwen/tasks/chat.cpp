#include "qwen/chat.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "base/fail.h"
#include "qwen/thinking.h"
#include "tasks/batch.h"
#include "tasks/clock.h"
#include "tasks/inline_engine.h"
#include "tasks/prompt.h"
#include "tasks/task_rules.h"

namespace qwen {
namespace {

using tasks::Clock;
using tasks::seconds_since;

std::vector<Message> messages_of(std::span<const ChatTurn> turns, const Task& task) {
  std::vector<Message> out;
  for (const ChatTurn& turn : turns) {
    out.push_back({"user", task.user_message(turn.user)});
    out.push_back({"assistant", turn.assistant});
  }
  return out;
}

// The KV of the conversation is kept, however long it is.
const EngineOptions kOneChat{.max_sequences = 1, .prefix_bytes = std::numeric_limits<std::size_t>::max()};

Task plain_task(const Model& model) {
  Task task;
  task.name = "chat";
  task.kind = TaskKind::generate;
  task.user_template = "{text}";
  task.history = true;
  task.max_new_tokens = 512;
  task.sampling = model.info().sampling;
  return task;
}

ChatOptions plain_options() {
  ChatOptions options;
  options.history_turns = std::numeric_limits<int>::max();
  return options;
}

}  // namespace

struct Chat::State {
  std::shared_ptr<Engine> engine;
  Model model;
  Task task;
  ChatOptions options;
  std::vector<ChatTurn> turns;
  mutable std::vector<int>
      turn_tokens;  // [turns] of their texts, without the template's; counted when needed

  bool history() const { return options.history.value_or(task.history); }
  int max_new_tokens() const { return options.max_new_tokens.value_or(task.max_new_tokens); }
  int context() const { return engine->options().context; }

  RenderedPrompt render(std::string_view text, const std::vector<Message>& history,
                        const SayOptions& say) const {
    std::vector<Message> messages = task.messages(text, history, say.reply_to);
    if (options.system && messages.front().role != "system")
      messages.insert(messages.begin(), {"system", ""});  // a task cannot express an empty one
    ChatTemplate::RenderOptions out;
    out.enable_thinking = model.chat_template().enable_thinking(options.thinking);
    if (!say.partial.empty()) {
      messages.push_back({"assistant", say.partial});
      out.continue_final_message = true;
    }
    return model.chat_template().apply(messages, out);
  }
  std::vector<Token> encode(const RenderedPrompt& prompt) const {
    return model.chat_template().encode(prompt);
  }

  // The first of the turns from `first` on whose texts alone may fit into `window` tokens. Each turn is tokenized once.
  std::size_t first_candidate(std::size_t first, int window) const {
    turn_tokens.resize(turns.size(), -1);
    std::size_t candidate = turns.size();
    for (int total = 0; candidate > first; --candidate) {
      const std::size_t i = candidate - 1;
      if (turn_tokens[i] < 0)
        turn_tokens[i] = static_cast<int>(model.tokenizer().encode(task.user_message(turns[i].user)).size() +
                                          model.tokenizer().encode(turns[i].assistant).size());
      total += turn_tokens[i];
      if (total > window) break;
    }
    return candidate;
  }

  // The prompt with as many of the latest turns as fit into the window.
  Prompt prompt(std::string_view text, const SayOptions& say) const {
    // Room for the answer; if the context is small, half of it at most.
    const int limit = context() - std::min(max_new_tokens(), context() / 2);
    const int window = options.history_tokens > 0 ? std::min(limit, options.history_tokens) : limit;
    const std::size_t kept = history() ? static_cast<std::size_t>(options.history_turns) : 0;
    Thought thought = Thought::none;
    const auto with_turns_from = [&](std::size_t first) {
      const RenderedPrompt rendered = render(text, messages_of(std::span(turns).subspan(first), task), say);
      thought = rendered.thought;
      return encode(rendered);
    };
    // Fewer turns make a shorter prompt: bisection finds the earliest turn that fits.
    std::size_t low = first_candidate(turns.size() - std::min(turns.size(), kept), window),
                high = turns.size();
    std::vector<Token> best;
    for (std::size_t first = low; low < high; first = low + (high - low) / 2) {
      std::vector<Token> tokens = with_turns_from(first);
      if (static_cast<int>(tokens.size()) <= window) {
        best = std::move(tokens);
        high = first;
      } else {
        low = first + 1;
      }
    }
    if (!best.empty()) return {std::move(best), static_cast<int>(high), 0, thought};
    const bool cut = task.overflow == TextOverflow::truncate;  // else the reply gets the room that is left
    tasks::Prompt alone = tasks::make_prompt(model, task, text, cut ? limit : context() - 1, [&](auto part) {
      const RenderedPrompt rendered = render(part, {}, say);
      thought = rendered.thought;
      return encode(rendered);
    });
    return {std::move(alone.tokens), static_cast<int>(turns.size()), alone.truncated_tokens, thought};
  }

  // The thought that the reply to this prompt begins with: a partial reply may end within one.
  Thought thought_of(const Prompt& prompt, const std::string& partial) const {
    if (partial.empty() || model.chat_template().thinking() == ChatTemplate::Thinking::none)
      return prompt.thought;
    ThoughtSplitter splitter(prompt.thought == Thought::begun);
    splitter.push(partial);
    return splitter.in_thought() ? Thought::begun : Thought::none;
  }

  // A reply that was submitted.
  struct PendingReply {
    Clock::time_point start;
    Prompt prompt;
    Thought thought = Thought::none;
    EngineJob job;
  };
  PendingReply submit(std::string_view text, const SayOptions& say) const;
  EngineJob submit(std::vector<Token> tokens, Thought thought, const SayOptions& say) const;
  std::vector<ChatReply> reply_batch(std::span<const std::string> texts,
                                     const Callback<std::size_t, const ChatReply&>& on_result,
                                     const CancelToken& cancel) const;
  ChatReply result_of(PendingReply& pending, const TextCallback& on_text, const SayOptions& say) const;
  ChatReply finish(PendingReply& pending, std::string_view text, const TextCallback& on_text,
                   const SayOptions& say);
  void receive(PendingReply& pending, const TextCallback& on_text, const SayOptions& say,
               ChatReply& reply) const;
};

Chat::Chat(Model model) : Chat(model, plain_task(model), plain_options()) {}

Chat::Chat(Model model, Task task, const ChatOptions& options)
    : Chat(tasks::inline_engine(std::move(model), kOneChat), std::move(task), options) {}

Chat::Chat(std::shared_ptr<Engine> engine, Task task, const ChatOptions& options) {
  if (!engine) fail(ErrorCode::invalid_argument, "chat: the engine is null");
  if (task.kind != TaskKind::generate)
    fail(ErrorCode::invalid_argument, "task ", task.name, " is a classifier; expected a chat task");
  if (options.history_turns < 0 || options.history_tokens < 0 || options.max_new_tokens.value_or(0) < 0)
    fail(ErrorCode::invalid_argument,
         "chat: history_turns, history_tokens and max_new_tokens must be 0 or more");
  if (options.system) task.system = *options.system;
  tasks::require_valid(task);
  const Model model = engine->model();
  state_ = std::make_unique<State>(State{std::move(engine), model, std::move(task), options, {}, {}});
  state_->engine->pin(
      tasks::fixed_prefix([this](auto text) { return state_->encode(state_->render(text, {}, {})); }));
}

Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;
Chat::~Chat() = default;

const std::vector<ChatTurn>& Chat::turns() const noexcept {
  return state_->turns;
}
void Chat::set_turns(std::vector<ChatTurn> turns) {
  state_->turns = std::move(turns);
  state_->turn_tokens.clear();
}
const std::shared_ptr<Engine>& Chat::engine() const noexcept {
  return state_->engine;
}
const Task& Chat::task() const noexcept {
  return state_->task;
}
const Model& Chat::model() const noexcept {
  return state_->model;
}

Chat::Prompt Chat::prompt(std::string_view text, const SayOptions& options) const {
  return state_->prompt(text, options);
}

ChatReply Chat::say(std::string_view text, const TextCallback& on_text, const SayOptions& options) {
  State::PendingReply pending = state_->submit(text, options);
  return state_->finish(pending, text, on_text, options);
}

std::vector<ChatReply> Chat::reply_batch(std::span<const std::string> texts,
                                         const Callback<std::size_t, const ChatReply&>& on_result,
                                         const CancelToken& cancel) const {
  return state_->reply_batch(texts, on_result, cancel);
}

Chat::State::PendingReply Chat::State::submit(std::string_view text, const SayOptions& say) const {
  PendingReply pending;
  pending.start = Clock::now();
  if (say.constraint && !say.partial.empty())
    fail(ErrorCode::invalid_argument, "say: expected a constraint or a partial reply, found both");
  pending.prompt = prompt(text, say);
  pending.thought = thought_of(pending.prompt, say.partial);
  pending.job = submit(pending.prompt.tokens, pending.thought, say);
  return pending;
}

EngineJob Chat::State::submit(std::vector<Token> tokens, Thought thought, const SayOptions& say) const {
  EngineRequest request;
  request.prompt = std::move(tokens);
  request.generate.max_new_tokens = max_new_tokens();
  request.generate.sampling = options.sampling.value_or(task.sampling);
  if (say.seed) request.generate.sampling->seed = *say.seed;
  request.generate.stop = say.stop;
  request.generate.cancel = say.cancel;
  request.generate.constraint = say.constraint;
  request.generate.thought = thought;
  if (thought != Thought::none) request.generate.thought_tokens = options.thought_tokens;
  return engine->submit(std::move(request));
}

ChatReply Chat::State::finish(PendingReply& pending, std::string_view text, const TextCallback& on_text,
                              const SayOptions& say) {
  ChatReply reply = result_of(pending, on_text, say);
  if (history()) {
    reply.dropped_turns = pending.prompt.dropped_turns;
    turns.erase(turns.begin(), turns.begin() + reply.dropped_turns);
    const auto counted = std::min(turn_tokens.size(), static_cast<std::size_t>(reply.dropped_turns));
    turn_tokens.erase(turn_tokens.begin(), turn_tokens.begin() + static_cast<std::ptrdiff_t>(counted));
    // A partial reply that ends within a thought is one.
    turns.push_back({std::string(text), (pending.thought == Thought::begun ? "" : say.partial) + reply.text});
  } else {
    turns.clear();
    turn_tokens.clear();
  }
  return reply;
}

ChatReply Chat::State::result_of(PendingReply& pending, const TextCallback& on_text,
                                 const SayOptions& say) const {
  ChatReply reply;
  reply.prompt_tokens = static_cast<int>(pending.prompt.tokens.size());
  reply.truncated_tokens = pending.prompt.truncated_tokens;
  receive(pending, on_text, say, reply);
  reply.finish = reply.generation.finish;
  reply.total_seconds = seconds_since(pending.start);
  return reply;
}

std::vector<ChatReply> Chat::State::reply_batch(std::span<const std::string> texts,
                                                const Callback<std::size_t, const ChatReply&>& on_result,
                                                const CancelToken& cancel) const {
  SayOptions say;
  say.cancel = cancel;
  std::vector<Thought> thoughts(texts.size());
  tasks::BatchSteps<tasks::PendingText, ChatReply> steps;
  steps.find_known = [](std::size_t, ChatReply&) { return false; };
  steps.make_prompt = [&](std::size_t i) {
    Prompt made = prompt(texts[i], say);
    thoughts[i] = made.thought;
    return tasks::Prompt{std::move(made.tokens), made.truncated_tokens};
  };
  steps.submit = [&](tasks::PendingText& text) {
    text.job = submit(text.prompt.tokens, thoughts[text.index], say);
  };
  steps.finish = [&](tasks::PendingText& text) {
    PendingReply pending{Clock::now(), {}, thoughts[text.index], std::exchange(text.job, {})};
    pending.prompt.tokens = std::move(text.prompt.tokens);
    pending.prompt.truncated_tokens = text.prompt.truncated_tokens;
    ChatReply reply = result_of(pending, {}, say);
    if (reply.finish == FinishReason::cancelled) fail(ErrorCode::cancelled, "the replies were cancelled");
    reply.total_seconds = text.seconds + pending.job.result().total_seconds;
    return reply;
  };
  return tasks::run_batch(*engine, texts.size(), steps, on_result);
}

// Pulls the text, so that a slow on_text does not block the engine.
void Chat::State::receive(PendingReply& pending, const TextCallback& on_text, const SayOptions& say,
                          ChatReply& reply) const {
  EngineJob& job = pending.job;
  std::string text;
  std::size_t tokens = 0;
  bool ended_early = false;
  std::optional<ThoughtSplitter> splitter;
  if (pending.thought != Thought::none) splitter.emplace(pending.thought == Thought::begun);
  const auto deliver = [&](const ThoughtSplitter::Parts& parts) {
    reply.reasoning += parts.reasoning;
    reply.text += parts.answer;
    const bool go_on = parts.reasoning.empty() || say.on_reasoning(parts.reasoning);
    return go_on && (parts.answer.empty() || on_text(parts.answer));
  };
  auto patience = std::chrono::milliseconds(100);
  while (!ended_early) {
    const auto chunk = say.on_wait ? job.next(patience) : job.next();
    if (chunk) {
      text += chunk->text;
      tokens += chunk->tokens.size();
      ended_early = !chunk->text.empty() && !deliver(splitter ? splitter->push(chunk->text)
                                                              : ThoughtSplitter::Parts{{}, chunk->text});
    } else if (job.done()) {
      break;
    } else {
      patience = std::chrono::milliseconds(1000);
      ended_early = !say.on_wait(job.progress());
    }
  }
  if (splitter && !ended_early) ended_early = !deliver(splitter->finish());
  if (ended_early) job.cancel();
  const EngineResult& result = job.result();
  reply.generation = result.generation;
  reply.cached_tokens = result.cached_tokens;
  reply.queue_seconds = result.queue_seconds;
  reply.first_token_seconds = result.first_token_seconds;
  if (!ended_early) return;
  // The engine may have computed more than was delivered.
  reply.generation.finish = FinishReason::cancelled;
  reply.generation.text = std::move(text);
  reply.generation.tokens.resize(tokens);
  reply.generation.token_seconds.resize(tokens);
}

Analysis analyze(Classifier& classifier, Chat& chat, std::string_view text,
                 const Callback<const Classification&>& on_label, const TextCallback& on_text,
                 const SayOptions& options) {
  const auto start = Clock::now();
  if (options.cancel.cancelled()) fail(ErrorCode::cancelled, "the analysis was cancelled");
  Analysis out;
  Chat::State& c = *chat.state_;
  std::optional<Chat::State::PendingReply> pending;
  // If the label chooses the system prompt, the reply must wait for it.
  if (c.task.system_by_label.empty()) pending = c.submit(text, options);
  out.classification = classifier.classify(text, ClassifyMode::score, options.cancel);
  out.label_seconds = seconds_since(start);
  if (!on_label(out.classification)) {
    out.reply.finish = FinishReason::cancelled;
    return out;
  }
  SayOptions say = options;
  if (say.reply_to.empty() && !out.classification.abstained)
    say.reply_to = classifier.task().labels[static_cast<std::size_t>(out.classification.label)].text;
  const double before = pending ? 0.0 : seconds_since(start);
  if (!pending) pending = c.submit(text, say);
  out.reply = c.finish(*pending, text, on_text, say);
  out.reply_seconds = before + out.reply.first_token_seconds;
  return out;
}

std::string reply(const Model& model, std::string_view message, const TextCallback& on_text) {
  return Chat(model).say(message, on_text).text;
}

}  // namespace qwen
