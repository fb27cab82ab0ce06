// A file mapped read-only into memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace qwen {

// The bytes stay valid for the object's life. Where another program truncates the file meanwhile, reading
// beyond its new end raises SIGBUS; changed() lets callers notice before they read on. A file that was
// replaced (another one renamed to its path) or removed is no danger: the mapping keeps the old one.
class MappedFile {
 public:
  MappedFile() = default;
  // Error(not_found) or Error(io), with the path and the system's reason.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept { swap(other); }
  MappedFile& operator=(MappedFile&& other) noexcept {
    swap(other);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const std::string& path() const noexcept { return path_; }
  // The mapped file's size or modification time differ from those at mapping. False where its path now names
  // another file, or none.
  bool changed() const noexcept;
  // Tells the kernel that these bytes are not needed soon: their pages stop counting as resident memory and
  // are read again from the file when touched. `part` lies in bytes().
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
