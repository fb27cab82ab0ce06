// The pieces of a SentencePiece model file. Only what GGUF's tokenizer keys need is read here; the model
// itself travels whole and is run by the SentencePiece library.
//
// The file is one protobuf message: field 1, repeated, is a piece (1: text, 2: score as float, 3: type).
#include <cstring>

#include "base/fail.h"
#include "file/byte_reader.h"
#include "file/hf_vocabulary.h"
#include "file/json_file.h"
#include "file/meta_value.h"

namespace qwen::file {
namespace {

constexpr std::uint32_t kPieceField = 1;

std::uint64_t read_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = in.number<std::uint8_t>("a number");
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  in.bad("not a SentencePiece model: a number longer than 64 bits");
}

struct Field {
  std::uint64_t number = 0;
  std::uint64_t wire = 0;           // 0: varint, 1: 8 bytes, 2: length and bytes, 5: 4 bytes
  std::uint64_t varint = 0;         // wire 0
  std::span<const std::byte> data;  // all others
};

Field read_field(ByteReader& in) {
  Field field;
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

struct Piece {
  std::string_view text;
  float score = 0;
  TokenType type = TokenType::normal;
};

Piece read_piece(std::span<const std::byte> bytes, const std::string& file) {
  ByteReader in(bytes, file);
  Piece piece;
  while (in.remaining() > 0) {
    const Field field = read_field(in);
    if (field.number == 1 && field.wire == 2) {
      piece.text = {reinterpret_cast<const char*>(field.data.data()), field.data.size()};
    } else if (field.number == 2 && field.wire == 5) {
      std::memcpy(&piece.score, field.data.data(), sizeof piece.score);
    } else if (field.number == 3 && field.wire == 0) {
      if (field.varint < 1 || field.varint > 6) in.bad("a piece of type ", field.varint, ", expected 1 to 6");
      piece.type = static_cast<TokenType>(field.varint);
    }
  }
  return piece;
}

}  // namespace

void read_sentencepiece(const std::string& path, Vocabulary& vocabulary, ModelFile& out) {
  const MappedFile& map = out.part(out.add_part(MappedFile(path)));
  ByteReader in(map.bytes(), path);
  std::vector<float> scores;
  while (in.remaining() > 0) {
    const Field field = read_field(in);
    if (field.number != kPieceField || field.wire != 2) continue;
    const Piece piece = read_piece(field.data, path);
    vocabulary.place(static_cast<std::int64_t>(scores.size()), piece.text, piece.type, path);
    scores.push_back(piece.score);
  }
  if (scores.empty()) fail(ErrorCode::bad_format, path, ": not a SentencePiece model: it has no pieces");
  scores.resize(static_cast<std::size_t>(vocabulary.size()), 0.0f);
  const auto bytes = std::as_bytes(std::span(scores));
  MetaValue value = meta_numbers<float>(MetaType::f32, scores);
  value.numbers = out.keep(std::vector<std::byte>(bytes.begin(), bytes.end()));
  out.add("tokenizer.ggml.model", meta_string("llama"));
  out.add("tokenizer.ggml.scores", std::move(value));
  out.add("qwen.sentencepiece.model", meta_numbers<std::byte>(MetaType::u8, map.bytes()));
}

}  // namespace qwen::file
