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
  // `fraction`: 0 to 1; `detail` follows it.
  void update(double fraction, const std::string& detail = "");
  void hide();  // until the next update
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  bool enabled_, shown_ = false;
  Clock::time_point start_ = Clock::now(), drawn_{};
};

// A progress bar with a count, its rate and the time left.
class RateBar {
 public:
  // `unit`: what is counted, "rows".
  RateBar(std::string label, std::string unit, bool enabled);
  // `first`: the fraction at the start, for work that continues earlier work; `count`: since then.
  void update(double fraction, double first, long count);
  void hide() { bar_.hide(); }

 private:
  ProgressBar bar_;
  std::string unit_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace tools
