// Memory that ends at a page that nobody may touch: reads and writes beyond the end crash the test at once,
// in every kind of build; writes before the start are found by intact().
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

namespace qwen::test {

template <class T>
class GuardedBuffer {
 public:
  // `count` elements; `slack` bytes lie between the last one and the forbidden page, so that the start can be
  // at any address that suits T.
  explicit GuardedBuffer(std::size_t count, std::size_t slack = 0) : count_(count) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t bytes = count * sizeof(T);
    body_ = (bytes + slack + kFront + page - 1) / page * page;
    mapped_ = body_ + page;
    void* address = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) throw std::runtime_error("cannot map test memory");
    base_ = static_cast<unsigned char*>(address);
    if (::mprotect(base_ + body_, page, PROT_NONE) != 0)
      throw std::runtime_error("cannot protect test memory");
    std::memset(base_, kFill, body_);
    data_ = reinterpret_cast<T*>(base_ + body_ - slack - bytes);
  }
  explicit GuardedBuffer(std::span<const T> values, std::size_t slack = 0)
      : GuardedBuffer(values.size(), slack) {
    if (!values.empty()) std::memcpy(static_cast<void*>(data_), values.data(), values.size() * sizeof(T));
  }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer() { ::munmap(base_, mapped_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, count_}; }

  // Fills all elements with a pattern that no kernel writes.
  void poison() { std::memset(static_cast<void*>(data_), kFill, count_ * sizeof(T)); }
  // True where element i still holds that pattern.
  bool untouched(std::size_t i) const {
    unsigned char pattern[sizeof(T)];
    std::memset(pattern, kFill, sizeof(T));
    return std::memcmp(static_cast<const void*>(data_ + i), pattern, sizeof(T)) == 0;
  }
  // True where the bytes before the first and behind the last element were left alone.
  bool intact() const {
    const auto* begin = reinterpret_cast<const unsigned char*>(data_);
    for (const unsigned char* p = base_; p < begin; ++p)
      if (*p != kFill) return false;
    for (const unsigned char* p = begin + count_ * sizeof(T); p < base_ + body_; ++p)
      if (*p != kFill) return false;
    return true;
  }

 private:
  static constexpr unsigned char kFill = 0xA7;  // as a float: -4.6e-15, as a double: -1.8e-118
  static constexpr std::size_t kFront = 128;

  std::size_t count_, body_ = 0, mapped_ = 0;
  unsigned char* base_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace qwen::test
