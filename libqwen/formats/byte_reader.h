// A checked cursor over bytes from outside.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/fail.h"

namespace qwen::formats {

static_assert(std::endian::native == std::endian::little,
              "model files are read as little-endian bytes in place");

// Throws bad_format if the bytes are a Git LFS pointer, which git leaves in place of a file that was not downloaded.
inline void refuse_lfs_pointer(std::string_view bytes, std::string_view file) {
  if (bytes.starts_with("version https://git-lfs.github.com/spec/"))
    fail(ErrorCode::bad_format, file,
         ": a Git LFS pointer, not the file itself: run git lfs pull, or download the file");
}

// Every read takes the name of the item read.
// Throws bad_format, with file, position and that name, if too few bytes are left.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return bytes_.size() - position_; }

  template <class T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> take(std::size_t size, std::string_view what) {
    if (size > remaining())
      bad(what, ": expected ", size, " bytes, found ", remaining(), ": the file is truncated or damaged");
    const auto taken = bytes_.subspan(position_, size);
    position_ += size;
    return taken;
  }

  // `count` elements of `size` bytes.
  std::span<const std::byte> take(std::uint64_t count, std::size_t size, std::string_view what) {
    if (count > remaining() / size)
      bad(what, ": expected ", count, size == 1 ? "" : cat(" x ", size), " bytes, found ", remaining(),
          ": the file is truncated or damaged");
    return take(static_cast<std::size_t>(count) * size, what);
  }

  std::string_view text(std::uint64_t size, std::string_view what) {
    const auto taken = take(size, 1, what);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    refuse(ErrorCode::bad_format, parts...);
  }
  template <class... Parts>
  [[noreturn]] void refuse(ErrorCode code, const Parts&... parts) const {
    fail(code, file_, ": at byte ", position_, ": ", parts...);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view file_;
  std::size_t position_ = 0;
};

}  // namespace qwen::formats
