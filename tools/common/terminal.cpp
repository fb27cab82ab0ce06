#include "common/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace tools {

bool stdin_is_terminal() {
  return isatty(STDIN_FILENO) == 1;
}
bool stdout_is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}
bool stderr_is_terminal() {
  return isatty(STDERR_FILENO) == 1;
}

ProgressBar::ProgressBar(std::string label, bool enabled)
    : label_(std::move(label)), enabled_(enabled && stderr_is_terminal()) {}

void ProgressBar::update(double fraction) {
  using namespace std::chrono_literals;
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now - start_ < 300ms || now - drawn_ < 50ms) return;
  drawn_ = now;
  shown_ = true;
  constexpr int kWidth = 30;
  const double part = std::clamp(fraction, 0.0, 1.0);
  const int full = static_cast<int>(part * kWidth);
  std::fprintf(stderr, "\r%s [%.*s%.*s] %3d%%", label_.c_str(), full, "##############################",
               kWidth - full, "                              ", static_cast<int>(part * 100));
  std::fflush(stderr);
}

void ProgressBar::finish() {
  enabled_ = false;
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace tools
