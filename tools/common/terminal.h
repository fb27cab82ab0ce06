// What is a terminal, and the progress bar that only a terminal sees.
#pragma once
#include <chrono>
#include <string>

namespace tools {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();

// A bar on stderr, for what takes more than 0.3 s; nothing where stderr is no terminal or `enabled` is false.
// Gone again at the end.
class ProgressBar {
 public:
  ProgressBar(std::string label, bool enabled);
  ~ProgressBar() { finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void update(double fraction);  // 0 to 1
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  bool enabled_, shown_ = false;
  Clock::time_point start_ = Clock::now(), drawn_{};
};

}  // namespace tools
