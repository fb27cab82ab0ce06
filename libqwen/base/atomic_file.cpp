#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/fail.h"

namespace qwen {

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> serial{0};  // two threads may write the same file: the later rename wins
  temporary_ = cat(path_, ".tmp-", ::getpid(), "-", serial.fetch_add(1));
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(ErrorCode::io, "cannot create ", path_, ": ", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail_io(const char* doing) const {
  fail(ErrorCode::io, "cannot ", doing, " ", path_, ": ", std::strerror(errno));
}

void AtomicFile::write(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd_, bytes, size);
    if (n < 0) {
      if (errno == EINTR) continue;
      fail_io("write");
    }
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0 && errno != EINVAL) fail_io("write");
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0) fail_io("close");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail_io("rename");
  temporary_.clear();
}

}  // namespace qwen
