// Lines from a terminal, with editing and a history file.
#pragma once
#include <termios.h>

#include <memory>
#include <string>
#include <vector>

namespace qwen_run {

class LineEditor {
 public:
  enum class Result { line, interrupted /* Ctrl-C */, end /* Ctrl-D, or the terminal is gone */ };

  // `history_path` may be empty for none. An unreadable or unwritable history is ignored.
  explicit LineEditor(std::string history_path);
  ~LineEditor();

  // Words that Tab completes at the beginning of a line.
  void complete(std::vector<std::string> words);
  // Reads one line, without its line break. Pasted text may contain line breaks. After Ctrl-C `line` is empty. The line begins
  // with `text`, which can be edited.
  Result read(const std::string& prompt, std::string& line, const std::string& text = "");
  // Adds to the history and to its file.
  void remember(const std::string& line);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

// While it exists, keys are not shown; the next line that is read begins with them. Ctrl-C remains a signal.
class HiddenKeys {
 public:
  HiddenKeys();
  ~HiddenKeys();
  HiddenKeys(const HiddenKeys&) = delete;
  HiddenKeys& operator=(const HiddenKeys&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

// $XDG_STATE_HOME/qwen-run/history, else ~/.local/state/qwen-run/history, or "" without a home. Creates the folders.
std::string default_history_path();

}  // namespace qwen_run
