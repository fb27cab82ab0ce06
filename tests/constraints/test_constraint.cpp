#include "qwen/constraint.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "constraints/json_cases.h"

using namespace qwen;
using test::schema_error;

namespace {

bool accepts(const std::string& schema, const std::string& text) {
  const Constraint constraint = Constraint::json_schema(schema);
  const bool accepted = constraint.accepts(text);
  // What is accepted can be reached byte by byte.
  for (std::size_t i = 0; accepted && i <= text.size(); ++i)
    if (!constraint.allows_prefix(text.substr(0, i)))
      FAIL("a prefix of an accepted text is refused: " << text.substr(0, i));
  return accepted;
}

}  // namespace

TEST_CASE("json accepts RFC 8259 on one line", "[constraints]") {
  const Constraint json = Constraint::json();
  for (const char* text :
       {"null", "true", "false", "0", "-1", "1.5", "1e5", "-0.25E-2", "\"\"", "\"a\\u00e9\\n\"", "[]",
        "[1,2]", "[1, \"x\", {}]", "{}", "{\"a\":1}", "{\"a\": {\"b\": [true]}}",
        "\"\xE4\xBD\xA0\xF0\x9F\x98\x80\"", "\"\\uD83D\\uDE00\""})
    CHECK(json.accepts(text));
  for (const char* text :
       {"",        "nul",        "01",     "1.",          ".5",          "+1",          "1e",
        "NaN",     "'a'",        "\"a",    "\"\\x\"",     "[1,]",        "[,1]",        "{a:1}",
        "{\"a\"}", "{\"a\":1,}", "[1 ,2]", "[1,  2]",     " 1",          "1 ",          "[1,\n2]",
        "{}{}",    "\"\t\"",     "tru",    "\"\\uD83D\"", "\"\\uDE00\"", "\"\\uD83Dx\""})
    CHECK_FALSE(json.accepts(text));
  CHECK_FALSE(Constraint::json_object().accepts("[]"));
  CHECK(Constraint::json_object().accepts("{\"a\": []}"));
}

TEST_CASE("invalid UTF-8 is never accepted in a string", "[constraints]") {
  const Constraint json = Constraint::json();
  for (const char* bytes :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE4\xBD", "\xE4\xBDx"}) {
    const std::string text = "\"" + std::string(bytes) + "\"";
    CAPTURE(text);
    CHECK_FALSE(json.accepts(text));
  }
  CHECK(json.allows_prefix("\"\xE4\xBD"));
  CHECK_FALSE(json.allows_prefix("\"\xE0\x80"));
  CHECK_FALSE(json.allows_prefix("\"\xED\xA0"));
}

TEST_CASE("any JSON is nested at most 16 deep", "[constraints]") {
  const Constraint json = Constraint::json();
  CHECK(json.accepts(std::string(16, '[') + std::string(16, ']')));
  CHECK_FALSE(json.allows_prefix(std::string(17, '[')));
}

TEST_CASE("object members come in the schema's order when generated and in any order when read",
          "[constraints]") {
  const std::string schema =
      R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{}},"required":["a","c"],)"
      R"("additionalProperties":false})";
  CHECK(accepts(schema, R"({"a": 1, "b": "x", "c": null})"));
  CHECK(accepts(schema, R"({"c":null,"a":1})"));
  CHECK_FALSE(accepts(schema, R"({"a": 1})"));
  CHECK_FALSE(accepts(schema, R"({"a": 1, "c": 1, "d": 1})"));
  CHECK_FALSE(accepts(schema, R"({"a": 1, "a": 1, "c": 1})"));
  CHECK(Constraint::json_schema(schema).shortest() == R"({"a": 0, "c": 0})");
  JsonOptions compact;
  compact.spacing = JsonSpacing::compact;
  CHECK(Constraint::json_schema(schema, compact).shortest() == R"({"a":0,"c":0})");
}

