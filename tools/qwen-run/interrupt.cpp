#include "qwen-run/interrupt.h"

#include <unistd.h>

namespace qwen_run {
namespace {

const qwen::CancelToken* work_in_progress = nullptr;

void on_interrupt(int) {
  if (!work_in_progress || work_in_progress->cancelled()) _exit(128 + SIGINT);
  work_in_progress->cancel();
}

}  // namespace

InterruptGuard::InterruptGuard(const qwen::CancelToken& cancel) {
  work_in_progress = &cancel;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;  // an interrupted write would count as a failed one
  sigaction(SIGINT, &action, &previous_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &previous_, nullptr);
  work_in_progress = nullptr;
}

}  // namespace qwen_run
