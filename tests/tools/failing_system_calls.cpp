// Preloaded into qwen-serve by test_serve_faults.py: makes accept4() and pthread_create() fail as a system under
// pressure would. FAIL_ACCEPT="103,100": these errors, one after the other, before each successful call.
// FAIL_THREADS=N: pthread_create() fails once N threads were started; the file FAIL_THREADS_OFF ends that.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::vector<int> accept_errors() {
  std::vector<int> errors;
  const char* list = std::getenv("FAIL_ACCEPT");
  std::istringstream text(list ? list : "");
  for (std::string item; std::getline(text, item, ',');) errors.push_back(std::atoi(item.c_str()));
  return errors;
}

}  // namespace

extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static const auto real =
      reinterpret_cast<int (*)(int, sockaddr*, socklen_t*, int)>(dlsym(RTLD_NEXT, "accept4"));
  static const std::vector<int> errors = accept_errors();
  static std::atomic<unsigned> next{0};
  if (const unsigned i = next; i < errors.size()) {
    ++next;
    errno = errors[i];
    return -1;
  }
  const int found = real(fd, address, size, flags);
  if (found >= 0) next = 0;
  return found;
}

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                              void* argument) noexcept {
  static const auto real =
      reinterpret_cast<int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>(
          dlsym(RTLD_NEXT, "pthread_create"));
  static std::atomic<int> left{std::getenv("FAIL_THREADS") ? std::atoi(std::getenv("FAIL_THREADS"))
                                                           : 1 << 30};
  const char* off = std::getenv("FAIL_THREADS_OFF");
  if (left <= 0 && !(off && access(off, F_OK) == 0)) return EAGAIN;
  --left;
  return real(thread, attributes, start, argument);
}
