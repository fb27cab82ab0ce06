// Vocabularies for the tests of this folder.
#pragma once
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/model_file.h"
#include "qwen/tokenizer.h"
#include "tokenizer/tokenizer_backend.h"

namespace qwen::test {

// tests/data/text/small-vocab.gguf: about a thousand tokens of Qwen2's vocabulary, with its control tokens.
inline Tokenizer small_tokenizer() {
  const auto file = formats::open_model_file(QWEN_TEST_DATA "/text/small-vocab.gguf");
  return Tokenizer(tokenizer::make_tokenizer_backend(*file));
}

// The metadata of a vocabulary, put together in memory.
class VocabularyFile {
 public:
  VocabularyFile() : file_("test.gguf") {}
  VocabularyFile& text(std::string_view key, std::string value) {
    formats::MetaValue meta;
    meta.type = formats::MetaType::string;
    meta.string = file_.own(std::move(value));
    file_.add(key, std::move(meta));
    return *this;
  }
  VocabularyFile& integer(std::string_view key, std::int64_t value) {
    formats::MetaValue meta;
    meta.type = formats::MetaType::i64;
    meta.integer = value;
    file_.add(key, std::move(meta));
    return *this;
  }
  VocabularyFile& boolean(std::string_view key, bool value) {
    formats::MetaValue meta;
    meta.type = formats::MetaType::boolean;
    meta.integer = value;
    file_.add(key, std::move(meta));
    return *this;
  }
  VocabularyFile& texts(std::string_view key, const std::vector<std::string>& values) {
    formats::MetaValue meta;
    meta.type = formats::MetaType::array;
    meta.element = formats::MetaType::string;
    meta.count = values.size();
    for (const std::string& value : values) meta.strings.push_back(file_.own(value));
    file_.add(key, std::move(meta));
    return *this;
  }
  // A byte-level BPE vocabulary.
  VocabularyFile& bpe(const std::vector<std::string>& tokens, const std::vector<std::string>& merges = {}) {
    return text("tokenizer.ggml.model", "gpt2")
        .texts("tokenizer.ggml.tokens", tokens)
        .texts("tokenizer.ggml.merges", merges);
  }
  VocabularyFile& integers(std::string_view key, const std::vector<std::int32_t>& values) {
    return numbers(key, formats::MetaType::i32, values.data(), values.size());
  }
  VocabularyFile& floats(std::string_view key, const std::vector<float>& values) {
    return numbers(key, formats::MetaType::f32, values.data(), values.size());
  }
  VocabularyFile& bytes(std::string_view key, std::string_view values) {
    return numbers(key, formats::MetaType::u8, values.data(), values.size(), 1);
  }
  const formats::ModelFile& file() const { return file_; }
  Tokenizer tokenizer() const { return Tokenizer(tokenizer::make_tokenizer_backend(file_)); }

 private:
  VocabularyFile& numbers(std::string_view key, formats::MetaType element, const void* values,
                          std::size_t count, std::size_t size = 4) {
    std::vector<std::byte> bytes(size * count);
    if (count > 0) std::memcpy(bytes.data(), values, bytes.size());
    formats::MetaValue meta;
    meta.type = formats::MetaType::array;
    meta.element = element;
    meta.count = count;
    meta.numbers = file_.own(std::move(bytes));
    file_.add(key, std::move(meta));
    return *this;
  }
  formats::ModelFile file_;
};

// The 256 byte tokens in GPT-2's alphabet, in the order of the bytes.
inline std::vector<std::string> byte_alphabet() {
  std::vector<std::string> alphabet;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
    const int code_point = printable ? byte : next++;
    std::string text;
    if (code_point < 0x80) {
      text += static_cast<char>(code_point);
    } else {
      text += static_cast<char>(0xC0 | code_point >> 6);
      text += static_cast<char>(0x80 | (code_point & 0x3F));
    }
    alphabet.push_back(text);
  }
  return alphabet;
}

}  // namespace qwen::test
