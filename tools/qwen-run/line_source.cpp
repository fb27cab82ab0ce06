#include "qwen-run/line_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "qwen/error.h"

namespace qwen_run {

LineSource::LineSource(const std::string& path, tools::Encoding encoding)
    : path_(path == "-" ? "stdin" : path), decoder_(encoding, path_) {
  fd_ = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) {
    const auto code = errno == ENOENT ? qwen::ErrorCode::not_found : qwen::ErrorCode::io;
    throw qwen::Error(code, path_ + ": " + std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode)) size_ = static_cast<double>(status.st_size);
}

LineSource::~LineSource() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
}

bool LineSource::fill() {
  if (ended_) return false;
  buffer_.erase(0, at_);
  at_ = 0;
  char block[65536];
  ssize_t count;
  do count = ::read(fd_, block, sizeof block);
  while (count < 0 && errno == EINTR);
  if (count < 0) throw qwen::Error(qwen::ErrorCode::io, path_ + ": " + std::strerror(errno));
  ended_ = count == 0;
  decoder_.push({block, static_cast<std::size_t>(count)}, buffer_);
  if (ended_) decoder_.finish(buffer_);
  read_ += static_cast<double>(count);
  return !ended_;
}

bool LineSource::next(std::string& line) {
  std::size_t end = buffer_.find('\n', at_);
  while (end == std::string::npos && fill()) end = buffer_.find('\n', at_);
  if (end == std::string::npos) end = buffer_.find('\n', at_);  // the end may complete a line
  if (end == std::string::npos && at_ == buffer_.size()) return false;
  line = buffer_.substr(at_, end == std::string::npos ? end : end - at_);
  at_ = end == std::string::npos ? buffer_.size() : end + 1;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  ++number_;
  return true;
}

bool LineSource::would_wait() {
  if (ended_ || buffer_.find('\n', at_) != std::string::npos) return false;
  pollfd waiting{fd_, POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 0;
}

double LineSource::fraction() const {
  return size_ > 0 ? read_ / size_ : 0;
}

}  // namespace qwen_run
