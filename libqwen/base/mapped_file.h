// A file mapped read-only into memory.
#pragma once
#include <cstddef>
#include <span>
#include <string>

namespace qwen {

// The bytes stay valid for the object's life. Where another program truncates the file meanwhile, reading
// beyond its new end raises SIGBUS; changed() lets callers notice before they read on.
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
  // Size or modification time on disk differ from those at mapping.
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
};

}  // namespace qwen
