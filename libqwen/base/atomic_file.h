// Files that appear whole or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace qwen {

// Writes to a temporary file beside `path`; commit() syncs it and gives it its name. Without commit nothing
// appears under the name and the temporary file is removed; where the file system can hold files without a
// name, as Linux's own do, nothing is left behind even when the process is killed. Errors are Error(io),
// naming the path and the system's reason.
class AtomicFile {
 public:
  enum class Existing { replace, keep };

  // Error(invalid_argument) where `path` is something else than a regular file, or exists and is to be kept.
  explicit AtomicFile(std::string path, Existing existing = Existing::replace);
  // Writes to an open, empty file (a memfd) that stays the caller's; there is nothing to rename or to remove.
  explicit AtomicFile(int file);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, std::size_t size);
  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }
  // Takes room for `size` bytes now, where the file system can, so that a full disk shows before the work is
  // done.
  void reserve(std::uint64_t size);
  // With Existing::keep, a file that has appeared meanwhile is kept too: Error(io).
  void commit();

 private:
  [[noreturn]] void fail_io(const char* doing) const;
  std::string path_, temporary_;  // no temporary file: it has its name, or never had another
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
