#include "tokenizer/bpe.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "qwen/error.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;

namespace {

// A random vocabulary, and merging by its definition.
struct RandomVocabulary {
  std::vector<std::string> alphabet = test::byte_alphabet(), tokens = alphabet, merges;
  std::map<std::pair<std::string, std::string>, int> ranks;
  std::mt19937 random;

  explicit RandomVocabulary(unsigned seed) : random(seed) {}

  bool add(const std::string& left, const std::string& right) {
    if (!ranks.emplace(std::pair(left, right), merges.size()).second) return false;
    merges.push_back(left + " " + right);
    if (std::find(tokens.begin(), tokens.end(), left + right) != tokens.end()) return false;
    tokens.push_back(left + right);
    return true;
  }

  std::shared_ptr<const tokenizer::TokenizerBackend> backend() const {
    test::VocabularyFile file;
    file.bpe(tokens, merges);
    return tokenizer::make_bpe_backend(file.file());
  }

  std::string word(const std::vector<std::string>& letters, std::size_t length) {
    std::string word;
    while (word.size() < length) word += letters[random() % letters.size()];
    return word;
  }

  // The lowest rank first, the leftmost of equals, until there is none.
  std::vector<std::string> merge(const std::string& word) const {
    std::vector<std::string> parts;
    for (const char byte : word) parts.push_back(alphabet[static_cast<unsigned char>(byte)]);
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

  void check(const std::vector<std::string>& letters, int words) {
    const auto backend = this->backend();
    const auto& bpe = dynamic_cast<const tokenizer::BpeBackend&>(*backend);
    for (int i = 0; i < words; ++i) {
      const std::string word = this->word(letters, 1 + random() % (i % 4 == 0 ? 400 : 110));
      std::vector<Token> ids;
      bpe.encode_word(word, ids);
      std::vector<std::string> parts;
      for (const Token id : ids) parts.push_back(tokens[static_cast<std::size_t>(id)]);
      CAPTURE(word, merges);
      REQUIRE(parts == merge(word));
    }
  }
};

}  // namespace

TEST_CASE("words of any length merge by the definition", "[tokenizer]") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    // Merges in any order, many of which hinder one another.
    RandomVocabulary vocabulary(seed);
    std::vector<std::string> pool = {"a", "b", "c"};
    while (vocabulary.merges.size() < 60) {
      const std::string left = pool[vocabulary.random() % pool.size()],
                        right = pool[vocabulary.random() % pool.size()];
      if (left.size() + right.size() <= 40 && vocabulary.add(left, right)) pool.push_back(left + right);
    }
    vocabulary.check({"a", "b", "c"}, 60);
  }
}

TEST_CASE("three-byte characters merge by the definition with any merges across their boundaries",
          "[tokenizer]") {
  // Characters that share bytes with one another, beside others.
  const std::vector<std::string> letters = {"你", "佡", "余", "好", "\u4f98", "\u5f60",
                                            "ー", "a",  "é",  "😀",  " "};
  for (unsigned seed = 1; seed <= 60; ++seed) {
    RandomVocabulary vocabulary(seed);
    // Trained like a real one: each merge joins two neighbours of a text as it is cut so far. Half of the
    // vocabularies learn most from single characters, as real ones do; a few are put out of order.
    while (vocabulary.merges.size() < 40) {
      const bool single = seed % 2 == 0 && vocabulary.merges.size() < 12;
      const std::string text =
          single ? letters[vocabulary.random() % letters.size()] : vocabulary.word(letters, 30);
      const std::vector<std::string> parts = vocabulary.merge(text);
      if (parts.size() < 2) continue;
      const std::size_t at = vocabulary.random() % (parts.size() - 1);
      vocabulary.add(parts[at], parts[at + 1]);
    }
    if (seed % 5 == 0) {
      std::shuffle(vocabulary.merges.begin(), vocabulary.merges.end(), vocabulary.random);
      for (std::size_t i = 0; i < vocabulary.merges.size(); ++i) {
        const std::size_t space = vocabulary.merges[i].find(' ');
        vocabulary.ranks[{vocabulary.merges[i].substr(0, space), vocabulary.merges[i].substr(space + 1)}] =
            static_cast<int>(i);
      }
    }
    vocabulary.check(letters, 100);
  }
}

TEST_CASE("the CJK fast path is used if no merge crosses character boundaries", "[tokenizer]") {
  tokenizer::Vocabulary vocabulary;
  std::array<Token, 256> bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes[static_cast<std::size_t>(byte)] = byte;
    vocabulary.add(std::string(1, static_cast<char>(byte)), tokenizer::TokenType::normal);
  }
  for (const char* token : {"\xE4\xBD", "你", "\xA5\xBD", "好", "\xA0 ", "\xF0\x9F", "\xF0\x9F\x98"})
    vocabulary.add(token, tokenizer::TokenType::normal);
  std::vector<tokenizer::MergeRule> rules = {{0xE4, 0xBD, 256}, {256, 0xA0, 257}, {0xA5, 0xBD, 258},
                                             {0xE5, 258, 259},  {0xA0, ' ', 260}, {0xF0, 0x9F, 261},
                                             {261, 0x98, 262}};
  const auto make = [&] {
    return tokenizer::CjkFastPath(vocabulary, bytes, rules, tokenizer::MergeTable(263, rules));
  };
  CHECK(make().token(0xE4, 0xBD, 0xA0) == 257);
  CHECK(make().token(0xE5, 0xA5, 0xBD) == 259);
  CHECK(make().token(0xE5, 0xA5, 0xBE) == -1);
  CHECK(make().merges_across(0xA0, ' ', 'x'));
  CHECK_FALSE(make().merges_across(0xBD, ' ', 'x'));
  CHECK_FALSE(make().merges_across(0xA0, 0xE5, 0xA5));
  std::swap(rules[0], rules[1]);  // used before it is made
  CHECK(make().token(0xE5, 0xA5, 0xBD) == -1);
}

TEST_CASE("merge table: ranks by pair, the first duplicate counts", "[tokenizer]") {
  std::vector<tokenizer::MergeRule> rules;
  for (Token i = 0; i < 299; ++i) rules.push_back({i, 999 - i, i + 1});
  rules.push_back({7, 992, 5});
  const tokenizer::MergeTable table(1000, rules);
  for (Token i = 0; i < 299; ++i) {
    CHECK(table.rank(i, 999 - i) == static_cast<std::uint32_t>(i));
    CHECK(table.rank(999 - i, i) == tokenizer::MergeTable::kNone);
  }
  CHECK(table.merged(table.rank(7, 992)) == 8);
  CHECK(tokenizer::MergeTable(1, {}).rank(0, 0) == tokenizer::MergeTable::kNone);
  CHECK_THROWS_AS(tokenizer::MergeTable(std::size_t{1} << 32, {}), Error);
}
