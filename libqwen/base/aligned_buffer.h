// Memory for weights, KV and activations: aligned to cache lines, on huge pages if it is large and the
// system has them.
#pragma once
#include <cstddef>
#include <span>
#include <utility>

namespace qwen {

// Owns `size` bytes, zeroed, aligned to 64 (large buffers: to 2 MiB). Throws out_of_memory if the
// system has no memory.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size);
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~AlignedBuffer();

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  template <class T>
  T* as(std::size_t byte_offset = 0) noexcept {
    return reinterpret_cast<T*>(data_ + byte_offset);
  }
  template <class T>
  const T* as(std::size_t byte_offset = 0) const noexcept {
    return reinterpret_cast<const T*>(data_ + byte_offset);
  }

 private:
  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
  }
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;  // bytes mapped; 0 if the memory is from the heap
};

}  // namespace qwen
