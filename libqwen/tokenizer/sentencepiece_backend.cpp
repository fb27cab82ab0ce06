#include "tokenizer/tokenizer_backend.h"

#include <sentencepiece_processor.h>

#include <bit>
#include <charconv>

#include "base/fail.h"
#include "formats/protobuf.h"
#include "tokenizer/normalize.h"

namespace qwen::tokenizer {
namespace {

constexpr std::string_view kScores = "tokenizer.ggml.scores", kModel = "qwen.sentencepiece.model";
constexpr std::string_view kSpace = "\xE2\x96\x81";             // U+2581: a space within a piece
constexpr std::string_view kUnknownSurface = " \xE2\x81\x87 ";  // how the library spells the unknown piece

// Fields of sentencepiece_model.proto.
namespace model_field {
constexpr int piece = 1, trainer = 2, normalizer = 3, denormalizer = 5;
}
namespace piece_field {
constexpr int text = 1, score = 2, type = 3;
}
namespace trainer_field {
constexpr int model_type = 3, byte_fallback = 35;
constexpr std::uint64_t kBpe = 2;
}  // namespace trainer_field
namespace normalizer_field {
constexpr int name = 1, add_dummy_prefix = 3, remove_extra_whitespaces = 4;
}

// Builds a protobuf message.
class Message {
 public:
  Message& number(int field, std::uint64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(value);
    return *this;
  }
  Message& text(int field, std::string_view value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& real(int field, float value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int i = 0; i < 4; ++i) bytes_ += static_cast<char>(bits >> (8 * i) & 0xFF);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// "<0x0A>" -> 10.
std::optional<char> byte_of_piece(std::string_view text) {
  unsigned byte = 0;
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, byte, 16);
  if (error != std::errc() || end != text.data() + 5) return std::nullopt;
  return static_cast<char>(byte);
}

std::string with_spaces(std::string_view piece) {
  std::string text;
  for (std::size_t at; (at = piece.find(kSpace)) != std::string_view::npos;
       piece.remove_prefix(at + kSpace.size()))
    text.append(piece.substr(0, at)) += ' ';
  return text.append(piece);
}

struct Piece {
  std::string_view text;
  float score;
  TokenType type;
};

std::vector<Piece> read_pieces(const formats::ModelFile& file) {
  const std::vector<std::string_view>* tokens = file.strings(kTokens);
  if (tokens == nullptr || tokens->empty())
    fail(ErrorCode::not_found, file.path(), ": ", kTokens, " is missing");
  const std::vector<float> scores = file.floats(kScores);
  const std::vector<std::int32_t> types = file.integers(kTypes);
  for (const auto& [key, size] : {std::pair(kScores, scores.size()), std::pair(kTypes, types.size())})
    if (size != tokens->size())
      fail(ErrorCode::bad_format, file.path(), ": ", key, ": expected ", tokens->size(), " entries as in ",
           kTokens, ", found ", size);
  std::vector<Piece> pieces;
  pieces.reserve(tokens->size());
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::string_view text = (*tokens)[i];
    auto type = token_type(file, i, types[i]);
    if (type == TokenType::user_defined && looks_like_control(text)) type = TokenType::control;
    if (type == TokenType::byte && !byte_of_piece(text))
      fail(ErrorCode::bad_format, file.path(), ": ", kTokens, "[", i,
           "]: expected a byte as \"<0x0A>\", found ", quoted(text));
    pieces.push_back({text, scores[i], type});
  }
  return pieces;
}

// Padding rows of the embedding.
bool is_padding(const Piece& piece) {
  return piece.type == TokenType::unused && piece.text.starts_with("[PAD");
}

// The model in the format of the SentencePiece library.
std::string serialize(const formats::ModelFile& file, const std::vector<Piece>& pieces) {
  Message model;
  bool byte_fallback = false;
  for (const Piece& piece : pieces) {
    byte_fallback |= piece.type == TokenType::byte;
    Message message;
    if (piece.type == TokenType::control || is_padding(piece)) {
      // Renamed to bytes that no text contains: the library would match the text of a control piece.
      message.text(piece_field::text, cat("\xFF", &piece - pieces.data())).real(piece_field::score, 0);
      message.number(piece_field::type, static_cast<std::uint64_t>(TokenType::control));
    } else {
      message.text(piece_field::text, piece.text).real(piece_field::score, piece.score);
      message.number(piece_field::type, static_cast<std::uint64_t>(piece.type));
    }
    model.text(model_field::piece, message.bytes());
  }
  if (const formats::MetaValue* whole = file.find(kModel)) {
    formats::ByteReader in(whole->numbers, file.path());
    while (in.remaining() > 0) {
      const formats::ProtobufField field = formats::read_field(in);
      if (field.wire == 2 &&
          (field.number == model_field::trainer || field.number == model_field::normalizer ||
           field.number == model_field::denormalizer))
        model.text(static_cast<int>(field.number),
                   {reinterpret_cast<const char*>(field.data.data()), field.data.size()});
    }
    return model.bytes();
  }
  Message trainer, normalizer;
  trainer.number(trainer_field::model_type, trainer_field::kBpe);
  trainer.number(trainer_field::byte_fallback, byte_fallback);
  const auto flag = [&](std::string_view key, bool fallback) {
    return std::uint64_t{file.optional_boolean(key).value_or(fallback)};
  };
  normalizer.text(normalizer_field::name, "identity");
  normalizer.number(normalizer_field::add_dummy_prefix, flag("tokenizer.ggml.add_space_prefix", true));
  normalizer.number(normalizer_field::remove_extra_whitespaces,
                    flag("tokenizer.ggml.remove_extra_whitespaces", false));
  model.text(model_field::trainer, trainer.bytes()).text(model_field::normalizer, normalizer.bytes());
  return model.bytes();
}

Vocabulary make_vocabulary(const formats::ModelFile& file, const std::vector<Piece>& pieces) {
  Vocabulary vocabulary;
  std::string text;
  for (const Piece& piece : pieces) {
    text = piece.text;
    TokenType type = piece.type;
    switch (type) {
      case TokenType::byte: text = *byte_of_piece(piece.text); break;
      case TokenType::unknown: text = kUnknownSurface; break;
      case TokenType::unused:
        if (is_padding(piece)) text.clear();
        break;
      case TokenType::user_defined:
        type = TokenType::normal;  // handled by the library
        [[fallthrough]];
      case TokenType::normal: text = with_spaces(piece.text); break;
      case TokenType::control: break;
    }
    vocabulary.add(text, type);
  }
  vocabulary.finish();
  read_added_token_flags(file, vocabulary);
  return vocabulary;
}

class SentencePieceBackend final : public TokenizerBackend {
 public:
  SentencePieceBackend(Vocabulary vocabulary,
                       std::unique_ptr<sentencepiece::SentencePieceProcessor> processor)
      : TokenizerBackend(std::move(vocabulary)), processor_(std::move(processor)) {
    std::vector<std::string> pieces;
    adds_space_prefix_ =
        processor_->Encode("a", &pieces).ok() && !pieces.empty() && pieces[0].starts_with(kSpace);
  }

