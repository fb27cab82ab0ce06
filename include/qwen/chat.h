// Conversations, and the all-in-one call: the label first, then the reply.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/classifier.h"
#include "qwen/engine.h"
#include "qwen/export.h"
#include "qwen/generate.h"
#include "qwen/prefix_cache.h"
#include "qwen/session.h"
#include "qwen/task.h"

namespace qwen {

struct Analysis;
struct SayOptions;

struct ChatTurn {               // a message and its reply
  std::string user, assistant;  // their texts
};

struct ChatOptions {                   // how a conversation is kept
  int context = 0;                     // tokens, as SessionOptions
  KvType kv_type = KvType::automatic;  // as SessionOptions
  int prefill_chunk = 512;             // as SessionOptions
  int history_turns = 3;               // turns before the new message that the model sees
  int history_tokens =
      0;  // and at most this many tokens of prompt with them; 0: as many as the context holds
  // What the task says, unless given here.
  std::optional<bool> history{};              // false: every message is the first
  std::optional<int> max_new_tokens{};        // tokens of a reply at most
  std::optional<SamplingOptions> sampling{};  // how tokens are chosen
  std::optional<std::string> system{};        // the system prompt; "": an empty one, not the model's own
  bool thinking = false;                      // Qwen3 only: it may think before it answers
  std::shared_ptr<PrefixCache>
      prefixes{};  // shared with others of the same model, context and KV type; null: none
  // Computes the replies beside those of other chats; the text is still delivered by the calling thread. It
  // must be of the same model; context, KV type, batch and prefixes are its own. null: the chat has a session
  // of its own and computes in the calling thread.
  std::shared_ptr<Engine> engine{};
};

struct SayOptions {      // what holds for one message
  CancelToken cancel{};  // also while the reply waits in the engine's queue
  // Over an engine, while there is no text: called after a tenth of a second and then every second, with the
  // place in the queue (0: it is being computed). Returning false cancels.
  std::function<bool(int place)> on_wait{};
  std::string reply_to{};           // a label's text: Task::system_by_label may have a system prompt for it
  std::vector<std::string> stop{};  // texts that end the reply; no part of it
  // Of this reply's draws. Else SamplingOptions::seed: the same draws for the same prompt each time.
  std::optional<std::uint64_t> seed{};
};

struct ChatReply {                             // a reply and what it took; tokens, and seconds
  std::string text;                            // all of it
  FinishReason finish = FinishReason::length;  // why it ended
  GenerateResult generation;                   // tokens and times
  int prompt_tokens = 0;                       // of the whole prompt
  int cached_tokens = 0;                       // of these, known before
  int dropped_turns = 0;                       // oldest turns that left the window with this message
  int truncated_tokens = 0;                    // of the message, left out because it did not fit
  double queue_seconds = 0;        // waiting for a place in the engine; before the times in `generation`
  double first_token_seconds = 0;  // from the call to the first token
  double total_seconds = 0;        // from the call to the end
};

// A conversation by a task of kind generate. Across turns only new tokens are computed. One thread at a time;
// chats over one engine, or sharing prefixes, may be used by as many threads as there are chats.
class QWEN_API Chat {
 public:
  // With prefixes or an engine the task's fixed prompt is computed here. Error(invalid_argument) for a task
  // of another kind or one that breaks the rules of its file format, for options out of range, or for an
  // engine of another model; Error(unsupported) where the model has no chat template.
  Chat(Model model, Task task, const ChatOptions& options = {});
  Chat(Chat&&) noexcept;
  Chat& operator=(Chat&&) noexcept;
  ~Chat();

  // Answers a message. on_text gets whole characters as they are final; returning false ends the reply. The
  // turn is kept, also a reply that was ended early; where an error is thrown, nothing has happened. Turns
  // that do not fit into the window any more are dropped whole, the oldest first, so that the reply has room
  // for max_new_tokens, or half the context where that is less; a message that leaves less room even alone is
  // cut where the task allows that. Error(context_full) where it does not fit at all; Error(busy) where the
  // engine's queue is full. Over an engine on_text may get the text of several tokens at once: it goes on
  // meanwhile.
  ChatReply say(std::string_view text, const std::function<bool(std::string_view)>& on_text = {},
                const SayOptions& options = {});

  // The prompt that say() would compute for this message, or the error that it would throw. For those who run
  // requests of their own.
  struct Prompt {
    std::vector<Token> tokens;  // all of it
    int dropped_turns = 0;      // oldest turns that are not in it
    int truncated_tokens = 0;   // of the message
  };
  Prompt prompt(std::string_view text, std::string_view reply_to = {}) const;  // that of this message

  // The turns that are kept: none where history is off.
  const std::vector<ChatTurn>& turns() const noexcept;
  // Replaces them: for callers who keep the conversation themselves. What the model has computed of them is
  // used.
  void set_turns(std::vector<ChatTurn> turns);
  // What computes the replies, for progress (Session::set_prefill_callback) and statistics; what it holds is the chat's.
  // nullptr over an engine.
  Session* session() noexcept;
  const Task& task() const noexcept;
  const Model& model() const noexcept;

 private:
  friend Analysis analyze(Classifier&, Chat&, std::string_view,
                          const std::function<bool(const Classification&)>&,
                          const std::function<bool(std::string_view)>&, const SayOptions&);
  struct State;
  std::unique_ptr<State> state_;
};

struct Analysis {                 // what analyze() found and wrote
  Classification classification;  // the label
  ChatReply reply;                // the reply
  double label_seconds = 0;       // from the call to the label
  double reply_seconds = 0;       // from the call to the first of the reply's tokens
};

// The label, then the reply: on_label is called before the first text of the reply is given; returning false
// ends the work there. The label's text is the reply's SayOptions::reply_to, unless the classifier abstained.
// Where both are over one engine, and the label does not change the reply's prompt, they are computed at the
// same time. Error(cancelled) where options.cancel was raised before the label was known.
QWEN_API Analysis analyze(Classifier& classifier, Chat& chat, std::string_view text,
                          const std::function<bool(const Classification&)>& on_label = {},
                          const std::function<bool(std::string_view)>& on_text = {},
                          const SayOptions& options = {});

}  // namespace qwen
