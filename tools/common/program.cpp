#include "common/program.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

#include "common/output.h"
#include "qwen/error.h"
#include "qwen/version.h"

namespace tools {
namespace {

const char* program_name = "qwen";

int report(int code, const char* message) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: error: %s\n", program_name, message);
  return code;
}

// If another program truncates a mapped model file, reading it raises SIGBUS: we cannot continue, only report it.
extern "C" void on_bus_error(int) {
  static constexpr char kMessage[] = ": error: a mapped file was truncated while it was read\n";
  const bool written = ::write(STDERR_FILENO, program_name, std::strlen(program_name)) >= 0 &&
                       ::write(STDERR_FILENO, kMessage, sizeof kMessage - 1) >= 0;
  static_cast<void>(written);
  ::_exit(kExitFailed);
}

void set_signals() {
  std::signal(SIGBUS, on_bus_error);
  std::signal(SIGXFSZ, SIG_IGN);  // exceeding a file size limit is then a failed write, like a full disk
}

}  // namespace

int run_program(const char* name, const std::function<int()>& body) {
  program_name = name;
  set_signals();
  try {
    const int code = body();
    flush_out();
    return code;
  } catch (const UsageError& error) {
    return report(kExitUsage, error.what());
  } catch (const qwen::Error& error) {
    return report(kExitFailed, error.what());
  } catch (const std::bad_alloc&) {
    return report(kExitFailed, "out of memory; try a smaller model, a smaller context (-c) or 4-bit weights");
  } catch (const std::exception& error) {
    return report(kExitFailed, error.what());
  }
}

void warn(std::string_view line) {
  std::fprintf(stderr, "%s: warning: %.*s\n", program_name, static_cast<int>(line.size()), line.data());
}

std::string version_text() {
  std::string text = "libqwen " + std::string(qwen::version()) + " (";
#if defined(__clang__)
  text += "clang " __clang_version__;
#else
  text += "g++ " __VERSION__;
#endif
#if defined(__x86_64__)
  text += ", x86-64";
#elif defined(__aarch64__)
  text += ", aarch64";
#endif
#ifdef NDEBUG
  text += ", release";
#else
  text += ", debug";
#endif
  return text + ")";
}

}  // namespace tools
