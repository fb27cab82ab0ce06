// Lines from a terminal, with editing and a history that outlives the program.
#pragma once
#include <memory>
#include <string>

namespace qwen_run {

class LineEditor {
 public:
  enum class Result { line, interrupted /* Ctrl-C */, end /* Ctrl-D, or the terminal is gone */ };

  // `history_path` may be empty for none. A history that cannot be read or written is no error.
  explicit LineEditor(std::string history_path);
  ~LineEditor();

  // Reads one line, without its line break. What was typed before a Ctrl-C is lost; `line` is empty then.
  Result read(const std::string& prompt, std::string& line);
  // Adds to the history, and to its file at once.
  void remember(const std::string& line);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// Where the history of this user's chats is kept: $XDG_STATE_HOME/qwen-run/history, else below
// ~/.local/state; empty where there is no home. Makes the folders.
std::string default_history_path();

}  // namespace qwen_run
