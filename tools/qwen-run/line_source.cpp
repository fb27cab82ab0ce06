#include "qwen-run/line_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "qwen-run/csv.h"
#include "qwen/error.h"

namespace qwen_run {
namespace {

constexpr std::size_t kMaxLine = std::size_t{64} << 20;

}  // namespace

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
  const std::size_t before = buffer_.size();
  decoder_.push({block, static_cast<std::size_t>(count)}, buffer_);
  if (ended_) decoder_.finish(buffer_);
  decoded_ += static_cast<double>(buffer_.size() - before);
  read_ += static_cast<double>(count);
  return !ended_;
}

bool LineSource::next_raw(std::string& line) {
  std::size_t end = buffer_.find('\n', at_);
  while (end == std::string::npos && !ended_) {
    const std::size_t searched = buffer_.size() - at_;
    if (searched > kMaxLine)
      throw qwen::Error(qwen::ErrorCode::bad_format,
                        path_ + ":" + std::to_string(number_ + 1) + ": the line is longer than 64 MiB");
    fill();  // moves the line to the front
    end = buffer_.find('\n', searched);
  }
  if (end == std::string::npos && at_ == buffer_.size()) return false;
  line = buffer_.substr(at_, end == std::string::npos ? end : end + 1 - at_);
  at_ += line.size();
  ++number_;
  return true;
}

bool LineSource::next(std::string& line) {
  if (!next_raw(line)) return false;
  line.resize(without_line_break(line).size());
  return true;
}

std::string_view LineSource::peek(std::size_t size) {
  while (buffer_.size() - at_ < size && fill()) {
  }
  return std::string_view(buffer_).substr(at_, size);
}

bool LineSource::would_wait() {
  if (ended_ || buffer_.find('\n', at_) != std::string::npos) return false;
  pollfd waiting{fd_, POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 0;
}

double LineSource::fraction() const {
  if (size_ <= 0) return 0;
  // What is in the buffer is read but not used yet.
  return read_ / size_ * (decoded_ > 0 ? 1 - static_cast<double>(buffer_.size() - at_) / decoded_ : 0);
}

}  // namespace qwen_run
