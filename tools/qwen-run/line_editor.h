// Lines from a terminal, with editing and a history file.
#pragma once
#include <memory>
#include <string>

namespace qwen_run {

class LineEditor {
 public:
  enum class Result { line, interrupted /* Ctrl-C */, end /* Ctrl-D, or the terminal is gone */ };

  // `history_path` may be empty for none. An unreadable or unwritable history is ignored.
  explicit LineEditor(std::string history_path);
  ~LineEditor();

  // Reads one line, without its line break. After Ctrl-C `line` is empty.
  Result read(const std::string& prompt, std::string& line);
  // Adds to the history and to its file.
  void remember(const std::string& line);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// $XDG_STATE_HOME/qwen-run/history, else ~/.local/state/qwen-run/history, or "" without a home. Creates the folders.
std::string default_history_path();

}  // namespace qwen_run
