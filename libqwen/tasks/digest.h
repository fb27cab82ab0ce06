// FNV-1a, 64 bits, over fields that are kept apart: names of files, what calibrations are bound to.
#pragma once
#include <cstdint>
#include <string_view>

namespace qwen::tasks {

class Digest {
 public:
  void add(std::string_view text) {
    add(text.size());
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
  }
  void add(std::uint64_t n) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<unsigned char>(n >> (8 * i)));
  }
  std::uint64_t value() const { return hash_; }

 private:
  void add_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 1099511628211u; }
  std::uint64_t hash_ = 14695981039346656037u;
};

}  // namespace qwen::tasks
