// The vocabulary files of a Hugging Face directory: tokenizer.json, vocab.json and merges.txt,
// tokenizer.model.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "formats/hf_vocabulary.h"
#include "fuzz/memory_file.h"
#include "qwen/error.h"

namespace {

constexpr int kTokens = 300;

template <class Read>
void try_read(Read read) {
  qwen::formats::ModelFile out("fuzz");
  qwen::formats::Vocabulary vocabulary(kTokens, out);
  try {
    read(vocabulary, out);
  } catch (const qwen::Error&) {
    return;
  }
  vocabulary.finish();
  if (out.strings("tokenizer.ggml.tokens")->size() != kTokens) std::abort();
  if (out.integers("tokenizer.ggml.token_type").size() != kTokens) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qwen::fuzz::MemoryFile file(data, size);
  const std::string path = file.path();
  using namespace qwen::formats;
  try_read([&](Vocabulary& v, ModelFile& out) { read_tokenizer_json(path, v, out); });
  try_read([&](Vocabulary& v, ModelFile& out) { read_sentencepiece(path, v, out); });
  try_read([&](Vocabulary& v, ModelFile& out) {
    for (const AddedToken& token : read_added_tokens(path, {"<s>"}, out)) v.add(token, path);
  });
  const std::uint8_t empty[] = {'{', '}'};
  const qwen::fuzz::MemoryFile no_words(empty, sizeof empty);
  try_read([&](Vocabulary& v, ModelFile& out) { read_vocab_and_merges(path, no_words.path(), v, out); });
  try_read([&](Vocabulary& v, ModelFile& out) { read_vocab_and_merges(no_words.path(), path, v, out); });
  return 0;
}