TEST_CASE("numbers are compared exactly", "[constraints]") {
  CHECK(accepts(R"({"type":"number","minimum":0.1,"maximum":0.3})", "0.3"));
  CHECK_FALSE(accepts(R"({"type":"number","minimum":0.1,"maximum":0.3})", "0.30000000000000004"));
  CHECK(accepts(R"({"type":"number","multipleOf":0.01})", "4.35"));
  CHECK_FALSE(accepts(R"({"type":"number","multipleOf":0.01})", "4.355"));
  CHECK(accepts(R"({"type":"integer","multipleOf":7})", "-700000000000000000000000007"));
  CHECK_FALSE(accepts(R"({"type":"integer","multipleOf":7})", "8"));
  CHECK(accepts(R"({"type":"integer","exclusiveMinimum":9007199254740992})", "9007199254740993"));
  CHECK_FALSE(accepts(R"({"type":"integer","exclusiveMinimum":9007199254740993})", "9007199254740993"));
  CHECK(accepts(R"({"const":1})", "1.00"));
  CHECK(accepts(R"({"type":"integer"})", "1.0"));
  CHECK(accepts(R"({"minimum":0})", "-0"));
  CHECK_FALSE(accepts(R"({"exclusiveMinimum":0})", "-0.0"));
  CHECK(accepts(R"({"maximum":1e3})", "1000"));
  CHECK_FALSE(accepts(R"({"maximum":1e3})", "1000.001"));
}

TEST_CASE("strings are counted in characters", "[constraints]") {
  const std::string schema = R"({"type":"string","minLength":2,"maxLength":3})";
  CHECK(accepts(schema, "\"\xE4\xBD\xA0\xF0\x9F\x98\x80\""));
  CHECK(accepts(schema, "\"\\n\\u4f60\\uD83D\\uDE00\""));
  CHECK_FALSE(accepts(schema, "\"\xE4\xBD\xA0\""));
  CHECK_FALSE(accepts(schema, "\"abcd\""));
  CHECK(accepts(R"({"type":"string","pattern":"^a+$","minLength":3,"maxLength":4})", "\"aaaa\""));
  CHECK_FALSE(accepts(R"({"type":"string","pattern":"^a+$","minLength":3,"maxLength":4})", "\"aa\""));
}

TEST_CASE("formats follow their standards", "[constraints]") {
  const auto check = [](const char* format, std::initializer_list<const char*> valid,
                        std::initializer_list<const char*> invalid) {
    const Constraint constraint =
        Constraint::json_schema(std::string(R"({"type":"string","format":")") + format + "\"}");
    for (const char* text : valid) {
      CAPTURE(format, text);
      CHECK(constraint.accepts("\"" + std::string(text) + "\""));
    }
    for (const char* text : invalid) {
      CAPTURE(format, text);
      CHECK_FALSE(constraint.accepts("\"" + std::string(text) + "\""));
    }
  };
  check("date", {"2024-02-29", "2000-02-29", "2023-12-31", "0001-01-01"},
        {"2023-02-29", "1900-02-29", "2023-04-31", "0000-01-01", "2023-13-01", "2023-00-10", "2023-1-01",
         "23-01-01"});
  check("time", {"23:59:59Z", "00:00:00.5+01:30", "23:59:60Z"},
        {"24:00:00Z", "12:00:00", "12:60:00Z", "22:59:60Z"});
  check("date-time", {"2024-02-29T12:00:00Z"}, {"2024-02-29 12:00:00Z", "2023-02-29T12:00:00Z"});
  check("uuid", {"2eb8aa08-AA98-11ea-b4aa-73b441d16380"}, {"2eb8aa08aa9811eab4aa73b441d16380"});
  check("ipv4", {"0.0.0.0", "255.255.255.255"}, {"256.0.0.1", "01.2.3.4", "1.2.3"});
  check("email", {"a.b@example.com", "a@[127.0.0.1]"}, {"a", "@b", "a..b@c", ".a@b", "a@-b"});
}

TEST_CASE("combinations: anyOf, oneOf, allOf, not, if", "[constraints]") {
  const std::string xor_schema = R"({"type":"string","oneOf":[{"minLength":2},{"maxLength":4}]})";
  CHECK(accepts(xor_schema, "\"abcde\""));
  CHECK(accepts(xor_schema, "\"a\""));
  CHECK_FALSE(accepts(xor_schema, "\"abc\""));
  CHECK(accepts(R"({"allOf":[{"minimum":2},{"maximum":3}],"type":"integer"})", "3"));
  CHECK_FALSE(accepts(R"({"allOf":[{"minimum":2},{"maximum":3}],"type":"integer"})", "4"));
  CHECK_FALSE(accepts(R"({"not":{"type":"string"}})", "\"a\""));
  CHECK(accepts(R"({"not":{"type":"string"}})", "[\"a\"]"));
  const std::string conditional =
      R"({"properties":{"k":{"enum":["a","b"]},"n":{"type":"integer"}},"required":["k"],"additionalProperties":false,)"
      R"("if":{"properties":{"k":{"const":"b"}}},"then":{"required":["n"]}})";
  CHECK(accepts(conditional, R"({"k": "a"})"));
  CHECK(accepts(conditional, R"({"k": "b", "n": 1})"));
  CHECK_FALSE(accepts(conditional, R"({"k": "b"})"));
}

