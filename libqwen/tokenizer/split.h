// Qwen2's pre-tokenizer: splits text into the "words" that BPE merges.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

namespace qwen::tokenizer {

// The compiled split pattern. Immutable, thread-safe.
class Splitter {
 public:
  // Without PCRE2's JIT compiler (jit = false, or not available) the results are the same.
  explicit Splitter(bool jit = true);
  ~Splitter();
  Splitter(const Splitter&) = delete;
  Splitter& operator=(const Splitter&) = delete;

  // Iterates over the pieces of one text. Every byte is in exactly one piece.
  class Cursor {
   public:
    // `valid` must be valid UTF-8 and outlive the cursor.
    Cursor(const Splitter& splitter, std::string_view valid);
    ~Cursor();
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    // The next piece; empty at the end.
    std::string_view next();

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct Pattern;
  std::unique_ptr<const Pattern> pattern_;
};

}  // namespace qwen::tokenizer