  std::string_view kind() const noexcept override { return "sentencepiece"; }
  bool adds_space_prefix() const noexcept override { return adds_space_prefix_; }

  void encode_text(std::string_view text, std::vector<Token>& out) const override {
    std::string storage;
    std::vector<int> ids;
    const auto status = processor_->Encode(to_valid(text, storage), &ids);
    if (!status.ok()) fail(ErrorCode::internal, "SentencePiece: ", status.ToString());
    out.insert(out.end(), ids.begin(), ids.end());
  }

 private:
  std::unique_ptr<const sentencepiece::SentencePieceProcessor> processor_;
  bool adds_space_prefix_ = false;
};

}  // namespace

std::shared_ptr<TokenizerBackend> make_sentencepiece_backend(const formats::ModelFile& file) {
  const std::vector<Piece> pieces = read_pieces(file);
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  std::string reason;
  try {
    const auto status = processor->LoadFromSerializedProto(serialize(file, pieces));
    if (!status.ok()) reason = status.ToString();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    reason = error.what();
  }
  if (reason.empty() && processor->GetPieceSize() != static_cast<int>(pieces.size()))
    reason = cat(processor->GetPieceSize(), " pieces of ", pieces.size());
  if (!reason.empty())
    fail(ErrorCode::bad_format, file.path(),
         ": the SentencePiece library rejects the model: ", quoted(reason, 200));
  return std::make_shared<SentencePieceBackend>(make_vocabulary(file, pieces), std::move(processor));
}

}  // namespace qwen::tokenizer
