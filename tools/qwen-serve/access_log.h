// Lines of JSON, whole, to a file or to stdout.
#pragma once
#include <atomic>
#include <string>
#include <string_view>

namespace qwen_serve {

class AccessLog {
 public:
  // "-" is stdout. Error(io) where the file cannot be opened for appending.
  explicit AccessLog(const std::string& path);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  // One write() a line, so that lines stay whole whoever else writes. A full disk is told once on stderr. A
  // line that was cut off there, or by the end of the machine, stays the only one that is damaged.
  void write(std::string_view line);

 private:
  int fd_;
  bool owned_;
  std::atomic<bool> torn_{false};  // the file does not end with a whole line
  std::atomic<bool> complained_{false};
};

// "2026-01-31T12:00:00.123Z"
std::string utc_now();

}  // namespace qwen_serve
