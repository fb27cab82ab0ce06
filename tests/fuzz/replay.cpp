// Runs a fuzz target without a fuzzer: each file of a corpus whole, cut at each byte, with each byte changed,
// and with seeded random mutations. The same inputs in every run. A crash saves the input as crash-input.bin
// in the current folder; memory is limited, so that an input that makes the target ask for a lot is a crash
// too.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kExhaustiveBytes = 4096;  // of a file that are cut and changed one by one
constexpr int kMutations = 1500;                // of each file
constexpr rlim_t kMaxMemory = rlim_t{4} << 30;

const Bytes* g_input = nullptr;  // what the signal handler saves

void save_input(int signal) {
  if (g_input != nullptr) {
    const int fd = ::open("crash-input.bin", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0 && ::write(fd, g_input->data(), g_input->size()) >= 0) {
      static constexpr char kMessage[] = "the input is in crash-input.bin\n";
      if (::write(2, kMessage, sizeof kMessage - 1) < 0) ::_exit(1);
    }
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Bytes& input) {
  g_input = &input;
  // A block of its own of exactly this size, so that a sanitiser sees reads beyond its end.
  const Bytes copy(input.begin(), input.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

void mutate(Bytes& bytes, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
  static constexpr std::uint64_t kNumbers[] = {0,
                                               1,
                                               0x7f,
                                               0x80,
                                               0xff,
                                               256,
                                               0x7fffffff,
                                               0x80000000,
                                               0xffffffff,
                                               0x7fffffffffffffff,
                                               ~std::uint64_t{0},
                                               std::uint64_t{1} << 63};
  if (bytes.empty()) bytes.push_back(0);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::size_t at = below(bytes.size());
  const auto where = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (below(7)) {
    case 0: bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << below(8))); break;
    case 1: bytes[at] = static_cast<std::uint8_t>(random()); break;
    case 2:
      bytes.erase(where, where + static_cast<std::ptrdiff_t>(std::min(bytes.size() - at, below(16) + 1)));
      break;
    case 3: bytes.insert(where, below(16) + 1, static_cast<std::uint8_t>(random())); break;
    case 4: {
      const std::uint64_t number = kNumbers[below(std::size(kNumbers))];
      std::memcpy(bytes.data() + at, &number,
                  std::min<std::size_t>(bytes.size() - at, below(2) == 0 ? 4 : 8));
      break;
    }
    case 5: {  // a piece of another input
      const Bytes& other = corpus[below(corpus.size())];
      if (other.empty()) break;
      const std::size_t from = below(other.size()), n = std::min(other.size() - from, below(64) + 1);
      const auto begin = other.begin() + static_cast<std::ptrdiff_t>(from);
      bytes.insert(where, begin, begin + static_cast<std::ptrdiff_t>(n));
      break;
    }
    default: {  // the same piece again
      const std::size_t n = std::min(bytes.size() - at, below(64) + 1);
      const Bytes piece(where, where + static_cast<std::ptrdiff_t>(n));
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size())), piece.begin(),
                   piece.end());
    }
  }
}

long run_all(const Bytes& whole, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
  long runs = 1;
  run(whole);
  const std::size_t n = std::min(whole.size(), kExhaustiveBytes);
  for (std::size_t i = 0; i < n; ++i) {
    run(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(i)));
    Bytes changed = whole;
    changed[i] = static_cast<std::uint8_t>(changed[i] ^ (i % 2 == 0 ? 0xffu : 0x01u));
    run(changed);
    runs += 2;
  }
  for (int i = 0; i < kMutations; ++i, ++runs) {
    Bytes changed = whole;
    for (auto edits = random() % 4 + 1; edits > 0; --edits) mutate(changed, corpus, random);
    run(changed);
  }
  return runs;
}

void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // they reserve address space beyond any limit
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, kMaxMemory);
  setrlimit(RLIMIT_AS, &limit);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> corpus;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no inputs\n", argv[1]);
    return 1;
  }
  limit_memory();
  std::signal(SIGSEGV, save_input);
  std::signal(SIGABRT, save_input);
  std::mt19937_64 random(1);
  long runs = 0;
  for (const Bytes& whole : corpus) runs += run_all(whole, corpus, random);
  std::printf("%ld inputs from %zu files\n", runs, corpus.size());
  return 0;
}
