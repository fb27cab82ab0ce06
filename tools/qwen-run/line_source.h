// Lines of a file or of stdin, as they arrive.
#pragma once
#include <string>

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

  // False at the end. Without the line break.
  bool next(std::string& line);
  // Whether next() would have to wait for whoever writes the lines.
  bool would_wait();
  long number() const { return number_; }  // of the last line
  double fraction() const;                 // read of a file; 0 where its size is unknown

 private:
  bool fill();  // false at the end
  std::string path_, buffer_;
  tools::TextDecoder decoder_;
  std::size_t at_ = 0;
  int fd_ = -1;
  long number_ = 0;
  double size_ = 0, read_ = 0;
  bool ended_ = false;
};

}  // namespace qwen_run
