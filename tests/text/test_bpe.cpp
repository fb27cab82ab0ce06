#include "text/bpe.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "qwen/error.h"
#include "text/vocabularies.h"

using namespace qwen;

namespace {

// A random vocabulary over few letters: many merges that overlap and hinder one another.
struct RandomVocabulary {
  std::vector<std::string> tokens = test::byte_alphabet(), merges;
  std::map<std::pair<std::string, std::string>, int> ranks;

  explicit RandomVocabulary(unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::string> pool = {"a", "b", "c"};
    while (merges.size() < 60) {
      const std::string left = pool[random() % pool.size()], right = pool[random() % pool.size()];
      if (left.size() + right.size() > 40 || !ranks.emplace(std::pair(left, right), merges.size()).second)
        continue;
      merges.push_back(left + " " + right);
      if (std::find(tokens.begin(), tokens.end(), left + right) != tokens.end()) continue;
      tokens.push_back(left + right);
      pool.push_back(left + right);
    }
  }

  std::shared_ptr<const text::TokenizerBackend> backend() const {
    test::VocabularyFile file;
    file.text("tokenizer.ggml.model", "gpt2");
    file.texts("tokenizer.ggml.tokens", tokens).texts("tokenizer.ggml.merges", merges);
    return text::make_bpe_backend(file.file());
  }

  // The definition: merge the lowest rank, the leftmost of equals, until there is none.
  std::vector<std::string> merge(const std::string& word) const {
    std::vector<std::string> parts;
    for (const char letter : word) parts.emplace_back(1, letter);
    for (;;) {
      int best = -1;
      std::size_t at = 0;
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto it = ranks.find({parts[i], parts[i + 1]});
        if (it != ranks.end() && (best < 0 || it->second < best)) best = it->second, at = i;
      }
      if (best < 0) return parts;
      parts[at] += parts[at + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }
};

}  // namespace

TEST_CASE("words of any length merge as by the definition", "[text]") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    const RandomVocabulary vocabulary(seed);
    const auto backend = vocabulary.backend();
    const auto& bpe = dynamic_cast<const text::BpeBackend&>(*backend);
    std::mt19937 random(seed + 1000);
    for (int i = 0; i < 60; ++i) {
      const std::size_t length = 1 + random() % (i % 4 == 0 ? 400 : 110);
      std::string word;
      while (word.size() < length) word += "abc"[random() % 3];
      std::vector<Token> ids;
      bpe.encode_word(word, ids);
      std::vector<std::string> parts;
      for (const Token id : ids) parts.emplace_back(bpe.vocabulary().bytes(id));
      CAPTURE(seed, word);
      REQUIRE(parts == vocabulary.merge(word));
    }
  }
}

TEST_CASE("merge table: ranks by pair, the first of two counts", "[text]") {
  text::MergeTable table(1000, 300);
  for (Token i = 0; i < 299; ++i) table.add(i, 999 - i, i + 1);
  table.add(7, 992, 5);
  for (Token i = 0; i < 299; ++i) {
    CHECK(table.rank(i, 999 - i) == static_cast<std::uint32_t>(i));
    CHECK(table.rank(999 - i, i) == text::MergeTable::kNone);
  }
  CHECK(table.merged(table.rank(7, 992)) == 8);
  CHECK(text::MergeTable(1, 0).rank(0, 0) == text::MergeTable::kNone);
  CHECK_THROWS_AS(text::MergeTable(std::size_t{1} << 28, 1 << 20), Error);
}
