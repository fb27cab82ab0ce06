#include "common/output.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "qwen/error.h"

namespace tools {
namespace {

[[noreturn]] void fail_io(const std::string& what, int reason) {
  throw qwen::Error(qwen::ErrorCode::io, what + ": " + std::strerror(reason));
}

std::string read_all(std::FILE* file, const std::string& name) {
  std::string text;
  char buffer[1 << 16];
  std::size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, file)) > 0) text.append(buffer, n);
  if (std::ferror(file)) fail_io("cannot read " + name, errno);
  return text;
}

}  // namespace

namespace {

// Blocks SIGINT during a write: an interrupted write would count as a failed one.
class HoldInterrupt {
 public:
  HoldInterrupt() {
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &interrupt, &before_);
  }
  ~HoldInterrupt() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HoldInterrupt(const HoldInterrupt&) = delete;
  HoldInterrupt& operator=(const HoldInterrupt&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

void write_out(std::string_view text) {
  const HoldInterrupt hold;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    fail_io("cannot write to standard output", errno);
}

void flush_out() {
  const HoldInterrupt hold;
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) fail_io("cannot write to standard output", errno);
}

void stream_out(std::string_view text) {
  write_out(text);
  flush_out();
}

void write_json(const Json& json, bool pretty) {
  // File names may hold invalid UTF-8.
  write_out(json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace) + "\n");
}

Json json_numbers(std::span<const float> values) {
  Json list = Json::array();
  for (const float value : values) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    double shortest = 0;
    std::from_chars(digits, end, shortest);
    list.push_back(shortest);
  }
  return list;
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t at) {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    };
    std::size_t escaped = byte(i) < 0x20 || byte(i) == 0x7F ? 1 : 0;
    if (byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0) escaped = 2;  // U+0080 to U+009F
    if (byte(i) == 0xE2 && ((byte(i + 1) == 0x80 && byte(i + 2) >= 0xAA && byte(i + 2) <= 0xAE) ||
                            (byte(i + 1) == 0x81 && byte(i + 2) >= 0xA6 && byte(i + 2) <= 0xA9)))
      escaped = 3;  // U+202A to U+202E, U+2066 to U+2069
    if (escaped == 0) out += text[i];
    for (std::size_t k = 0; k < escaped; ++k) {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02X", byte(i + k));
      out += code;
    }
    i += escaped > 1 ? escaped - 1 : 0;
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find_first_of("\n\t", begin), text.size());
    out += printable(text.substr(begin, end - begin));
    if (end < text.size()) out += text[end];
    begin = end + 1;
  }
  return out;
}

std::string read_stdin() {
  return read_all(stdin, "standard input");
}

std::string read_file(const std::string& path) {
  if (path == "-") return read_stdin();
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) fail_io("cannot read " + path, errno);
  std::string text;
  try {
    text = read_all(file, path);  // opening a directory succeeds, reading it fails
  } catch (...) {
    std::fclose(file);
    throw;
  }
  std::fclose(file);
  return text;
}

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  struct stat status;
  const bool in_place = lstat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  if (!in_place) partial_ = path_ + ".part" + std::to_string(getpid());
  file_ = std::fopen((in_place ? path_ : partial_).c_str(), "wb");
  if (!file_) fail_io("cannot write " + path_, errno);
}

OutputFile::~OutputFile() {
  if (!file_) return;
  std::fclose(file_);
  if (!partial_.empty()) std::remove(partial_.c_str());
}

void OutputFile::fail_write(const char* what) {
  fail_io(std::string(what) + " " + path_, errno);
}

void OutputFile::write(const void* data, std::size_t size) {
  if (std::fwrite(data, 1, size, file_) != size) fail_write("cannot write");
}

void OutputFile::commit() {
  if (std::fflush(file_) != 0) fail_write("cannot write");
  if (!partial_.empty()) {
    if (fsync(fileno(file_)) != 0) fail_write("cannot write");
    if (std::rename(partial_.c_str(), path_.c_str()) != 0) fail_write("cannot replace");
  }
  std::fclose(file_);
  file_ = nullptr;
}

}  // namespace tools
