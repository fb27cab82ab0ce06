// fork(): a child has no threads but the one that called it.
#pragma once
#include <unistd.h>

#include "base/fail.h"

namespace qwen {

// Remembers the process in which it was made.
class ProcessCheck {
 public:
  bool forked() const noexcept { return ::getpid() != process_; }
  // Throws Error(unsupported) in a forked process.
  void require_same(const char* what) const {
    if (forked())
      fail(ErrorCode::unsupported, what,
           ": this process was forked after the model was loaded, and has none of its threads; load models "
           "after fork()");
  }

 private:
  const pid_t process_ = ::getpid();
};

}  // namespace qwen
