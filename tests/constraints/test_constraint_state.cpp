#include "constraints/constraint_state.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "constraints/json_cases.h"
#include "tokenizer/vocabularies.h"

using namespace qwen;
using namespace qwen::constraints;

namespace {

struct Vocabulary {
  Tokenizer tokenizer = test::small_tokenizer();
  std::shared_ptr<const TokenTrie> trie = std::make_shared<const TokenTrie>(tokenizer);
  Token end = *tokenizer.find_added_token("<|im_end|>");

  ConstraintState state(const Constraint& constraint, int max_tokens) const {
    return ConstraintState(constraint, trie, tokenizer, {end}, max_tokens);
  }
};

const Vocabulary& vocabulary() {
  static const Vocabulary v;
  return v;
}

const std::vector<std::string>& schemas() {
  static const std::vector<std::string> list{
      R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},)"
      R"("tags":{"type":"array","items":{"enum":["red","green","blue"]},"maxItems":3}},"required":["name","age"],)"
      R"("additionalProperties":false})",
      R"({"type":"array","items":{"type":"string","minLength":1,"maxLength":6},"minItems":2,"maxItems":4})",
      R"({"anyOf":[{"type":"null"},{"type":"number","exclusiveMinimum":0},{"type":"string","pattern":"^[a-c]{2,4}$"}]})",
      R"({"type":"object","properties":{"when":{"type":"string","format":"date-time"},"id":{"type":"string","format":"uuid"}},)"
      R"("required":["when","id"],"additionalProperties":false})",
      R"({"$defs":{"t":{"type":"object","properties":{"v":{"type":"boolean"},"c":{"type":"array","items":{"$ref":"#/$defs/t"}}},)"
      R"("required":["v","c"],"additionalProperties":false}},"$ref":"#/$defs/t"})",
      R"({"type":"object","additionalProperties":{"type":"integer"},"patternProperties":{"^s_":{"type":"string"}}})",
      "true",
      R"({"enum":["\u4f60\u597d","a\"b\\c\n", 12.5, [1, {"k": null}]]})"};
  return list;
}

// Draws a token as a model with flat logits does, among the allowed ones.
Token draw(ConstraintState& state, std::mt19937& random) {
  const std::vector<Token> allowed = state.allowed().tokens();
  REQUIRE_FALSE(allowed.empty());
  return allowed[random() % allowed.size()];
}

struct Document {
  std::string text;
  std::vector<Token> tokens;
};

Document generate(ConstraintState& state, std::mt19937& random, bool force) {
  Document out;
  const auto add = [&](Token token) {
    state.accept(token);
    out.text += vocabulary().trie->bytes(token);
    out.tokens.push_back(token);
  };
  while (!state.must_end()) {
    if (force)
      for (const Token token : state.forced()) add(token);
    if (state.must_end()) break;
    const Token token = draw(state, random);
    if (token == vocabulary().end) break;
    add(token);
  }
  REQUIRE(state.can_end());
  return out;
}

}  // namespace

TEST_CASE("the token trie holds every text token once", "[constraints]") {
  const Vocabulary& v = vocabulary();
  std::vector<std::string> bytes(v.trie->vocabulary());
  std::string path;
  for (const TokenTrie::Node& node : v.trie->nodes()) {
    path.resize(node.depth - 1u);
    path += static_cast<char>(node.byte);
    if (node.token >= 0) bytes[static_cast<std::size_t>(node.token)] = path;
  }
  for (const auto& [first, other] : v.trie->duplicates())
    bytes[static_cast<std::size_t>(other)] = bytes[static_cast<std::size_t>(first)];
  int text_tokens = 0;
  for (Token token = 0; token < v.tokenizer.size(); ++token) {
    CAPTURE(token);
    const bool added = v.tokenizer.find_added_token(v.tokenizer.token_bytes(token)) == token;
    CHECK(bytes[static_cast<std::size_t>(token)] == (added ? "" : v.tokenizer.token_bytes(token)));
    CHECK(v.trie->bytes(token) == bytes[static_cast<std::size_t>(token)]);
    text_tokens += !added;
  }
  CHECK(text_tokens > 900);
  CHECK(v.trie->has_all_bytes());
}

