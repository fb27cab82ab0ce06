// Conversations, and the all-in-one call: the label first, then the reply.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/callback.h"
#include "qwen/classifier.h"
#include "qwen/constraint.h"
#include "qwen/engine.h"
#include "qwen/export.h"
#include "qwen/generate.h"
#include "qwen/task.h"
#include "qwen/thinking.h"

namespace qwen {

struct Analysis;
struct SayOptions;

// A message with its reply.
struct ChatTurn {
  std::string user;       // the message alone: the task's template is added when a prompt is made
  std::string assistant;  // the reply, possibly empty or ended early
};

// How a conversation differs from its task.
struct ChatOptions {
  int history_turns = 3;   // turns before the new message that the model sees
  int history_tokens = 0;  // tokens of the prompt with history at most; 0: what fits into the context
  // The task's values, unless set here.
  std::optional<bool> history{};  // false: every message is the first
  // Tokens of a reply at most; 0 or more.
  std::optional<int> max_new_tokens{};
  // How tokens are chosen. SayOptions::seed replaces its seed.
  std::optional<SamplingOptions> sampling{};
  std::optional<std::string> system{};  // system prompt; "" is an empty one, not the model's default
  // The model may think before it answers, if its template can turn thinking on (ChatTemplate::thinking()).
  // ChatReply::reasoning is the thought, ChatReply::text the answer.
  bool thinking = false;
  // Tokens of a thought at most, if the reply has one; then it is ended and the answer begins. -1: no limit.
  int thought_tokens = -1;
};

// Options of one reply.
struct SayOptions {
  CancelToken cancel{};  // ends the reply, also while the reply is queued
  // Called while there is no text: after a tenth of a second, then every second. Returning false cancels.
  Callback<const JobProgress&> on_wait{};
  // Gets the thought before the answer, as on_text gets the answer. Returning false ends the reply.
  TextCallback on_reasoning{};
  std::string reply_to{};  // text of a label that may choose the system prompt (Task::system_by_label)
  std::vector<std::string> stop{};      // texts that end the reply; they never appear in it
  std::optional<std::uint64_t> seed{};  // overrides SamplingOptions::seed
  std::optional<Constraint>
      constraint{};  // what the answer must be, as GenerateOptions::constraint; not with `partial`
  // The beginning of the reply, which the model continues; "": none. ChatReply::text is what follows it, the turn that
  // is kept has both. If it ends within a thought, the model continues the thought, and the turn is the answer alone.
  std::string partial{};
};

// What Chat::say() returns.
struct ChatReply {
  std::string text;       // the answer, without the thought: all that on_text got
  std::string reasoning;  // the thought before the answer; later prompts do not have it
  // Why the reply ended: cancelled also if a callback returned false.
  FinishReason finish = FinishReason::length;
  // Tokens, seed and times.
  GenerateResult generation;
  int prompt_tokens = 0;     // of the whole prompt
  int cached_tokens = 0;     // of these, not computed again
  int dropped_turns = 0;     // oldest turns that left the window with this message
  int truncated_tokens = 0;  // of the message, left out because it did not fit
  // Seconds.
  double queue_seconds = 0;        // in the engine's queue
  double first_token_seconds = 0;  // from entering the queue to the first token
  double total_seconds = 0;        // from the call to the end
};

// A conversation by a task of kind generate. Across turns only new tokens are computed. One thread at a time; chats
// with one engine may be used by as many threads as there are chats.
class QWEN_API Chat {
 public:
  // A plain conversation with the model's own system prompt and sampling, in the calling thread. Replies have at most
  // 512 tokens unless the options say otherwise; all turns that fit are kept.
  // Throws Error(unsupported) if the model has no chat template.
  explicit Chat(Model model);
  // Computes in the calling thread, with a private inline engine and the default context.
  // Throws as the next constructor.
  Chat(Model model, Task task, const ChatOptions& options = {});
  // Computes with this engine, together with its other requests. Computes the task's fixed prompt.
  // Throws Error(invalid_argument) for a task of another kind, one that breaks the rules of its file format, or options
  // out of range.
  // Throws Error(unsupported) if the model has no chat template.
  Chat(std::shared_ptr<Engine> engine, Task task, const ChatOptions& options = {});
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  // Answers a message. on_text gets text as it becomes final, in the calling thread; returning false ends the reply.
  // The turn is kept, even if the reply was ended early; if an error is thrown, nothing has changed.
  // Whole turns are dropped, the oldest first, until the reply has room for max_new_tokens, or half the context if that
  // is less. A message that leaves less room without any turn is truncated if the task allows that.
  // Throws Error(context_full) if the message does not fit.
  // Throws Error(invalid_argument) if the chat template does not write options.partial as it is.
  // Throws Error(invalid_argument) or Error(unsupported) for a constraint or a limit of the thought, as generate().
  // Throws Error(busy) if the engine's queue is full.
  ChatReply say(std::string_view text, const TextCallback& on_text = {}, const SayOptions& options = {});

