// Exit codes, usage errors and warnings of all programs.
#pragma once
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;          // invalid command line
inline constexpr int kExitInterrupted = 130;  // ended by Ctrl-C, as shells report it

// An invalid command line. The message is one line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Runs `body`, prints an exception as one line on stderr, and returns the exit code. Flushes stdout: a result that cannot be written
// is a failure.
int run_program(const char* name, const std::function<int()>& body);

// "NAME: warning: LINE" on stderr.
void warn(std::string_view line);

// "libqwen 0.1.0 (g++ 12, x86-64, release)": for --version.
std::string version_text();

}  // namespace tools
