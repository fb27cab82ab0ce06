// Results on stdout and in files, results that could not be written being errors.
#pragma once
#include <cstdio>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace tools {

using Json = nlohmann::ordered_json;

// Writes to stdout. Error(io) where it cannot be written.
void write_out(std::string_view text);
// The same, and out of the buffer at once: for text that is streamed.
void stream_out(std::string_view text);
void flush_out();
// One line of JSON; `pretty` spreads it over several lines for people.
void write_json(const Json& json, bool pretty = false);

// `text` with control characters and direction overrides as \xNN, for names from files: they could change what a
// terminal shows.
std::string printable(std::string_view text);

// The whole of a file, or of stdin for "-". Errors name the file.
std::string read_file(const std::string& path);
std::string read_stdin();

// A file that appears under its name only when it is complete; a device, a pipe or a link is written as it
// stands. Error(io) where the disk is full or the place cannot be written.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();  // without commit() nothing stays
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail_write(const char* what);
  std::string path_, partial_;
  std::FILE* file_ = nullptr;
};

}  // namespace tools
