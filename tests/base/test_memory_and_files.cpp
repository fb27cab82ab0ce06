// Aligned memory, mapped files, files that appear whole or not at all.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/aligned_buffer.h"
#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "support/model_cases.h"

using namespace qwen;
using test::check_error;
using test::TestFolder;

namespace {

// Files may not grow beyond this many bytes while it lives: as on a full disk, writing fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    signal_ = std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit before_{};
  void (*signal_)(int) = nullptr;
};

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("aligned buffers are aligned and zero", "[base]") {
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{4097}, (std::size_t{1} << 20) - 1,
        std::size_t{1} << 20, (std::size_t{5} << 20) + 17}) {
    AlignedBuffer buffer(size);
    CHECK(buffer.size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % (size >= (1u << 20) ? 2u << 20 : 64u) == 0);
    bool zero = true;
    for (std::size_t i = 0; i < size; ++i) zero = zero && buffer.data()[i] == std::byte{0};
    CHECK(zero);
    buffer.data()[size - 1] = std::byte{7};
    AlignedBuffer moved = std::move(buffer);
    CHECK(moved.data()[size - 1] == std::byte{7});
    AlignedBuffer assigned(3);
    assigned = std::move(moved);
    CHECK(assigned.size() == size);
    CHECK(assigned.data()[size - 1] == std::byte{7});
  }
  CHECK(AlignedBuffer().data() == nullptr);
  CHECK(AlignedBuffer(0).size() == 0);
  check_error(ErrorCode::out_of_memory, "cannot allocate 1152921504606846976 bytes",
              [] { AlignedBuffer buffer(std::size_t{1} << 60); });
  CHECK_THROWS_AS(AlignedBuffer(std::numeric_limits<std::size_t>::max() - 100), Error);
}

TEST_CASE("what is freed between pages that are kept goes back to the system", "[base]") {
  constexpr std::size_t kSize = std::size_t{256} << 10, kCount = 256;  // as KV pages of a small model
  const auto resident = [] {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  };
  {
    const std::vector<std::byte> block(2 * kSize);
  }  // glibc maps blocks of this size until it has seen one freed
  std::vector<AlignedBuffer> buffers;
  for (std::size_t i = 0; i < kCount; ++i) {
    buffers.emplace_back(kSize);
    std::memset(buffers.back().data(), 1, kSize);
  }
  const std::size_t full = resident();
  for (std::size_t i = 0; i < kCount; i += 2) buffers[i] = AlignedBuffer();
  CHECK(resident() + kSize * kCount / 2 <= full + (std::size_t{4} << 20));
}

TEST_CASE("mapped files", "[base]") {
  const TestFolder folder("mapped");
  folder.write("a", "hello");
  MappedFile file(folder / "a");
  CHECK(text_of(file.bytes()) == "hello");
  CHECK(file.path() == folder / "a");
  CHECK_FALSE(file.changed());
  MappedFile moved = std::move(file);
  CHECK(text_of(moved.bytes()) == "hello");
  moved.release(moved.bytes());
  moved.prefetch(moved.bytes());
  CHECK(text_of(moved.bytes()) == "hello");

  folder.write("empty", std::string_view());
  CHECK(MappedFile(folder / "empty").bytes().empty());
  CHECK(MappedFile().bytes().empty());
  check_error(ErrorCode::not_found, "missing", [&] { MappedFile(folder / "missing"); });
  check_error(ErrorCode::io, "it is a directory", [&] { MappedFile(folder.path()); });
  check_error(ErrorCode::io, "not a regular file", [&] { MappedFile("/dev/null"); });
  folder.write("a", "hello, longer");
  CHECK(moved.changed());
}

TEST_CASE("a mapped file that is replaced or removed is none that changed: its bytes are still there",
          "[base]") {
  const TestFolder folder("replaced");
  folder.write("a", "hello");
  folder.write("b", "other, longer");
  const MappedFile file(folder / "a");
  std::filesystem::rename(folder / "b", folder / "a");
  CHECK_FALSE(file.changed());
  CHECK(text_of(file.bytes()) == "hello");
  folder.remove("a");
  CHECK_FALSE(file.changed());
  CHECK(text_of(file.bytes()) == "hello");
}

TEST_CASE("released pages of a mapped file are read again", "[base]") {
  const TestFolder folder("release");
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i);
  folder.write("a", text);
  const MappedFile file(folder / "a");
  for (const auto& [from, count] :
       {std::pair<std::size_t, std::size_t>{0, text.size()}, {1, 5}, {4095, 4099}, {4096, 8192}}) {
    file.release(file.bytes().subspan(from, count));
    CHECK(text_of(file.bytes()) == text);
  }
}

TEST_CASE("an atomic file appears whole", "[base]") {
  const TestFolder folder("atomic");
  folder.write("a", "before");
  {
    AtomicFile file(folder / "a");
    file.write("new ", 4);
    CHECK(folder.read("a") == "before");
    file.write("content", 7);
    file.commit();
  }
  CHECK(folder.read("a") == "new content");
  CHECK(folder.files() == std::vector<std::string>{"a"});
  {
    AtomicFile first(folder / "a"), second(folder / "a");  // both at once: the later commit stays
    first.write("1", 1);
    second.write("2", 1);
    second.commit();
    first.commit();
  }
  CHECK(folder.read("a") == "1");
  {
    AtomicFile file(folder / "b");
    file.write("never finished", 14);
  }
  CHECK(folder.files() == std::vector<std::string>{"a"});
  check_error(ErrorCode::io, "no-folder/c", [&] { AtomicFile file(folder / "no-folder/c"); });
}

TEST_CASE("a process that is killed leaves no piece of a file", "[base]") {
  const TestFolder folder("killed");
  const int unnamed = ::open((folder / "").c_str(), O_WRONLY | O_TMPFILE, 0600);
  if (unnamed < 0) {
    WARN("skipped: the file system of the test folder has no files without a name");
    return;
  }
  ::close(unnamed);
  AtomicFile file(folder / "a");
  file.write("half", 4);
  CHECK(folder.files().empty());  // so there is nothing that could stay
  file.commit();
  CHECK(folder.files() == std::vector<std::string>{"a"});
  struct stat status {};
  REQUIRE(::stat((folder / "a").c_str(), &status) == 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((status.st_mode & 0777) == (0666 & ~mask));
}

TEST_CASE("a full disk leaves the old file and nothing else", "[base]") {
  const TestFolder folder("full");
  folder.write("a", "before");
  {
    const FileSizeLimit limit(10000);
    const std::vector<std::byte> block(4096);
    AtomicFile file(folder / "a");
    file.write(block);
    file.write(block);
    check_error(ErrorCode::io, "cannot write " + (folder / "a"), [&] { file.write(block); });
  }
  CHECK(folder.read("a") == "before");
  CHECK(folder.files() == std::vector<std::string>{"a"});
}

TEST_CASE("FNV-1a", "[base]") {
  // Published test vectors of the 64-bit hash.
  CHECK(fnv1a("", 0) == 0xcbf29ce484222325u);
  CHECK(fnv1a("a", 1) == 0xaf63dc4c8601ec8cu);
  CHECK(fnv1a("foobar", 6) == 0x85944171f73967e8u);
  CHECK(fnv1a("bar", 3, fnv1a("foo", 3)) == fnv1a("foobar", 6));
}
