// Lines of a file or of stdin, as they arrive.
#pragma once
#include <string>
#include <string_view>

#include "common/encoding.h"

namespace qwen_run {

class LineSource {
 public:
  // "-" is stdin. Lines are UTF-8, converted from `encoding`.
  // Throws io, naming the file, if it cannot be read; next() throws bad_format if it has another encoding.
  explicit LineSource(const std::string& path, tools::Encoding encoding = tools::Encoding::utf8);
  ~LineSource();
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  // Reads a line without its line break. Returns false at the end. Throws bad_format if a line is longer than 64 MiB.
  bool next(std::string& line);
  // The same with its line break, LF or CR LF; the last line of a file may lack one.
  bool next_raw(std::string& line);
  // The beginning of the rest: `size` bytes, or less at the end. Waits for them. Valid until the next call.
  std::string_view peek(std::size_t size);
  // Whether next() would block.
  bool would_wait();
  long number() const { return number_; }  // of the last line
  const std::string& name() const { return path_; }
  double fraction() const;  // of the file that is read; 0 if its size is unknown

 private:
  bool fill();  // false at the end
  std::string path_, buffer_;
  tools::TextDecoder decoder_;
  std::size_t at_ = 0;
  int fd_ = -1;
  long number_ = 0;
  double size_ = 0, read_ = 0;  // bytes of the file
  double decoded_ = 0;          // bytes of UTF-8
  bool ended_ = false;
};

}  // namespace qwen_run
