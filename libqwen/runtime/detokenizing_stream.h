// Generated tokens as text: whole characters, without stop strings.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::runtime {

// Finds stop strings in a stream of text, however it is cut into pieces: the one that is complete first ends
// the stream, and of those that are complete at the same byte the one that began first. Text that may still
// become a stop string is held back.
class StopStringFilter {
 public:
  // Throws Error(invalid_argument) if a stop string is empty or not valid UTF-8.
  explicit StopStringFilter(std::vector<std::string> stops);

  // Adds text (whole characters) and returns the text that is final, whole characters again. Empty after a match.
  std::string push(std::string_view text);
  // Ends the stream and returns the text that was held back.
  std::string finish();
  bool matched() const noexcept { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;  // shorter than the longest stop string
  bool matched_ = false;
};

// Decodes tokens and watches for stop strings. One per answer; one thread at a time.
class DetokenizingStream {
 public:
  DetokenizingStream(Tokenizer tokenizer, std::vector<std::string> stops)
      : stream_(std::move(tokenizer)), matcher_(std::move(stops)) {}

  // The text that is final with this token: often empty, always whole characters.
  std::string push(Token token) { return matcher_.push(stream_.push(token)); }
  // The rest, if generation did not end with a stop string.
  std::string finish() {
    std::string text = matcher_.push(stream_.finish());
    return text += matcher_.finish();
  }
  bool stopped() const noexcept { return matcher_.matched(); }

 private:
  TextStream stream_;
  StopStringFilter matcher_;
};

}  // namespace qwen::runtime
