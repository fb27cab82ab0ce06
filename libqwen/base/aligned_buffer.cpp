#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "base/checked.h"

namespace qwen {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Buffers of at least this size are mapped: untouched pages cost nothing, and freed memory returns to the system.
// glibc's heap would fragment: it looks for an aligned block in holes that are larger than the block, so the hole
// of a freed block never fits another one of its size, and the memory of a server's KV pages would keep growing.
constexpr std::size_t kMapFrom = std::size_t{128} << 10;
// Buffers of at least this size get huge pages, which save TLB misses.
constexpr std::size_t kHugeFrom = std::size_t{1} << 20;

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  if (size < kMapFrom) {
    data_ = static_cast<std::byte*>(std::aligned_alloc(64, round_up(size, 64)));
    if (data_ == nullptr) fail(ErrorCode::out_of_memory, "out of memory: cannot allocate ", size, " bytes");
    std::memset(data_, 0, size);
    return;
  }
  // Over-map by one huge page and unmap the ends, so that the buffer starts on a huge-page boundary.
  const std::size_t boundary = size < kHugeFrom ? kPage : kHugePage;
  const std::size_t pages = checked_add(size, kPage - 1, "buffer") / kPage * kPage;
  const std::size_t rounded = checked_add(pages, boundary - kPage, "buffer");
  void* address = ::mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED)
    fail(ErrorCode::out_of_memory, "out of memory: cannot allocate ", size, " bytes");
  auto* base = static_cast<std::byte*>(address);
  const auto start = reinterpret_cast<std::uintptr_t>(base);
  const std::size_t front = round_up(start, boundary) - start;
  mapped_ = pages;
  if (front > 0) ::munmap(base, front);
  if (rounded - front - mapped_ > 0) ::munmap(base + front + mapped_, rounded - front - mapped_);
  data_ = base + front;
  if (boundary == kHugePage) ::madvise(data_, mapped_, MADV_HUGEPAGE);
}

AlignedBuffer::~AlignedBuffer() {
  if (mapped_ > 0) {
    ::munmap(data_, mapped_);
  } else {
    std::free(data_);
  }
}

}  // namespace qwen
