// Finds the id of a token by its text while a vocabulary is loaded.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::tokenizer {

// Open addressing over texts that the caller keeps: nothing is copied. Of equal texts the first counts.
class TokenIndex {
 public:
  explicit TokenIndex(const std::vector<std::string_view>& texts);
  void add(Token token) noexcept;
  // -1 where there is none.
  Token find(std::string_view text) const noexcept;

 private:
  struct Slot {
    std::uint32_t check = 0;  // the hash's other half: most unequal texts are told apart without being read
    Token token = -1;
  };
  const std::vector<std::string_view>& texts_;
  std::vector<Slot> slots_;  // a power of two, at least a third of them empty
  std::size_t mask_;
};

}  // namespace qwen::tokenizer
