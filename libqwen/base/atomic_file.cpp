#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/fail.h"

namespace qwen {

namespace {

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

// Makes a new name durable. Some file systems cannot: a crash of the machine at this moment would lose the file.
void sync_folder_of(const std::string& path) {
  const int fd = ::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

// The path by which a file without a name can be linked.
std::string open_name(int fd) {
  return cat("/proc/self/fd/", fd);
}

// Opens a file without a name, which vanishes with the process. -1 if the file system does not support such files
// or cannot name them later.
int open_unnamed(const std::string& path) {
  const int fd = ::open(folder_of(path).c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
  if (fd < 0 || ::access(open_name(fd).c_str(), F_OK) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

AtomicFile::AtomicFile(std::string path, Existing existing) : path_(std::move(path)), existing_(existing) {
  struct stat status {};
  if (::stat(path_.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode))
      fail(ErrorCode::invalid_argument, "cannot write ", path_, ": it is not a regular file");
    if (existing_ == Existing::keep)
      fail(ErrorCode::invalid_argument, "cannot write ", path_, ": it exists already");
  }
  static std::atomic<unsigned> serial{0};  // two threads may write the same file: the later rename wins
  temporary_ = cat(path_, ".tmp-", ::getpid(), "-", serial.fetch_add(1));
  fd_ = open_unnamed(path_);
  unnamed_ = fd_ >= 0;
  if (!unnamed_) fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(ErrorCode::io, "cannot create ", path_, ": ", std::strerror(errno));
}

AtomicFile::AtomicFile(int file)
    : path_(cat("file descriptor ", file)), fd_(::fcntl(file, F_DUPFD_CLOEXEC, 0)) {
  if (fd_ < 0) fail(ErrorCode::io, "cannot write ", path_, ": ", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty() && !unnamed_) ::unlink(temporary_.c_str());
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

void AtomicFile::reserve(std::uint64_t size) {
  if (::fallocate(fd_, 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    fail_io("find room for");
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0 && errno != EINVAL) fail_io("write");
  if (unnamed_) {
    const auto link = [&](const std::string& name) {
      return ::linkat(AT_FDCWD, open_name(fd_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
    };
    if (link(path_)) {
      temporary_.clear();
      sync_folder_of(path_);
    } else if (errno != EEXIST || !link(temporary_)) {  // no link replaces a file: that takes a rename
      fail_io("write");
    }
    unnamed_ = false;
  }
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0) fail_io("close");
  if (temporary_.empty()) return;
  const char* from = temporary_.c_str();
  const unsigned flags = existing_ == Existing::keep ? RENAME_NOREPLACE : 0;
  int result = ::renameat2(AT_FDCWD, from, AT_FDCWD, path_.c_str(), flags);
  // Old kernels and some file systems do not support the flag.
  if (result != 0 && (errno == EINVAL || errno == ENOSYS) &&
      (flags == 0 || ::access(path_.c_str(), F_OK) != 0))
    result = std::rename(from, path_.c_str());
  if (result != 0) fail_io("write");
  temporary_.clear();
  sync_folder_of(path_);
}

}  // namespace qwen
