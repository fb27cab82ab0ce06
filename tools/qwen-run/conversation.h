// A chat in one session: the messages, and the tokens that the session still has to read.
#pragma once
#include <string>
#include <vector>

#include "qwen-run/answer.h"

namespace qwen_run {

// Options of commands that chat.
struct ChatFlags {
  std::string system;
  bool system_given = false;
  bool think = false;
  int turns = -1;  // earlier turns that the model sees; -1: all that fit

  void add(CLI::App& app, tools::ModelOptions& model);
};

class Conversation {
 public:
  // UsageError for --think with a template that knows no thinking.
  Conversation(qwen::Session& session, const ChatFlags& flags);

  void add_user(std::string text) { messages_.push_back({"user", std::move(text)}); }
  void add_assistant(std::string text) { messages_.push_back({"assistant", std::move(text)}); }
  void drop_last() { messages_.pop_back(); }
  // Replaces the system prompt and forgets the rest. An empty text is the template's default.
  void start(std::string system, bool given);
  // Replaces everything; roles as ChatTemplate wants them.
  void load(std::vector<qwen::Message> messages) { messages_ = std::move(messages); }
  const std::vector<qwen::Message>& messages() const noexcept { return messages_; }
  std::string_view system() const noexcept;

  // The tokens to feed so that the model answers: what the session holds already is kept as far as it agrees.
  // Where the conversation with room for `reserve` tokens does not fit, or has more turns than it may, the
  // oldest turns are left out: `dropped` tells how many.
  std::vector<qwen::Token> prompt(int reserve = 0, int* dropped = nullptr);

 private:
  qwen::Session& session_;
  qwen::ChatTemplate::RenderOptions render_;
  std::vector<qwen::Message> messages_;
  int turns_;
};

// Answers one message and ends: the default command, and `chat` without a terminal.
int ask_once(const std::string& text, const GenerationFlags& flags, const ChatFlags& chat);

}  // namespace qwen_run
