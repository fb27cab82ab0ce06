// GGUF files put together byte by byte, right or deliberately wrong.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/aligned_buffer.h"
#include "formats/model_file.h"

namespace qwen::test {

class GgufBytes {
 public:
  template <class T>
  GgufBytes& put(T value) {
    bytes_.resize(bytes_.size() + sizeof(T));
    std::memcpy(bytes_.data() + bytes_.size() - sizeof(T), &value, sizeof(T));
    return *this;
  }
  GgufBytes& raw(std::string_view text) {
    for (char c : text) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  GgufBytes& text(std::string_view s) { return put<std::uint64_t>(s.size()).raw(s); }
  GgufBytes& header(std::uint64_t tensors, std::uint64_t pairs, std::uint32_t version = 3) {
    return raw("GGUF").put(version).put(tensors).put(pairs);
  }
  GgufBytes& key(std::string_view name, std::uint32_t type) { return text(name).put(type); }
  GgufBytes& u32(std::string_view name, std::uint32_t value) { return key(name, 4).put(value); }
  GgufBytes& string(std::string_view name, std::string_view value) { return key(name, 8).text(value); }
  // Dimensions in GGUF's order: the fastest first.
  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& dims, std::uint32_t type,
                    std::uint64_t offset) {
    text(name).put(static_cast<std::uint32_t>(dims.size()));
    for (auto d : dims) put(d);
    return put(type).put(offset);
  }
  GgufBytes& pad(std::size_t alignment = 32) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
    return *this;
  }
  GgufBytes& fill(std::size_t n, unsigned value = 0) {
    bytes_.insert(bytes_.end(), n, static_cast<std::byte>(value));
    return *this;
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// A file that has every kind of metadata and two tensors: 3 x 32 in Q8_0 and 4 in F32.
inline std::vector<std::byte> small_gguf() {
  GgufBytes b;
  b.header(2, 14);
  b.string("general.architecture", "qwen2");
  b.key("a.u8", 0).put<std::uint8_t>(200);
  b.key("a.i8", 1).put<std::int8_t>(-7);
  b.key("a.u16", 2).put<std::uint16_t>(60000);
  b.key("a.i16", 3).put<std::int16_t>(-30000);
  b.u32("a.u32", 4000000000u);
  b.key("a.i32", 5).put<std::int32_t>(-5);
  b.key("a.f32", 6).put(1.5f);
  b.key("a.bool", 7).put<std::uint8_t>(1);
  b.key("a.u64", 10).put<std::uint64_t>(~std::uint64_t{0});
  b.key("a.i64", 11).put<std::int64_t>(-5000000000);
  b.key("a.f64", 12).put(2.25);
  b.key("a.words", 9).put<std::uint32_t>(8).put<std::uint64_t>(3).text("one").text("").text("\xE4\xB8\x89");
  b.key("a.numbers", 9)
      .put<std::uint32_t>(5)
      .put<std::uint64_t>(2)
      .put<std::int32_t>(-1)
      .put<std::int32_t>(9);
  b.tensor("m.weight", {32, 3}, 8, 0).tensor("v.weight", {4}, 0, 128).pad();
  b.fill(102, 3).fill(26).put(1.0f).put(2.0f).put(3.0f).put(4.0f);
  return b.bytes();
}

// Opens bytes as if they were compiled into the program; `storage` must outlive the result.
inline std::shared_ptr<const formats::ModelFile> open_bytes(const std::vector<std::byte>& bytes,
                                                            AlignedBuffer& storage) {
  storage = AlignedBuffer(bytes.size());
  if (!bytes.empty()) std::memcpy(storage.data(), bytes.data(), bytes.size());
  return formats::open_gguf_memory({storage.data(), bytes.size()}, "test.gguf");
}

}  // namespace qwen::test
