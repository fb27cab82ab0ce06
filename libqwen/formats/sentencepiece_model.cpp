// The pieces of a SentencePiece model file, for GGUF's tokenizer keys. The whole file is passed on as
// qwen.sentencepiece.model, for the SentencePiece library.
//
// The file is one protobuf message: field 1, repeated, is a piece (1: text, 2: score as float, 3: type).
#include <cstring>

#include "base/fail.h"
#include "formats/hf_vocabulary.h"
#include "formats/json_reader.h"
#include "formats/model_file.h"
#include "formats/protobuf.h"

namespace qwen::formats {
namespace {

constexpr std::uint32_t kPieceField = 1;

struct Piece {
  std::string_view text;
  float score = 0;
  TokenType type = TokenType::normal;
};

Piece read_piece(std::span<const std::byte> bytes, const std::string& file) {
  ByteReader in(bytes, file);
  Piece piece;
  while (in.remaining() > 0) {
    const ProtobufField field = read_field(in);
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
  const MappedFile& map = out.shard(out.add_shard(MappedFile(path)));
  refuse_lfs_pointer(text_of(map), path);
  ByteReader in(map.bytes(), path);
  std::vector<float> scores;
  while (in.remaining() > 0) {
    const ProtobufField field = read_field(in);
    if (field.number != kPieceField || field.wire != 2) continue;
    const Piece piece = read_piece(field.data, path);
    vocabulary.place(static_cast<std::int64_t>(scores.size()), piece.text, piece.type, path);
    scores.push_back(piece.score);
  }
  if (scores.empty()) fail(ErrorCode::bad_format, path, ": not a SentencePiece model: it has no pieces");
  scores.resize(static_cast<std::size_t>(vocabulary.size()), 0.0f);
  const auto bytes = std::as_bytes(std::span(scores));
  MetaValue value = meta_numbers<float>(MetaType::f32, scores);
  value.numbers = out.own(std::vector<std::byte>(bytes.begin(), bytes.end()));
  out.add("tokenizer.ggml.model", meta_string("llama"));
  out.add("tokenizer.ggml.scores", std::move(value));
  out.add("qwen.sentencepiece.model", meta_numbers<std::byte>(MetaType::u8, map.bytes()));
}

}  // namespace qwen::formats
