#include "tokenizer/token_index.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace qwen::tokenizer {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Folded 128-bit multiplications, eight bytes at a time; the last bytes are read overlapping.
std::uint64_t hash(std::string_view text) noexcept {
  constexpr std::uint64_t k0 = 0x9E3779B97F4A7C15u, k1 = 0xD1B54A32D192ED03u;
  const char* at = text.data();
  std::size_t n = text.size();
  std::uint64_t state = n * k1, word = 0;
  for (; n > 8; at += 8, n -= 8) {
    std::memcpy(&word, at, 8);
    state = mix(state ^ word, k0);
  }
  if (n >= 4) {
    std::uint32_t low, high;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + n - 4, 4);
    word = std::uint64_t{high} << 32 | low;
  } else if (n > 0) {
    const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(at[i])}; };
    word = byte(0) << 16 | byte(n / 2) << 8 | byte(n - 1);
  }
  return mix(state ^ word, k1);
}

}  // namespace

TokenIndex::TokenIndex(const std::vector<std::string_view>& texts)
    : texts_(texts),
      slots_(std::bit_ceil(std::max<std::size_t>(texts.size() + texts.size() / 2, 16))),
      mask_(slots_.size() - 1) {}

void TokenIndex::add(Token token) noexcept {
  const std::string_view text = texts_[static_cast<std::size_t>(token)];
  const std::uint64_t h = hash(text);
  const auto check = static_cast<std::uint32_t>(h >> 32);
  for (std::size_t i = h & mask_;; i = (i + 1) & mask_) {
    if (slots_[i].token < 0) {
      slots_[i] = {check, token};
      return;
    }
    if (slots_[i].check == check && texts_[static_cast<std::size_t>(slots_[i].token)] == text) return;
  }
}

Token TokenIndex::find(std::string_view text) const noexcept {
  const std::uint64_t h = hash(text);
  const auto check = static_cast<std::uint32_t>(h >> 32);
  for (std::size_t i = h & mask_;; i = (i + 1) & mask_) {
    if (slots_[i].token < 0) return -1;
    if (slots_[i].check == check && texts_[static_cast<std::size_t>(slots_[i].token)] == text)
      return slots_[i].token;
  }
}

}  // namespace qwen::tokenizer
