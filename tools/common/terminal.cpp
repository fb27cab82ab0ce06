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

void ProgressBar::update(double fraction, const std::string& detail) {
  using namespace std::chrono_literals;
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now - start_ < 300ms || now - drawn_ < 50ms) return;
  drawn_ = now;
  shown_ = true;
  constexpr int kWidth = 30;
  const double part = std::clamp(fraction, 0.0, 1.0);
  const int full = static_cast<int>(part * kWidth);
  std::fprintf(stderr, "\r%s [%.*s%.*s] %3d%%%s\x1b[K", label_.c_str(), full,
               "##############################", kWidth - full, "                              ",
               static_cast<int>(part * 100), detail.c_str());
  std::fflush(stderr);
}

void ProgressBar::hide() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
  drawn_ = {};
}

void ProgressBar::finish() {
  hide();
  enabled_ = false;
}

RateBar::RateBar(std::string label, std::string unit, bool enabled)
    : bar_(std::move(label), enabled), unit_(std::move(unit)) {}

void RateBar::update(double fraction, double first, long count) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  char text[120];
  int size = std::snprintf(text, sizeof text, "  %ld %s, %.1f/s", count, unit_.c_str(),
                           static_cast<double>(count) / std::max(seconds, 1e-3));
  if (fraction > first) {
    const auto left = static_cast<long>(seconds * (1 - fraction) / (fraction - first));
    std::snprintf(text + size, sizeof text - static_cast<std::size_t>(size), ", %ld:%02ld left", left / 60,
                  left % 60);
  }
  bar_.update(fraction, text);
}

}  // namespace tools
