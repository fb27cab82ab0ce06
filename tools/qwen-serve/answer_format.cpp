#include "qwen-serve/answer_format.h"

#include <algorithm>

namespace qwen_serve {
namespace {

using Kind = AnswerFormat::Kind;

constexpr std::size_t kMaxTools = 128;
constexpr std::size_t kMaxGuidedChoices = 1000;

// A name as OpenAI's clients send it.
void check_name(const std::string& name, const std::string& field) {
  const auto valid = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  if (name.empty() || name.size() > 128 || !std::ranges::all_of(name, valid))
    throw bad_field(field,
                    field + ": expected a name of 1 to 128 letters, digits, \"_\", \"-\" and \".\", found " +
                        describe(name));
}

const InputJson& need_object(const InputJson& value, const std::string& path) {
  if (!value.is_object()) throw bad_field(path, path + ": expected an object, found " + describe(value));
  return value;
}

// A schema: an object, true or false.
std::string schema_text(const InputJson& value, RawJson raw, const std::string& path) {
  if (!value.is_object() && !value.is_boolean())
    throw bad_field(path, path + ": expected a JSON schema, found " + describe(value));
  return std::string(raw.text());
}

// Only one field may choose the format.
void choose(AnswerFormat& format, Kind kind, const char* field) {
  if (format.kind != Kind::text)
    throw bad_field(field,
                    std::string(field) + ": the answer's form is chosen by " + format.field + " already");
  format.kind = kind;
  format.field = field;
}

void read_response_format(AnswerFormat& format, const InputJson& value, RawJson raw) {
  Fields fields(need_object(value, "response_format"), "response_format");
  const std::string type = fields.text("type").value_or("");
  if (type == "json_schema") {
    const InputJson* inner = fields.find("json_schema");
    if (!inner)
      throw bad_field("response_format.json_schema", "response_format.json_schema is missing",
                      "missing_field");
    Fields described(need_object(*inner, "response_format.json_schema"), "response_format.json_schema");
    const InputJson* schema = described.find("schema");
    if (!schema)
      throw bad_field("response_format.json_schema.schema", "response_format.json_schema.schema is missing",
                      "missing_field");
    described.text("name");
    described.text("description");
    described.flag("strict");  // every schema is enforced
    described.finish();
    choose(format, Kind::json_schema, "response_format");
    format.source = schema_text(*schema, raw.member("json_schema").member("schema"),
                                "response_format.json_schema.schema");
  } else if (type == "json_object") {
    // llama.cpp's form has a schema beside the type.
    const InputJson* schema = fields.find("schema");
    choose(format, schema ? Kind::json_schema : Kind::json_object, "response_format");
    if (schema) format.source = schema_text(*schema, raw.member("schema"), "response_format.schema");
  } else if (type != "text") {
    throw bad_field(
        "response_format.type",
        "response_format.type: expected text, json_object or json_schema, found " + describe(type));
  }
  fields.finish();
}

qwen::ToolFunction read_tool(const InputJson& value, RawJson raw, const std::string& path) {
  Fields fields(need_object(value, path), path);
  if (const std::string type = fields.text("type").value_or("function"); type != "function")
    throw bad_field(path + ".type", path + ".type: only \"function\" is supported, found " + describe(type),
                    "unsupported_field");
  const InputJson* inner = fields.find("function");
  if (!inner) throw bad_field(path + ".function", path + ".function is missing", "missing_field");
  Fields function(need_object(*inner, path + ".function"), path + ".function");
  qwen::ToolFunction tool;
  tool.name = function.text("name").value_or("");
  check_name(tool.name, path + ".function.name");
  function.text("description");
  function.flag("strict");
  if (const InputJson* parameters = function.find("parameters"))
    tool.parameters = std::string(raw.member("function").member("parameters").text()),
    need_object(*parameters, path + ".function.parameters");
  function.finish();
  fields.finish();
  return tool;
}

void read_tools(AnswerFormat& format, const InputJson& list, RawJson raw) {
  if (!list.is_array() || list.size() > kMaxTools)
    throw bad_field("tools", "tools: expected a list of at most " + std::to_string(kMaxTools) +
                                 " tools, found " +
                                 (list.is_array() ? std::to_string(list.size()) : describe(list)));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string path = "tools[" + std::to_string(i) + "]";
    format.functions.push_back(read_tool(list[i], raw.element(i), path));
    const auto same = [&](const qwen::ToolFunction& other) {
      return other.name == format.functions.back().name;
    };
    if (std::count_if(format.functions.begin(), format.functions.end(), same) > 1)
      throw bad_field(path + ".function.name", path + ".function.name: two tools have the name " +
                                                   describe(format.functions.back().name));
  }
  if (!format.functions.empty()) format.tools = std::string(raw.text());
}

// none, auto, required, or {"type": "function", "function": {"name": ...}}.
void read_tool_choice(AnswerFormat& format, const InputJson* choice) {
  bool calls = !format.functions.empty();
  if (choice && choice->is_string()) {
    const std::string& text = choice->get_ref<const std::string&>();
    if (text != "none" && text != "auto" && text != "required")
      throw bad_field("tool_choice",
                      "tool_choice: expected none, auto, required or a function, found " + describe(text));
    if (text == "required" && !calls)
      throw bad_field("tool_choice", "tool_choice: required, but there are no tools");
    calls = calls && text != "none";
    format.tool_options.required = text == "required";
  } else if (choice) {
    Fields fields(need_object(*choice, "tool_choice"), "tool_choice");
    fields.text("type");
    const InputJson* function = fields.find("function");
    if (!function)
      throw bad_field("tool_choice.function", "tool_choice.function is missing", "missing_field");
    Fields inner(need_object(*function, "tool_choice.function"), "tool_choice.function");
    const std::string name = inner.text("name").value_or("");
    inner.finish();
    fields.finish();
    if (std::ranges::none_of(format.functions, [&](const auto& tool) { return tool.name == name; }))
      throw bad_field("tool_choice.function.name",
                      "tool_choice.function.name: no tool has the name " + describe(name));
    format.tool_options.name = name;
    format.tool_options.required = true;
  }
  if (calls) choose(format, Kind::tools, "tools");
}

}  // namespace

