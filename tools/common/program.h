// What every program of this folder shares: exit codes, errors of usage, warnings.
#pragma once
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // the work could not be done
inline constexpr int kExitUsage = 2;   // the command line asks for something that cannot be

// The command line is wrong. The message is one line that says what to do next.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Runs `body` and turns what it throws into one line on stderr and an exit code. The last word on stdout too:
// a result that could not be written is a failure.
int run_program(const char* name, const std::function<int()>& body);

// "NAME: warning: LINE" on stderr.
void warn(std::string_view line);

// "libqwen 0.1.0 ...": what --version prints after the program's name.
std::string version_text();

}  // namespace tools
