// Writes random documents under constraints: qwen-constraint-documents COUNT SEED < SCHEMAS > DOCUMENTS
//
// Reads a JSON schema a line. Writes COUNT lines {"schema": LINE, "limit": TOKENS, "tokens": TOKENS, "text": TEXT} for
// each, or {"schema": LINE, "error": MESSAGE}. The model is noise: random logits at temperatures from 0 to 2, with
// limits from the shortest text on.
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "constraints/constraint_state.h"
#include "qwen/error.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;
using namespace qwen::constraints;

namespace {

class Documents {
 public:
  explicit Documents(unsigned seed) : random_(seed) {}

  void write(std::size_t line, const std::string& schema, int count) {
    try {
      const Constraint constraint = Constraint::json_schema(schema);
      const auto shortest = static_cast<int>(
          ConstraintState(constraint, trie_, tokenizer_, {end_}, 1'000'000).shortest_ending());
      for (int i = 0; i < count; ++i) {
        const int limit = shortest + (i % 4 == 0 ? i : static_cast<int>(random_() % 150));
        const std::vector<Token> tokens = document(constraint, limit);
        std::string text;
        for (const Token token : tokens) text += trie_->bytes(token);
        std::cout << nlohmann::json{{"schema", line},
                                    {"limit", limit},
                                    {"tokens", tokens.size()},
                                    {"text", text}}
                         .dump()
                  << "\n";
      }
    } catch (const Error& error) {
      std::cout << nlohmann::json{{"schema", line}, {"error", error.what()}}.dump() << "\n";
    }
  }

 private:
  std::vector<Token> document(const Constraint& constraint, int limit) {
    ConstraintState state(constraint, trie_, tokenizer_, {end_}, limit);
    std::vector<Token> tokens;
    const auto add = [&](Token token) {
      state.accept(token);
      tokens.push_back(token);
    };
    const double temperature = static_cast<double>(random_() % 5) / 2;
    while (!state.must_end()) {
      for (const Token token : state.forced()) add(token);
      if (state.must_end()) break;
      // A likely token first, as a model does; the mask only if it is not allowed.
      Token token = sample(nullptr, temperature);
      if (!state.allows(token)) token = sample(&state.allowed(), temperature);
      if (token == end_) break;
      add(token);
    }
    return tokens;
  }

  // The largest logit, with Gumbel noise: a sample of the softmax at the temperature.
  Token sample(const TokenSet* allowed, double temperature) {
    std::normal_distribution<double> normal(0, 3);
    std::uniform_real_distribution<double> uniform(1e-12, 1);
    Token best = end_;
    double largest = -1e300;
    for (Token token = 0; token < tokenizer_.size(); ++token) {
      if (allowed != nullptr && !allowed->contains(token)) continue;
      const double score =
          normal(random_) + (temperature > 0 ? -std::log(-std::log(uniform(random_))) * temperature : 0);
      if (score > largest) largest = score, best = token;
    }
    return best;
  }

  std::mt19937 random_;
  Tokenizer tokenizer_ = test::small_tokenizer();
  std::shared_ptr<const TokenTrie> trie_ = std::make_shared<const TokenTrie>(tokenizer_);
  Token end_ = *tokenizer_.find_added_token("<|im_end|>");
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Documents documents(static_cast<unsigned>(std::stoul(argv[2])));
  std::string schema;
  for (std::size_t line = 0; std::getline(std::cin, schema); ++line)
    documents.write(line, schema, std::stoi(argv[1]));
  return 0;
}
