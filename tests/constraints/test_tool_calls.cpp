#include "qwen/tool_call.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "qwen/constraint.h"
#include "qwen/error.h"

using namespace qwen;

namespace {

const std::string kWeather =
    R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":7}},)"
    R"("required":["city"],"additionalProperties":false})";

const std::vector<ToolFunction>& functions() {
  static const std::vector<ToolFunction> list{{"weather", kWeather}, {"time"}};
  return list;
}

std::string call(const std::string& name, const std::string& arguments) {
  return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": " + arguments + "}\n</tool_call>";
}

ToolOptions required() {
  ToolOptions options;
  options.required = true;
  return options;
}

// The code and the message of the error of Constraint::tools(); "" if there is none.
std::string tools_error(const std::vector<ToolFunction>& list, const std::string& name = "") {
  ToolOptions options;
  options.name = name;
  try {
    Constraint::tools(list, options);
    return "";
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
}

}  // namespace

TEST_CASE("required tools accept only calls that match their parameters", "[constraints]") {
  const Constraint tools = Constraint::tools(functions(), required());
  for (const std::string& text :
       {call("weather", R"({"city": "Oslo"})"), call("weather", R"({"days":3,"city":"\u00c5s"})"),
        call("time", "{}"), call("time", R"({"zone": [1, null]})"),
        call("time", "{}") + "\n" + call("weather", R"({"city": ""})")}) {
    CAPTURE(text);
    CHECK(tools.accepts(text));
    for (std::size_t i = 0; i <= text.size(); ++i) REQUIRE(tools.allows_prefix(text.substr(0, i)));
  }
  const std::string time = call("time", "{}");
  for (const std::string& text :
       {std::string(), std::string("Hello"), call("weather", "{}"), call("weather", R"({"city": 1})"),
        call("weather", R"({"city": "Oslo", "days": 8})"), call("weather", R"({"city": "Oslo", "x": 1})"),
        call("time", "[]"), call("time", "null"), call("tim", "{}"), call("times", "{}"), " " + time,
        time + " ", time + "\n", time + time, time + "\n\n" + time, time.substr(0, time.size() - 1),
        std::string("<tool_call>{\"name\": \"time\", \"arguments\": {}}</tool_call>"),
        std::string("<tool_call>\n{\"arguments\": {}, \"name\": \"time\"}\n</tool_call>")}) {
    CAPTURE(text);
    CHECK_FALSE(tools.accepts(text));
  }
  CHECK(tools.shortest() == time);
}

TEST_CASE("text may come before calls that are not required, or alone", "[constraints]") {
  const Constraint tools = Constraint::tools(functions());
  const std::string time = call("time", "{}");
  for (const std::string& text : {std::string(), std::string("Hello."), std::string("a < b <tool_"), time,
                                  "Let me see.\n" + time, "<" + time, "x" + time + "\n" + time}) {
    CAPTURE(text);
    CHECK(tools.accepts(text));
  }
  for (const std::string& text : {time + " done", time + "\nx", std::string("<tool_call>"),
                                  std::string("x <tool_call> y"), std::string("\xFF")}) {
    CAPTURE(text);
    CHECK_FALSE(tools.accepts(text));
  }
  CHECK(tools.allows_prefix("x <tool_call>"));
  CHECK_FALSE(tools.allows_prefix("x <tool_call> "));
  CHECK(tools.allows_prefix("<tool_call>\n{\"name\": \"w"));
  CHECK_FALSE(tools.allows_prefix("<tool_call>\n{\"name\": \"x"));
  CHECK(tools.shortest().empty());
  CHECK_FALSE(tools.is_empty());
}

TEST_CASE("options of tools: one function, one call, spacing", "[constraints]") {
  const std::string time = call("time", "{}"), weather = call("weather", R"({"city": "Oslo"})");
  ToolOptions named;
  named.name = "weather";
  const Constraint only = Constraint::tools(functions(), named);
  CHECK(only.accepts(weather));
  CHECK_FALSE(only.accepts(time));
  CHECK_FALSE(only.accepts(""));
  CHECK_FALSE(only.accepts("Hello"));
  ToolOptions single;
  single.parallel = false;
  const Constraint one = Constraint::tools(functions(), single);
  CHECK(one.accepts("Hello " + time));
  CHECK_FALSE(one.accepts(time + "\n" + time));
  ToolOptions compact = required();
  compact.json.spacing = JsonSpacing::compact;
  CHECK(Constraint::tools(functions(), compact).shortest() ==
        "<tool_call>\n{\"name\":\"time\",\"arguments\":{}}\n</tool_call>");
}

TEST_CASE("arguments of tools are objects, whatever the parameters say", "[constraints]") {
  const std::vector<ToolFunction> any_type{{"f", R"({"anyOf": [{"type": "string"}, {"type": "object"}]})"}};
  const Constraint tools = Constraint::tools(any_type, required());
  CHECK(tools.accepts(call("f", R"({"a": 1})")));
  CHECK_FALSE(tools.accepts(call("f", R"("x")")));
  const std::vector<ToolFunction> never{{"f", R"({"type": "string"})"}};
  CHECK(Constraint::tools(never, required()).is_empty());
  const std::vector<ToolFunction> either{{"f", R"({"type": "string"})"}, {"time"}};
  CHECK(Constraint::tools(either, required()).shortest() == call("time", "{}"));
}

TEST_CASE("names of functions are escaped in calls", "[constraints]") {
  const std::vector<ToolFunction> list{{"say \"hi\"\n\xE4\xBD\xA0"}};
  const std::string text = Constraint::tools(list, required()).shortest();
  CHECK(text == call("say \\\"hi\\\"\\n\xE4\xBD\xA0", "{}"));
  const ToolCalls parsed = parse_tool_calls(text);
  REQUIRE(parsed.calls.size() == 1);
  CHECK(parsed.calls[0].name == list[0].name);
}

TEST_CASE("errors of tools name the function", "[constraints]") {
  CHECK(tools_error({}).starts_with("invalid_argument: "));
  CHECK(tools_error({{""}}).starts_with("invalid_argument: "));
  CHECK(tools_error({{"\xFF"}}).starts_with("invalid_argument: "));
  const std::string missing = tools_error({{"f"}}, "nope");
  CHECK(missing.starts_with("invalid_argument: "));
  CHECK(missing.find("nope") != std::string::npos);
  const std::string malformed = tools_error({{"f"}, {"broken", "{"}});
  CHECK(malformed.starts_with("bad_format: "));
  CHECK(malformed.find("broken") != std::string::npos);
  const std::string unsupported = tools_error({{"f"}, {"unique", R"({"uniqueItems": true})"}});
  CHECK(unsupported.starts_with("unsupported: "));
  CHECK(unsupported.find("\"unique\"") != std::string::npos);
  CHECK(unsupported.find("uniqueItems") != std::string::npos);
}

TEST_CASE("parse_tool_calls separates calls from text", "[constraints]") {
  CHECK(parse_tool_calls("").content.empty());
  CHECK(parse_tool_calls("  hi \n").content == "hi");
  const ToolCalls found =
      parse_tool_calls("\nLet me see. \n" + call("time", "{}") +
                       "\n<tool_call>{\"arguments\":{\"n\":1.50},\"name\":\"f\"}</tool_call>" + "\nDone.\n");
  CHECK(found.content == "Let me see.\nDone.");
  REQUIRE(found.calls.size() == 2);
  CHECK(found.calls[0].name == "time");
  CHECK(found.calls[0].arguments == "{}");
  CHECK(found.calls[1].name == "f");
  CHECK(found.calls[1].arguments == "{\"n\": 1.50}");
}

TEST_CASE("parse_tool_calls keeps numbers as written and the tags inside of strings", "[constraints]") {
  const std::string arguments =
      R"({"id": 12345678901234567890, "text": "a \"</tool_call>\" \\", "more": ["<tool_call>", "</tool_call>"]})";
  const std::string answer = call("f", arguments) + "\n" + call("g", "{}");
  const ToolCalls found = parse_tool_calls(answer);
  CHECK(found.content.empty());
  REQUIRE(found.calls.size() == 2);
  CHECK(found.calls[0].arguments == arguments);
  CHECK(found.calls[1].name == "g");
}