  // Answers each text as the next message of the conversation, which stays as it is: many texts are computed together,
  // results are in their order. on_result gets each, in order and in the calling thread, as soon as it and all before
  // it are known; returning false ends the call with the results so far. If the engine's queue is full, the call waits
  // for its earlier texts.
  // Throws Error(context_full) as say(); one text's error ends the call.
  // Throws Error(cancelled) if `cancel` was set before the replies were complete.
  std::vector<ChatReply> reply_batch(std::span<const std::string> texts,
                                     const Callback<std::size_t, const ChatReply&>& on_result = {},
                                     const CancelToken& cancel = {}) const;

  // A message as the model gets it.
  struct Prompt {
    // The whole conversation, by the chat template.
    std::vector<Token> tokens;
    int dropped_turns = 0;            // oldest turns that are not in it
    int truncated_tokens = 0;         // of the message
    Thought thought = Thought::none;  // of the reply
  };
  // The prompt that say() computes for this message; of the options, reply_to and partial count.
  // Throws Error(context_full) as say().
  Prompt prompt(std::string_view text, const SayOptions& options = {}) const;

  // The turns that are kept; none if history is off.
  const std::vector<ChatTurn>& turns() const noexcept;
  // Replaces the turns. What the engine has computed of them is reused.
  void set_turns(std::vector<ChatTurn> turns);
  // The engine that computes: the one given to the constructor, else a private inline engine.
  const std::shared_ptr<Engine>& engine() const noexcept;
  const Task& task() const noexcept;    // with ChatOptions::system, if that is set
  const Model& model() const noexcept;  // the engine's

 private:
  friend Analysis analyze(Classifier&, Chat&, std::string_view, const Callback<const Classification&>&,
                          const TextCallback&, const SayOptions&);
  struct State;
  std::unique_ptr<State> state_;
};

// What analyze() returns.
struct Analysis {
  Classification classification;  // in score mode
  ChatReply reply;                // empty and FinishReason::cancelled if on_label returned false
  double label_seconds = 0;       // from the call to the label
  double reply_seconds = 0;       // from the call to the reply's first token
};

// The label, then the reply: on_label is called before the reply's first text; returning false ends the call there.
// The label's text is the reply's SayOptions::reply_to, unless the classifier abstained. If both use one engine and the
// label does not change the reply's prompt, they are computed at the same time.
// Throws Error(cancelled) if options.cancel was set before the label was known, and as classify() and say().
QWEN_API Analysis analyze(Classifier& classifier, Chat& chat, std::string_view text,
                          const Callback<const Classification&>& on_label = {},
                          const TextCallback& on_text = {}, const SayOptions& options = {});

// One reply to one message, by Chat(model): the simplest call. Throws as Chat.
QWEN_API std::string reply(const Model& model, std::string_view message, const TextCallback& on_text = {});

}  // namespace qwen
