// Forcing an instruction set.
#pragma once
#include <cstdlib>
#include <string>

namespace qwen::test {

// Sets LIBQWEN_ISA for as long as it lives.
class WithIsa {
 public:
  explicit WithIsa(const char* value) {
    if (const char* before = std::getenv("LIBQWEN_ISA")) before_ = before, had_ = true;
    if (value != nullptr) {
      ::setenv("LIBQWEN_ISA", value, 1);
    } else {
      ::unsetenv("LIBQWEN_ISA");
    }
  }
  ~WithIsa() {
    if (had_) {
      ::setenv("LIBQWEN_ISA", before_.c_str(), 1);
    } else {
      ::unsetenv("LIBQWEN_ISA");
    }
  }

 private:
  std::string before_;
  bool had_ = false;
};

}  // namespace qwen::test
