#include "runtime/detokenizing_stream.h"

#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"

namespace qwen::runtime {

StopStringFilter::StopStringFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) fail(ErrorCode::invalid_argument, "a stop string is empty");
    if (!is_valid_utf8(stop))
      fail(ErrorCode::invalid_argument, "the stop string ", quoted(stop), " is not valid UTF-8");
  }
}

std::string StopStringFilter::push(std::string_view text) {
  if (matched_) return {};
  held_ += text;
  std::size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string& stop : stops_) {
    // The first occurrence is the one that is complete first.
    const std::size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    if (at + stop.size() < end || (at + stop.size() == end && at < begin)) begin = at, end = at + stop.size();
  }
  if (end != std::string::npos) {
    matched_ = true;
    held_.resize(begin);
    return std::move(held_);
  }
  // Hold the longest end of the text that begins a stop string. It starts with a stop string's first byte, so
  // never inside a character.
  std::size_t hold = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > hold; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) hold = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - hold);
  held_.erase(0, held_.size() - hold);
  return out;
}

std::string StopStringFilter::finish() {
  std::string out = std::move(held_);
  held_.clear();
  return out;
}

}  // namespace qwen::runtime
