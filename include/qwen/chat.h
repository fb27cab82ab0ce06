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
#include "qwen/engine.h"
#include "qwen/export.h"
#include "qwen/generate.h"
#include "qwen/task.h"

namespace qwen {

struct Analysis;
struct SayOptions;

struct ChatTurn {
  std::string user, assistant;
};

struct ChatOptions {
  int history_turns = 3;   // turns before the new message that the model sees
  int history_tokens = 0;  // tokens of the prompt with history at most; 0: what fits into the context
  // The task's values, unless set here.
  std::optional<bool> history{};  // false: every message is the first
  std::optional<int> max_new_tokens{};
  std::optional<SamplingOptions> sampling{};
  std::optional<std::string> system{};  // system prompt; "" is an empty one, not the model's default
  // The model may think before it answers, if its template can turn thinking on (ChatTemplate::thinking()). A thought
  // is a part of the reply's text; ThoughtSplitter separates the two.
  bool thinking = false;
};

struct SayOptions {
  CancelToken cancel{};  // also while the reply is queued
  // Called while there is no text: after a tenth of a second, then every second. Returning false cancels.
  Callback<const JobProgress&> on_wait{};
  std::string reply_to{};  // text of a label that may choose the system prompt (Task::system_by_label)
  std::vector<std::string> stop{};      // texts that end the reply; they never appear in it
  std::optional<std::uint64_t> seed{};  // overrides SamplingOptions::seed
};

struct ChatReply {
  std::string text;
  FinishReason finish = FinishReason::length;
  GenerateResult generation;
  int prompt_tokens = 0;     // of the whole prompt
  int cached_tokens = 0;     // of these, not computed again
  int dropped_turns = 0;     // oldest turns that left the window with this message
  int truncated_tokens = 0;  // of the message, left out because it did not fit
  // Seconds from the call ...
  double queue_seconds = 0;        // to the start of computation
  double first_token_seconds = 0;  // to the first token
  double total_seconds = 0;        // to the end
};

// A conversation by a task of kind generate. Across turns only new tokens are computed. One thread at a time; chats
// with one engine may be used by as many threads as there are chats.
class QWEN_API Chat {
 public:
  // A plain conversation with the model's own system prompt and sampling, in the calling thread. Replies have at most
  // 512 tokens unless the options say otherwise; all turns that fit are kept.
  // Throws Error(unsupported) if the model has no chat template.
  explicit Chat(Model model);
  // Computes in the calling thread, with an inline engine of its own and the default context.
  // Throws as the next constructor.
  Chat(Model model, Task task, const ChatOptions& options = {});
  // Computes with this engine, beside its other requests. Computes the task's fixed prompt.
  // Throws Error(invalid_argument) for a task of another kind, one that breaks the rules of its file format, or options
  // out of range.
  // Throws Error(unsupported) if the model has no chat template.
  Chat(std::shared_ptr<Engine> engine, Task task, const ChatOptions& options = {});
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  // Answers a message. on_text gets text as it becomes final, in the calling thread; returning false ends the reply.
  // The turn is kept, even if the reply was ended early; if an error is thrown, nothing has changed. Turns that do not
  // fit any more are dropped whole, the oldest first, so that the reply has room for max_new_tokens, or half the
  // context if that is less; a message that leaves less room even alone is truncated if the task allows that.
  // Throws Error(context_full) if the message does not fit.
  // Throws Error(busy) if the engine's queue is full.
  ChatReply say(std::string_view text, const TextCallback& on_text = {}, const SayOptions& options = {});

  struct Prompt {
    std::vector<Token> tokens;
    int dropped_turns = 0;     // oldest turns that are not in it
    int truncated_tokens = 0;  // of the message
  };
  // The prompt that say() computes for this message. Throws Error(context_full) as say().
  Prompt prompt(std::string_view text, std::string_view reply_to = {}) const;

  // The turns that are kept; none if history is off.
  const std::vector<ChatTurn>& turns() const noexcept;
  // Replaces the turns. What the engine has computed of them is reused.
  void set_turns(std::vector<ChatTurn> turns);
  const std::shared_ptr<Engine>& engine() const noexcept;
  const Task& task() const noexcept;
  const Model& model() const noexcept;

 private:
  friend Analysis analyze(Classifier&, Chat&, std::string_view, const Callback<const Classification&>&,
                          const TextCallback&, const SayOptions&);
  struct State;
  std::unique_ptr<State> state_;
};

struct Analysis {
  Classification classification;
  ChatReply reply;
  double label_seconds = 0;  // from the call to the label
  double reply_seconds = 0;  // from the call to the reply's first token
};

// The label, then the reply: on_label is called before the reply's first text; returning false ends the call there.
// The label's text is the reply's SayOptions::reply_to, unless the classifier abstained. If both use one engine and the
// label does not change the reply's prompt, they are computed at the same time.
// Throws Error(cancelled) if options.cancel was set before the label was known, and as classify() and say().
QWEN_API Analysis analyze(Classifier& classifier, Chat& chat, std::string_view text,
                          const Callback<const Classification&>& on_label = {},
                          const TextCallback& on_text = {}, const SayOptions& options = {});

// One reply to one message.
QWEN_API std::string reply(const Model& model, std::string_view message, const TextCallback& on_text = {});

}  // namespace qwen
