// Files that appear whole or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace qwen {

// Writes to a temporary file beside `path`; commit() syncs it and renames it. Without commit the temporary file is
// removed and `path` stays as it was. On file systems that support files without a name (those of Linux do),
// nothing is left behind even if the process is killed. Errors are io, with the path and the system's reason.
class AtomicFile {
 public:
  enum class Existing { replace, keep };

  // Throws invalid_argument if `path` exists and is not a regular file, or exists and is to be kept.
  explicit AtomicFile(std::string path, Existing existing = Existing::replace);
  // Writes to an open, empty file (a memfd) that the caller owns; nothing is renamed or removed.
  explicit AtomicFile(int file);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, std::size_t size);
  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }
  // Reserves `size` bytes if the file system can, so that a full disk is reported before the work is done.
  void reserve(std::uint64_t size);
  // Throws io if Existing::keep is set and a file has appeared at `path`.
  void commit();

 private:
  [[noreturn]] void fail_io(const char* doing) const;
  std::string path_, temporary_;  // temporary_ is empty if there is no temporary file
  Existing existing_ = Existing::replace;
  bool unnamed_ = false;  // the temporary file has no name yet
  int fd_ = -1;
};

// FNV-1a, 64 bits: identity of caches and files, not protection against an adversary.
inline constexpr std::uint64_t kFnvStart = 14695981039346656037u;
inline std::uint64_t fnv1a(const void* data, std::size_t size, std::uint64_t hash = kFnvStart) noexcept {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

}  // namespace qwen
