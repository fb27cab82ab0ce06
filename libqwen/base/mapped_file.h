// A file mapped read-only into memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace qwen {

// The bytes are valid for the object's lifetime. If another program truncates the file, reading beyond its new end
// raises SIGBUS; callers check changed() before they read. Replacing the file (renaming another one to its path) or
// removing it is harmless: the mapping keeps the old contents.
class MappedFile {
 public:
  MappedFile() = default;
  // Throws not_found or io, with the path and the system's reason.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept { swap(other); }
  MappedFile& operator=(MappedFile&& other) noexcept {
    swap(other);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const std::string& path() const noexcept { return path_; }
  // True if the size or modification time of the mapped file differs from that at mapping; the path may name
  // another file by now.
  bool changed() const noexcept;
  // Drops the pages of `part`, a part of bytes(), from resident memory; they are read again when touched.
  void release(std::span<const std::byte> part) const noexcept;
  // Asks the kernel to read the bytes ahead.
  void prefetch(std::span<const std::byte> part) const noexcept;

 private:
  void swap(MappedFile& other) noexcept;
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  long long modified_ns_ = 0;
  std::uint64_t device_ = 0, inode_ = 0;
};

}  // namespace qwen
