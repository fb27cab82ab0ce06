// Ctrl-C during long work: the first one cancels the work, the second one ends the program.
#pragma once
#include <csignal>

#include "qwen/generate.h"

namespace qwen_run {

// While it exists, SIGINT sets the token, and ends the program if the token is already set. One at a time.
class InterruptGuard {
 public:
  explicit InterruptGuard(const qwen::CancelToken& cancel);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction previous_ = {};
};

}  // namespace qwen_run