AnswerFormat read_answer_format(Fields& fields, RawJson raw) {
  AnswerFormat format;
  if (const InputJson* value = fields.find("response_format"))
    read_response_format(format, *value, raw.member("response_format"));
  for (const char* name : {"guided_json", "json_schema"}) {
    if (const InputJson* value = fields.find(name)) {
      choose(format, Kind::json_schema, name);
      format.source =
          value->is_string() ? value->get<std::string>() : schema_text(*value, raw.member(name), name);
    }
  }
  if (auto pattern = fields.text("guided_regex")) {
    choose(format, Kind::regex, "guided_regex");
    format.source = std::move(*pattern);
  }
  if (fields.find("guided_choice")) {
    choose(format, Kind::choice, "guided_choice");
    format.choices = fields.texts("guided_choice", kMaxGuidedChoices);
  }
  if (const InputJson* tools = fields.find("tools")) read_tools(format, *tools, raw.member("tools"));
  format.tool_options.parallel = fields.flag("parallel_tool_calls").value_or(true);
  read_tool_choice(format, fields.find("tool_choice"));
  return format;
}

AnswerFormat read_ollama_format(Fields& fields, RawJson raw) {
  AnswerFormat format;
  const InputJson* value = fields.find("format");
  if (value && *value == "json") {
    choose(format, Kind::json_object, "format");
  } else if (value && *value != "") {
    choose(format, Kind::json_schema, "format");
    format.source = schema_text(*value, raw.member("format"), "format");
  }
  if (const InputJson* tools = fields.find("tools")) read_tools(format, *tools, raw.member("tools"));
  read_tool_choice(format, nullptr);
  return format;
}

std::optional<qwen::Constraint> AnswerFormat::constraint() const {
  auto constraint = compile();
  if (constraint && constraint->is_empty()) throw bad_field(field, field + ": no answer satisfies it");
  return constraint;
}

std::optional<qwen::Constraint> AnswerFormat::compile() const {
  try {
    switch (kind) {
      case Kind::text: return std::nullopt;
      case Kind::json_object: return qwen::Constraint::json_object();
      case Kind::json_schema: return qwen::Constraint::json_schema(source);
      case Kind::regex: return qwen::Constraint::regex(source);
      case Kind::choice: return qwen::Constraint::choice(choices);
      case Kind::tools: return qwen::Constraint::tools(functions, tool_options);
    }
  } catch (const qwen::Error& error) {
    throw bad_field(field, field + ": " + error.what(),
                    error.code() == qwen::ErrorCode::unsupported ? "unsupported_field" : "invalid_value");
  }
  return std::nullopt;
}

std::string AnswerFormat::key() const {
  std::string key = std::to_string(static_cast<int>(kind));
  const auto add = [&](const std::string& text) { key += '\n' + std::to_string(text.size()) + ':' + text; };
  add(source);
  for (const std::string& choice : choices) add(choice);
  if (kind == Kind::tools) {
    add(tools);
    add(tool_options.name);
    key += tool_options.required ? 'r' : 'o';
    key += tool_options.parallel ? 'p' : 's';
  }
  return key;
}

}  // namespace qwen_serve
