// Qwen2's split of a text into the pieces ("words") that BPE works on.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

namespace qwen::tokenizer {

// The compiled split pattern. Immutable, thread-safe.
class Splitter {
 public:
  // `jit` false leaves out PCRE2's JIT compiler: for tests, and what happens by itself where it is not
  // available.
  explicit Splitter(bool jit = true);
  ~Splitter();
  Splitter(const Splitter&) = delete;
  Splitter& operator=(const Splitter&) = delete;

  // Walks through one text. Every byte of it belongs to exactly one piece.
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
