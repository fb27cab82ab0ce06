#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/fail.h"

namespace qwen {
namespace {

long long modified_ns(const struct stat& status) {
  return static_cast<long long>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // Opening a FIFO would wait for a writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    fail(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io, "cannot open ", path, ": ",
         std::strerror(errno));
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    const std::string reason = S_ISDIR(status.st_mode) ? "it is a directory"
                               : S_ISFIFO(status.st_mode)
                                   ? "it is a named pipe (FIFO), expected a regular file"
                                   : "it is not a regular file";
    ::close(fd);
    fail(ErrorCode::io, "cannot read ", path, ": ", reason);
  }
  size_ = static_cast<std::size_t>(status.st_size);
  modified_ns_ = modified_ns(status);
  device_ = status.st_dev;
  inode_ = status.st_ino;
  if (size_ > 0) {
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    ::close(fd);
    if (address == MAP_FAILED)
      fail(error == ENOMEM ? ErrorCode::out_of_memory : ErrorCode::io, "cannot map ", path, " (", size_,
           " bytes): ", std::strerror(error));
    data_ = static_cast<const std::byte*>(address);
  } else {
    ::close(fd);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::swap(MappedFile& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(modified_ns_, other.modified_ns_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
}

bool MappedFile::changed() const noexcept {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0 || status.st_dev != device_ || status.st_ino != inode_)
    return false;
  return static_cast<std::size_t>(status.st_size) != size_ || modified_ns(status) != modified_ns_;
}

namespace {

// The whole pages inside `part`; advice on a partial page would drop bytes outside of `part`.
std::span<std::byte> whole_pages(std::span<const std::byte> part) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size()) / page * page;
  if (end <= begin) return {};
  return {reinterpret_cast<std::byte*>(begin), end - begin};
}

}  // namespace

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  const auto pages = whole_pages(part);
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), MADV_DONTNEED);
}

void MappedFile::prefetch(std::span<const std::byte> part) const noexcept {
  const auto pages = whole_pages(part);
  if (!pages.empty()) ::madvise(pages.data(), pages.size(), MADV_WILLNEED);
}

}  // namespace qwen
