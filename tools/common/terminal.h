// Terminal checks and the progress bar.
#pragma once
#include <chrono>
#include <string>

namespace tools {

bool stdin_is_terminal();
bool stdout_is_terminal();
bool stderr_is_terminal();

// A progress bar on stderr, shown after 0.3 s and removed at the end. Shows nothing if stderr is not a terminal or `enabled` is false.
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
