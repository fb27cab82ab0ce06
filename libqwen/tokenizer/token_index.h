// Token ids by text, used while a vocabulary is loaded.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "qwen/tokenizer.h"

namespace qwen::tokenizer {

// A hash table with open addressing over texts that must outlive it. The first of equal texts counts.
class TokenIndex {
 public:
  explicit TokenIndex(const std::vector<std::string_view>& texts);
  void add(Token token) noexcept;
  // -1 if there is no such token.
  Token find(std::string_view text) const noexcept;

 private:
  struct Slot {
    std::uint32_t check = 0;  // upper half of the hash: most unequal texts are rejected without reading them
    Token token = -1;
  };
  const std::vector<std::string_view>& texts_;
  std::vector<Slot> slots_;  // a power of two, at least a third of them empty
  std::size_t mask_;
};

}  // namespace qwen::tokenizer
