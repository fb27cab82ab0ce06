#include "qwen-serve/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "common/program.h"
#include "qwen/error.h"

namespace qwen_serve {
namespace {

bool ends_within_a_line(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char last = '\n';
  file.seekg(-1, std::ios::end);
  file.get(last);
  return last != '\n';
}

}  // namespace

AccessLog::AccessLog(const std::string& path) : fd_(STDOUT_FILENO), owned_(path != "-") {
  if (!owned_) return;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd_ < 0) throw qwen::Error(qwen::ErrorCode::io, "cannot write " + path + ": " + std::strerror(errno));
  std::error_code ignored;
  torn_ = std::filesystem::is_regular_file(path, ignored) && ends_within_a_line(path);
}

AccessLog::~AccessLog() {
  if (owned_) ::close(fd_);
}

void AccessLog::write(std::string_view line) {
  const bool torn = torn_.exchange(false);
  const std::string text = (torn ? "\n" : "") + std::string(line) + "\n";
  ssize_t written;
  do {
    written = ::write(fd_, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(text.size())) return;
  if (written > 0 || torn) torn_ = true;
  if (complained_.exchange(true)) return;
  tools::warn(std::string("the access log cannot be written: ") + std::strerror(errno));
}

std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::system_clock::to_time_t(now);
  const auto rest =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(rest));
  return text;
}

}  // namespace qwen_serve