TEST_CASE("every generated text satisfies its constraint, whatever the limit", "[constraints]") {
  std::mt19937 random(5);
  for (const std::string& schema : schemas()) {
    const Constraint constraint = Constraint::json_schema(schema);
    const std::size_t shortest = vocabulary().state(constraint, 10'000).shortest_ending();
    for (int round = 0; round < 25; ++round) {
      const int limit = static_cast<int>(shortest) + (round < 10 ? round : static_cast<int>(random() % 120));
      ConstraintState state = vocabulary().state(constraint, limit);
      const Document document = generate(state, random, round % 2 == 0);
      CAPTURE(schema, limit, document.text);
      CHECK(constraint.accepts(document.text));
      CHECK(static_cast<int>(document.tokens.size()) <= limit);
      CHECK(nlohmann::json::accept(document.text));
      CHECK(document.text.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a limit below the shortest text is an error before anything is computed", "[constraints]") {
  for (const std::string& schema : schemas()) {
    const Constraint constraint = Constraint::json_schema(schema);
    const auto shortest = static_cast<int>(vocabulary().state(constraint, 10'000).shortest_ending());
    CAPTURE(schema, shortest);
    CHECK_NOTHROW(vocabulary().state(constraint, shortest));
    CHECK_THROWS_AS(vocabulary().state(constraint, shortest - 1), Error);
  }
  CHECK_THROWS_AS(vocabulary().state(Constraint::json_schema("false"), 100), Error);
}

TEST_CASE("allowed() holds exactly the tokens that allows() accepts", "[constraints]") {
  std::mt19937 random(9);
  for (const std::string& schema : schemas()) {
    const Constraint constraint = Constraint::json_schema(schema);
    const std::size_t shortest = vocabulary().state(constraint, 10'000).shortest_ending();
    for (int round = 0; round < 3; ++round) {
      ConstraintState state = vocabulary().state(constraint, static_cast<int>(shortest) + 20 * round);
      for (int step = 0; step < 30 && !state.must_end(); ++step) {
        const TokenSet allowed = state.allowed();
        for (Token token = 0; token < vocabulary().tokenizer.size(); ++token) {
          if (allowed.contains(token) == state.allows(token)) continue;
          FAIL("token " << token << " " << vocabulary().tokenizer.token_bytes(token) << " in " << schema);
        }
        const std::vector<Token> tokens = allowed.tokens();
        const Token token = tokens[random() % tokens.size()];
        if (token == vocabulary().end) break;
        state.accept(token);
      }
    }
  }
}

TEST_CASE("allowed tokens are those that keep the text a prefix of a valid one", "[constraints]") {
  // The automaton for reading has other states; both must agree on what can be continued.
  std::mt19937 random(21);
  for (const std::string& schema : schemas()) {
    const Constraint constraint = Constraint::json_schema(schema);
    ConstraintState state = vocabulary().state(constraint, 400);
    std::string text;
    for (int step = 0; step < 40 && !state.must_end(); ++step) {
      const std::vector<Token> tokens = state.allowed().tokens();
      for (const Token token : tokens) {
        if (token == vocabulary().end) {
          CHECK(constraint.accepts(text));
        } else if (!constraint.allows_prefix(text + std::string(vocabulary().trie->bytes(token)))) {
          FAIL(text << " + " << vocabulary().trie->bytes(token) << " in " << schema);
        }
      }
      const Token token = tokens[random() % tokens.size()];
      if (token == vocabulary().end) break;
      state.accept(token);
      text += vocabulary().trie->bytes(token);
    }
  }
}

TEST_CASE("generated calls of tools can be parsed", "[constraints]") {
  const std::string parameters =
      R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},)"
      R"("required":["city"],"additionalProperties":false})";
  const Constraint arguments = Constraint::json_schema(parameters);
  const std::vector<ToolFunction> functions{{"weather", parameters}, {"forecast", parameters}};
  ToolOptions options;
  options.required = true;
  const Constraint tools = Constraint::tools(functions, options);
  std::mt19937 random(23);
  for (int round = 0; round < 40; ++round) {
    ConstraintState state = vocabulary().state(tools, 90 + 5 * round);
    const std::string text = generate(state, random, round % 2 == 0).text;
    CAPTURE(text);
    CHECK(tools.accepts(text));
    const ToolCalls parsed = parse_tool_calls(text);
    CHECK(parsed.content.empty());
    CHECK_FALSE(parsed.calls.empty());
    for (const ToolCall& call : parsed.calls) {
      CHECK((call.name == "weather" || call.name == "forecast"));
      CHECK(arguments.accepts(call.arguments));
    }
  }
}

TEST_CASE("forced tokens are those of the tokenizer, whatever follows", "[constraints]") {
  std::mt19937 random(13);
  const Tokenizer& tokenizer = vocabulary().tokenizer;
  std::size_t forced_tokens = 0;
  for (const std::string& schema : schemas()) {
    const Constraint constraint = Constraint::json_schema(schema);
    for (int round = 0; round < 20; ++round) {
      ConstraintState state = vocabulary().state(constraint, 300);
      std::string text;
      std::vector<std::pair<std::size_t, Token>> forced;  // where they begin
      while (!state.must_end()) {
        for (const Token token : state.forced()) {
          CHECK(state.allows(token));
          state.accept(token);
          forced.push_back({text.size(), token});
          text += vocabulary().trie->bytes(token);
        }
        if (state.must_end()) break;
        const Token token = draw(state, random);
        if (token == vocabulary().end) break;
        state.accept(token);
        text += vocabulary().trie->bytes(token);
      }
      // Where the tokenizer splits the whole text at the beginning of a forced run, it makes the same tokens.
      std::vector<std::pair<std::size_t, Token>> whole;
      std::string joined;
      for (const Token token : tokenizer.encode(text)) {
        whole.push_back({joined.size(), token});
        joined += vocabulary().trie->bytes(token);
      }
      if (joined != text) continue;  // normalization has composed characters: the offsets are others
      CAPTURE(schema, text);
      for (const auto& [begin, token] : forced) {
        const auto it =
            std::find_if(whole.begin(), whole.end(), [&, b = begin](const auto& w) { return w.first == b; });
        if (it == whole.end()) continue;
        CAPTURE(begin, token, it->second);
        CHECK(it->second == token);
        ++forced_tokens;
      }
    }
  }
  CHECK(forced_tokens > 200);
}

TEST_CASE("the whole text is forced if there is one possibility", "[constraints]") {
  const Constraint constraint = Constraint::json_schema(R"({"const":{"name":"x","list":[true,null]}})");
  ConstraintState state = vocabulary().state(constraint, 200);
  std::string text;
  for (const Token token : state.forced()) {
    state.accept(token);
    text += vocabulary().trie->bytes(token);
  }
  CHECK(text == R"({"name": "x", "list": [true, null]})");
  CHECK(state.must_end());
  CHECK(state.allowed().tokens() == std::vector<Token>{vocabulary().end});
}

TEST_CASE("only the shortest ending is left when nothing else fits", "[constraints]") {
  const Constraint constraint =
      Constraint::json_schema(R"({"type":"object","properties":{"text":{"type":"string"},)"
                              R"("end":{"const":"the end of it"}},"required":["text","end"]})");
  ConstraintState state = vocabulary().state(constraint, 60);
  std::mt19937 random(2);
  const Token letter = vocabulary().tokenizer.encode("a").front();
  std::string text;
  int letters = 0;
  while (!state.must_end()) {
    // A model that never stops writing letters.
    const Token token = state.allows(letter) ? letter : draw(state, random);
    letters += token == letter;
    state.accept(token);
    text += vocabulary().trie->bytes(token);
  }
  CAPTURE(text);
  CHECK(constraint.accepts(text));
  CHECK(letters > 10);
  CHECK(state.tokens_left() <= 2);
}

TEST_CASE("the automaton forgets old configurations of long texts", "[constraints]") {
  const Constraint constraint =
      Constraint::json_schema(R"({"type":"array","items":{"type":"integer"},"maxItems":100000})");
  Automaton automaton(constraint.program(), Spelling::generated);
  Config config = automaton.run(automaton.start(), "[1");
  for (int i = 0; i < 2000; ++i) {
    config = automaton.run(config, ", 12");
    if (automaton.size() > 500) config = automaton.compact(config);
    REQUIRE(config >= 0);
    REQUIRE(automaton.size() < 600);
    REQUIRE(automaton.cost(config) == 1);
  }
  CHECK(automaton.shortest(config) == "]");
}

TEST_CASE("costs are exact byte by byte", "[constraints]") {
  std::mt19937 random(17);
  for (const std::string& schema : schemas()) {
    const Constraint constraint = Constraint::json_schema(schema);
    Automaton automaton(constraint.program(), Spelling::generated);
    for (int round = 0; round < 30; ++round) {
      Config config = automaton.start();
      for (int i = 0; i < 60; ++i) {
        CAPTURE(schema, automaton.cost(config));
        const std::string rest = automaton.shortest(config);
        REQUIRE(rest.size() == automaton.cost(config));
        REQUIRE(automaton.accepts(automaton.run(config, rest)));
        const auto next = automaton.next_bytes(config);
        std::vector<unsigned char> bytes;
        for (unsigned b = 0; b < 256; ++b)
          if (next[b]) bytes.push_back(static_cast<unsigned char>(b));
        if (bytes.empty()) break;
        const Config after = automaton.step(config, bytes[random() % bytes.size()]);
        REQUIRE(after >= 0);
        REQUIRE(automaton.cost(after) + 1 >= automaton.cost(config));
        config = after;
      }
    }
  }
}