TEST_CASE("recursive schemas", "[constraints]") {
  const std::string tree =
      R"({"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"c":{"type":"array","items":{"$ref":"#/$defs/n"}}},)"
      R"("required":["v"],"additionalProperties":false}},"$ref":"#/$defs/n"})";
  std::string text = R"({"v": 1})";
  for (int i = 0; i < 50; ++i) text = R"({"v": 1, "c": [)" + text + ", " + R"({"v": 2})" + "]}";
  CHECK(accepts(tree, text));
  text.insert(text.find(R"({"v": 1})") + 7, "x");
  CHECK_FALSE(accepts(tree, text));
}

TEST_CASE("nested alternatives do not multiply", "[constraints]") {
  // Two ways to read each level: 2^40 threads without sharing.
  const Constraint constraint = Constraint::json_schema(
      R"({"$defs":{"a":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/a"},"maxItems":2},)"
      R"({"type":"array","items":{"$ref":"#/$defs/a"},"maxItems":3}]}},"$ref":"#/$defs/a"})");
  std::string text;
  for (int i = 0; i < 40; ++i) text = "[" + text + (text.empty() ? "" : ", []") + "]";
  CHECK(constraint.accepts(text));
  CHECK_FALSE(constraint.accepts(text + "]"));
  CHECK_FALSE(constraint.accepts("[[], [], [], []]"));
}

