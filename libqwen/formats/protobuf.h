// The part of the protobuf wire format that SentencePiece models use.
#pragma once
#include "formats/byte_reader.h"

namespace qwen::formats {

inline std::uint64_t read_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = in.number<std::uint8_t>("a number");
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  in.bad("not a SentencePiece model: a number longer than 64 bits");
}

struct ProtobufField {
  std::uint64_t number = 0;
  std::uint64_t wire = 0;           // 0: varint, 1: 8 bytes, 2: length and bytes, 5: 4 bytes
  std::uint64_t varint = 0;         // wire 0
  std::span<const std::byte> data;  // all others
};

inline ProtobufField read_field(ByteReader& in) {
  ProtobufField field;
  const std::uint64_t tag = read_varint(in);
  field.number = tag >> 3;
  field.wire = tag & 7;
  switch (field.wire) {
    case 0: field.varint = read_varint(in); break;
    case 1: field.data = in.take(8, "a field"); break;
    case 2: field.data = in.take(read_varint(in), 1, "a field"); break;
    case 5: field.data = in.take(4, "a field"); break;
    default: in.bad("not a SentencePiece model: wire type ", field.wire);
  }
  return field;
}

}  // namespace qwen::formats
