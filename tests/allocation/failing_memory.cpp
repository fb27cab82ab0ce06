#include "allocation/failing_memory.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace {

std::atomic<long> g_allocations{0};
std::atomic<long> g_first{0}, g_last{0};  // numbers of the calls that fail, 0 for none
std::atomic<bool> g_failed{false};

bool refused() noexcept {
  const long number = ++g_allocations;
  if (g_first.load(std::memory_order_relaxed) == 0 || number < g_first || number > g_last) return false;
  g_failed = true;
  errno = ENOMEM;
  return true;
}

}  // namespace

// The C library's own entry points behind ours; operator new and aligned_alloc come through here too.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
  return refused() ? nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  return refused() ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) noexcept {
  return refused() ? nullptr : __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return refused() ? nullptr : __libc_memalign(alignment, size);
}
void* mmap(void* address, std::size_t size, int protection, int flags, int file, off_t offset) noexcept {
  if (refused()) return MAP_FAILED;
  // The raw system call returns the address in an integer.
  return reinterpret_cast<void*>(::syscall(SYS_mmap, address, size, protection, flags, file, offset));
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) {
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static Create* const real = reinterpret_cast<Create*>(::dlsym(RTLD_NEXT, "pthread_create"));
  return refused() ? EAGAIN : real(thread, attributes, start, argument);
}
}

namespace qwen::test {

long allocations() noexcept {
  return g_allocations;
}

void fail_allocation(long n, long more) noexcept {
  if (n != 0) g_failed = false;
  g_first = 0;
  g_last = n == 0 ? 0 : g_allocations + n + more;
  g_first = n == 0 ? 0 : g_allocations + n;
}

bool allocation_failed() noexcept {
  return g_failed;
}

}  // namespace qwen::test
