// Results on stdout and in files. A result that cannot be written is an error.
#pragma once
#include <cstdio>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

namespace tools {

using Json = nlohmann::ordered_json;

// Writes to stdout. Throws Error(io) if that fails.
void write_out(std::string_view text);
// write_out and flush_out: for streamed text.
void stream_out(std::string_view text);
void flush_out();
// One line of JSON, or several if `pretty`.
void write_json(const Json& json, bool pretty = false);

// float32 values as numbers with as many digits as they need, not those of a double.
Json json_numbers(std::span<const float> values);

// `text` with control characters and direction overrides as \xNN, for names from files: they could change what a
// terminal shows.
std::string printable(std::string_view text);
// The same, except for line breaks and tabs.
std::string printable_lines(std::string_view text);

// A whole file, or stdin for "-". Throws Error(io) with the file name.
std::string read_file(const std::string& path);
std::string read_stdin();

// A file that appears under its name only when it is complete. Devices, pipes and links are written in place.
// Throws Error(io) if the disk is full or the path cannot be written.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();  // removes the partial file unless commit() was called
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