TEST_CASE("parse_tool_calls leaves malformed and unfinished blocks in the content", "[constraints]") {
  std::string deep = "1";
  for (int i = 0; i < 10'000; ++i) deep = "[" + deep + "]";
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("\""), std::string("\\"),
        std::string(R"({"name": "f"})"), std::string(R"({"arguments": {}})"),
        std::string(R"({"name": "f", "arguments": "x"})"), std::string(R"({"name": 1, "arguments": {}})"),
        std::string(R"({"name": "f", "arguments": {}, "id": 1})"),
        std::string(R"({"name": "f", "name": "g", "arguments": {}})"),
        std::string(R"({"name": "f", "arguments": {"a": 1, "a": 2}})"),
        std::string(R"({"name": "f", "arguments": {}} x)"), std::string(R"({'name': 'f', 'arguments': {}})"),
        std::string(R"({"name": "f)"), std::string(R"({"name": "f", "arguments": {"t": "\"}})"),
        std::string("{\"name\": \"\xFF\", \"arguments\": {}}"),
        R"({"name": "f", "arguments": {"deep": )" + deep + "}}"}) {
    CAPTURE(body.substr(0, 80));
    const std::string block = "before <tool_call>" + body + "</tool_call>";
    const ToolCalls found = parse_tool_calls(block + " after\n" + call("time", "{}"));
    CHECK(found.content == block + "\nafter");
    REQUIRE(found.calls.size() == 1);
    CHECK(found.calls[0].name == "time");
  }
  for (const std::string& answer :
       {std::string("text <tool_call>\n{\"name\": \"f\", \"arguments\": {}}"),
        std::string("a </tool_call> b"), std::string("</tool_call><tool_call>")}) {
    CAPTURE(answer);
    CHECK(parse_tool_calls(answer).content == answer);
    CHECK(parse_tool_calls(answer).calls.empty());
  }
}

namespace {

struct SplitCalls {
  std::string text;
  std::vector<ToolCall> calls;
};

// The answer in pieces of `size` bytes.
SplitCalls split_calls(std::string_view answer, std::size_t size) {
  ToolCallSplitter splitter;
  SplitCalls out;
  const auto add = [&](const ToolCallSplitter::Parts& parts) {
    out.text += parts.text;
    for (const ToolCallPiece& piece : parts.calls) {
      REQUIRE(piece.index + 1 >= out.calls.size());
      if (piece.index == out.calls.size()) {
        CHECK_FALSE(piece.name.empty());
        out.calls.push_back({piece.name, {}});
      } else {
        CHECK(piece.name.empty());
      }
      out.calls[piece.index].arguments += piece.arguments;
    }
  };
  for (std::size_t at = 0; at < answer.size(); at += size) add(splitter.push(answer.substr(at, size)));
  add(splitter.finish());
  CHECK(splitter.calls() == out.calls.size());
  return out;
}

}  // namespace

TEST_CASE("calls are found while an answer is generated, however it is cut", "[constraints]") {
  const std::vector<std::string> answers{
      "",
      "Hello <tool_cal",
      "a < b",
      call("time", "{}"),
      "Let me see.\n" + call("time", R"({"zone": "a\n</tool_call>"})"),
      call("weather", R"({"city": "Oslo", "days": 3})") + "\n" + call("time", R"({"a": {"b": [1, {}]}})"),
      call(R"(a\", \"arguments\": 1)", R"({"\"arguments\":": 2})")};
  for (const std::string& answer : answers) {
    const ToolCalls whole = parse_tool_calls(answer);
    for (std::size_t size = 1; size <= answer.size() + 1; ++size) {
      CAPTURE(answer, size);
      const SplitCalls found = split_calls(answer, size);
      CHECK(found.text == whole.content);
      REQUIRE(found.calls.size() == whole.calls.size());
      for (std::size_t i = 0; i < whole.calls.size(); ++i) {
        CHECK(found.calls[i].name == whole.calls[i].name);
        CHECK(found.calls[i].arguments == whole.calls[i].arguments);
      }
    }
  }
}

TEST_CASE("pieces of calls are whole characters", "[constraints]") {
  const std::string answer = "好。\n" + call("time", R"({"地方": "北京的}}}故宫😀博物院"})");
  ToolCallSplitter splitter;
  for (std::size_t at = 0; at < answer.size();) {
    std::size_t size = 1;
    while (at + size < answer.size() && (static_cast<unsigned char>(answer[at + size]) & 0xC0) == 0x80)
      ++size;
    const auto parts = splitter.push(answer.substr(at, size));
    CHECK(is_valid_utf8(parts.text));
    for (const ToolCallPiece& piece : parts.calls) CHECK(is_valid_utf8(piece.arguments));
    at += size;
  }
  CHECK(splitter.finish().calls.empty());
}

TEST_CASE("blocks that are no calls are text while an answer is generated", "[constraints]") {
  for (const std::string& answer :
       {std::string("<tool_call>"), std::string("x <tool_call> y </tool_call> z"),
        std::string("<tool_call>\n{\"arguments\": {}}\n</tool_call>"), "<tool_call>" + std::string(5000, '{'),
        std::string("<tool_call>\n{\"name\": 5, \"arguments\": {}}\n</tool_call>")}) {
    for (const std::size_t size : {1, 3, 100'000}) {
      CAPTURE(answer.substr(0, 60), size);
      const SplitCalls found = split_calls(answer, size);
      CHECK(found.calls.empty());
      std::string without_space;
      for (const char c : answer)
        if (c != ' ') without_space += c;
      std::string text;
      for (const char c : found.text)
        if (c != ' ') text += c;
      CHECK(text == without_space);
    }
  }
  // Cut within a call: what is known is delivered.
  const SplitCalls cut = split_calls("<tool_call>\n{\"name\": \"time\", \"arguments\": {\"zone\": \"Os", 2);
  REQUIRE(cut.calls.size() == 1);
  CHECK(cut.calls[0].arguments == "{\"zone\": \"Os");
}