TEST_CASE("an empty constraint accepts nothing", "[constraints]") {
  for (const char* schema :
       {"false", R"({"enum":[]})", R"({"type":"integer","minimum":2,"maximum":1})",
        R"({"properties":{"a":false},"required":["a"],"type":"object"})",
        R"({"$defs":{"a":{"type":"array","items":{"$ref":"#/$defs/a"},"minItems":1}},"$ref":"#/$defs/a"})"}) {
    CAPTURE(schema);
    const Constraint constraint = Constraint::json_schema(schema);
    CHECK(constraint.is_empty());
    CHECK_FALSE(constraint.allows_prefix(""));
    CHECK(constraint.shortest().empty());
  }
  CHECK_FALSE(Constraint::json_schema("true").is_empty());
}

TEST_CASE("keywords that are not enforced are refused by name", "[constraints]") {
  for (const char* keyword :
       {"\"uniqueItems\":true", "\"contains\":{}", "\"minProperties\":1", "\"maxProperties\":2",
        "\"unevaluatedItems\":false", "\"unevaluatedProperties\":false", "\"$dynamicRef\":\"#a\"",
        "\"format\":\"hostname\"", "\"minLenght\":3", "\"nullable\":true", "\"items\":[{}]",
        "\"dependencies\":{}", "\"$ref\":\"other.json\"", "\"$schema\":\"http://x/y\""}) {
    const std::string name = std::string(keyword).substr(1, std::string(keyword).find('"', 1) - 1);
    CAPTURE(keyword);
    const std::string error = schema_error("{" + std::string(keyword) + "}");
    CHECK(error.starts_with("unsupported: "));
    CHECK(error.find(name) != std::string::npos);
    // Inside a property too.
    CHECK(schema_error(R"({"properties":{"a":{)" + std::string(keyword) + "}}}").find(name) !=
          std::string::npos);
  }
  for (const char* harmless :
       {"\"title\":\"t\"", "\"default\":1", "\"examples\":[1]", "\"$comment\":\"c\"", "\"x-order\":1",
        "\"uniqueItems\":false", "\"deprecated\":true", "\"$id\":\"http://a/b\""}) {
    CAPTURE(harmless);
    CHECK(schema_error("{" + std::string(harmless) + "}") == "");
  }
}

TEST_CASE("malformed schemas are errors that say where", "[constraints]") {
  for (const char* schema :
       {"", "{", "[]", "1", R"({"type":"text"})", R"({"type":1})", R"({"minLength":-1})",
        R"({"minLength":1.5})", R"({"minimum":"1"})", R"({"multipleOf":0})", R"({"enum":1})",
        R"({"properties":[]})", R"({"required":"a"})", R"({"pattern":"("})", R"({"pattern":"a{2,1}"})",
        R"({"pattern":"[b-a]"})", R"({"$ref":"#/nowhere"})", R"({"allOf":{}})", R"({"a":1,"a":2})"}) {
    CAPTURE(schema);
    CHECK(schema_error(schema).starts_with("bad_format: "));
  }
  CHECK(schema_error(R"({"properties":{"a":{"items":{"type":"x"}}}})").find("#/properties/a/items") !=
        std::string::npos);
}

TEST_CASE("schemas that need too much are refused", "[constraints]") {
  std::string deep = "1";
  for (int i = 0; i < 200; ++i) deep = R"({"allOf":[)" + deep + "]}";
  std::string product = R"({"allOf":[)";  // 4^12 combinations
  for (int i = 0; i < 12; ++i) {
    product += i > 0 ? "," : "";
    product += R"({"anyOf":[)";
    for (int j = 0; j < 4; ++j)
      product += (j > 0 ? "," : "") +
                 (R"({"required":["p)" + std::to_string(i) + "_" + std::to_string(j) + R"("]})");
    product += "]}";
  }
  product += "]}";
  std::string wide = R"({"enum":[)";
  for (int i = 0; i < 40'000; ++i) wide += (i > 0 ? "," : "") + std::to_string(i * 7919) + ".5";
  wide += "]}";
  for (const std::string& schema :
       {deep, product, wide, std::string(R"({"pattern":"^(a|b)*a(a|b){20}$"})"),
        std::string(R"({"pattern":"^((a{100}){100}){100}$"})"),
        std::string(R"({"pattern":"^a*$","maxLength":900000000})"),
        std::string(R"({"type":"integer","multipleOf":999983})"), std::string(R"({"minimum":1e9999})"),
        std::string(R"({"$ref":"#"})"), std::string(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})")}) {
    CAPTURE(schema.substr(0, 80));
    CHECK(schema_error(schema) != "");
  }
}

TEST_CASE("regex matches the whole text", "[constraints]") {
  const Constraint regex = Constraint::regex("(cat|dog)s?( and (cat|dog)s?)*");
  CHECK(regex.accepts("cats and dog"));
  CHECK_FALSE(regex.accepts("cats and"));
  CHECK(regex.allows_prefix("cats and"));
  CHECK_FALSE(regex.allows_prefix("cow"));
  CHECK(regex.shortest() == "cat");
  CHECK(Constraint::regex("\xE4\xBD\xA0+").accepts("\xE4\xBD\xA0\xE4\xBD\xA0"));
  CHECK_FALSE(Constraint::regex(".").accepts("\n"));
  CHECK(Constraint::regex("").accepts(""));
}

TEST_CASE("choice accepts exactly its texts", "[constraints]") {
  const std::vector<std::string> texts{"yes", "no", "not sure", "\xE6\x98\xAF"};
  const Constraint choice = Constraint::choice(texts);
  for (const std::string& text : texts) CHECK(choice.accepts(text));
  for (const char* text : {"", "n", "yes ", "not", "\xE6\x98"}) CHECK_FALSE(choice.accepts(text));
  CHECK_THROWS_AS(Constraint::choice({}), Error);
  CHECK_THROWS_AS(Constraint::choice(std::vector<std::string>{""}), Error);
  CHECK_THROWS_AS(Constraint::choice(std::vector<std::string>{"\xFF"}), Error);
}

TEST_CASE("many threads use one constraint", "[constraints]") {
  const Constraint constraint = Constraint::json_schema(R"({"type":"array","items":{"type":"integer"}})");
  std::vector<std::thread> threads;
  std::vector<int> right(4, 0);
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i)
        right[t] += constraint.accepts("[1, 22, 333]") && !constraint.accepts("[1, 2");
    });
  for (auto& thread : threads) thread.join();
  CHECK(right == std::vector<int>(4, 50));
}
