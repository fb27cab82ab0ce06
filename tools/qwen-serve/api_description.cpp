#include "qwen-serve/api_description.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "qwen-serve/endpoints.h"
#include "qwen-serve/request_fields.h"
#include "qwen-serve/router.h"

namespace qwen_serve {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kEvents = "text/event-stream";
constexpr std::string_view kLines = "application/x-ndjson";

// What routes() does not say. A route without an entry is described with any JSON object as body and answer.
struct RouteBodies {
  std::string_view method, path;  // as in routes(); or a part of a route that ends in "*"
  const char* request;            // schema of the body; null: none
  const char* answer;             // schema of a JSON answer; null: another type
  std::string_view type;          // of the answer
  std::string_view streamed;      // type of a streamed answer; "": never streamed
  const char* example;            // a body
};

constexpr RouteBodies kBodies[] = {
    {"GET", "/", nullptr, nullptr, "text/html", "", nullptr},
    {"GET", "/web/*", nullptr, nullptr, "*/*", "", nullptr},
    {"GET", "/docs", nullptr, nullptr, "text/html", "", nullptr},
    {"GET", "/health", nullptr, "Health", kJson, "", nullptr},
    {"GET", "/ready", nullptr, "Ready", kJson, "", nullptr},
    {"GET", "/metrics", nullptr, nullptr, "text/plain", "", nullptr},
    {"GET", "/v1/models", nullptr, "ModelList", kJson, "", nullptr},
    {"GET", "/v1/models/*", nullptr, "Model", kJson, "", nullptr},
    {"POST", "/v1/chat/completions", "ChatCompletionRequest", "ChatCompletion", kJson, kEvents,
     R"({"messages": [{"role": "user", "content": "你好"}], "max_tokens": 64})"},
    {"POST", "/v1/completions", "CompletionRequest", "Completion", kJson, kEvents,
     R"({"prompt": "今天天气", "max_tokens": 16})"},
    {"POST", "/v1/classify", "ClassifyRequest", "Classification", kJson, "",
     R"({"task": "sentiment", "text": "太棒了！"})"},
    {"POST", "/v1/embeddings", "EmbeddingsRequest", "Embeddings", kJson, "", R"({"input": ["你好"]})"},
    {"POST", "/v1/rerank", "RerankRequest", "Rerank", kJson, "",
     R"({"query": "退货要几天？", "documents": ["七天内可以退货。", "今天下雨。"]})"},
    {"POST", "/tokenize", "TokenizeRequest", "Tokens", kJson, "", R"({"text": "你好"})"},
    {"POST", "/detokenize", "DetokenizeRequest", "Text", kJson, "", R"({"tokens": [0, 1, 2]})"},
    {"POST", "/apply-template", "ChatCompletionRequest", "Prompt", kJson, "",
     R"({"messages": [{"role": "user", "content": "你好"}]})"},
    {"POST", "/chat", "ChatRequest", nullptr, "text/plain", "", R"({"prompt": "你好", "max_tokens": 64})"},
    {"GET", "/api/info", nullptr, "Info", kJson, "", nullptr},
    {"POST", "/api/analyze", "AnalyzeRequest", nullptr, kEvents, "",
     R"({"text": "房间很脏。", "max_tokens": 64})"},
    {"GET", "/api/sessions/*", nullptr, "Session", kJson, "", nullptr},
    {"GET", "/api/sessions/*/export", nullptr, "Session", kJson, "text/markdown", nullptr},
    {"DELETE", "/api/sessions/*", nullptr, nullptr, "", "", nullptr},
    {"GET", "/api/version", nullptr, "OllamaVersion", kJson, "", nullptr},
    {"GET", "/api/tags", nullptr, "OllamaModels", kJson, "", nullptr},
    {"GET", "/api/ps", nullptr, "OllamaModels", kJson, "", nullptr},
    {"POST", "/api/show", "OllamaShowRequest", "OllamaModel", kJson, "", R"({"model": "any"})"},
    {"POST", "/api/chat", "OllamaChatRequest", "OllamaChatReply", kJson, kLines,
     R"({"model": "any", "messages": [{"role": "user", "content": "你好"}], "stream": false})"},
    {"POST", "/api/generate", "OllamaGenerateRequest", "OllamaGenerateReply", kJson, kLines,
     R"({"model": "any", "prompt": "你好", "stream": false})"},
    {"POST", "/api/embed", "OllamaEmbedRequest", "OllamaEmbeddings", kJson, "",
     R"({"model": "any", "input": "你好"})"},
    {"POST", "/api/embeddings", "OllamaEmbeddingsRequest", "OllamaEmbedding", kJson, "",
     R"({"model": "qwen", "prompt": "The weather is fine."})"},
};

// The schemas whose objects have the fields of a scope.
std::vector<const char*> schemas_of(FieldScope scope) {
  switch (scope) {
    case FieldScope::completions: return {"ChatCompletionRequest", "CompletionRequest"};
    case FieldScope::chat_completions: return {"ChatCompletionRequest"};
    case FieldScope::text_completions: return {"CompletionRequest"};
    case FieldScope::stream_options: return {"StreamOptions"};
    case FieldScope::message:
    case FieldScope::message_not_assistant:
    case FieldScope::message_not_tool: return {"Message"};
    case FieldScope::content_part: return {"ContentPart"};
    case FieldScope::tool_call: return {"ToolCall"};
    case FieldScope::tool_call_function: return {"ToolCallFunction"};
    case FieldScope::ollama: return {"OllamaChatRequest", "OllamaGenerateRequest"};
    case FieldScope::ollama_generate: return {"OllamaGenerateRequest"};
    case FieldScope::ollama_options: return {"OllamaOptions"};
    case FieldScope::ollama_show: return {"OllamaShowRequest"};
  }
  return {};
}

// The values with which a refused field is accepted.
Json harmless_values(const RequestField& field) {
  Json values = Json::parse(R"([null, false, "", [], {}])");
  for (const InputJson& value : field.harmless)
    if (const Json same = Json::parse(value.dump()); std::ranges::find(values, same) == values.end())
      values.push_back(same);
  return values;
}

void add_properties(Json& schema, const Json& schemas) {
  const auto found = schema.find("x-include");
  if (found == schema.end()) return;
  const Json names = *found;
  schema.erase("x-include");
  for (const Json& name : names) {
    Json other = schemas.at(name.get<std::string>());
    add_properties(other, schemas);
    for (const auto& [field, value] : other["properties"].items())
      if (!schema["properties"].contains(field)) schema["properties"][field] = value;
  }
}

Json all_schemas() {
  const Json requests = Json::parse(kRequestSchemas), answers = Json::parse(kAnswerSchemas);
  Json schemas = Json::object();
  for (const Json* list : {&requests, &answers})
    for (const auto& [name, schema] : list->items()) {
      Json whole = schema;
      add_properties(whole, *list);
      schemas[name] = std::move(whole);
    }
  for (const RequestField& field : request_fields())
    for (const char* name : schemas_of(field.scope)) {
      Json& properties = schemas[name]["properties"];
      if (properties.contains(field.name)) continue;  // honored with another role
      if (field.use == RequestField::ignored)
        properties[field.name] = {{"description", "Ignored"}};
      else
        properties[field.name] = {{"enum", harmless_values(field)}, {"description", "Not supported"}};
    }
  return schemas;
}

Json reference(const char* schema) {
  return {{"$ref", std::string("#/components/schemas/") + schema}};
}

Json any_object() {
  return {{"type", "object"}};
}

// "/api/sessions/*" -> "/api/sessions/{id}"
std::string open_path(std::string path) {
  if (const auto star = path.find('*'); star != std::string::npos) path.replace(star, 1, "{id}");
  return path;
}

std::string operation_id(const std::string& method, const std::string& path) {
  std::string id = method;
  for (const char c : path) id += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return id;
}

Json request_body(const RouteBodies* bodies) {
  Json media = {{"schema", bodies && bodies->request ? reference(bodies->request) : any_object()}};
  if (bodies && bodies->example) media["example"] = Json::parse(bodies->example);
  return {{"required", true}, {"content", {{kJson, std::move(media)}}}};
}

Json answers(const Route& route, const RouteBodies* bodies) {
  Json responses;
  if (bodies && bodies->type.empty()) {
    responses["204"] = {{"description", "Done"}};
  } else if (route.handle != ollama_unsupported) {
    Json content;
    content[std::string(bodies ? bodies->type : kJson)] = {{"schema", !bodies ? any_object()
                                                                      : bodies->answer
                                                                          ? reference(bodies->answer)
                                                                          : Json{{"type", "string"}}}};
    if (bodies && !bodies->streamed.empty())
      content[std::string(bodies->streamed)] = {{"schema", {{"type", "string"}}}};
    responses["200"] = {{"description", "The answer"}, {"content", std::move(content)}};
  }
  responses[route.handle == ollama_unsupported ? "501" : "default"] = {
      {"description", "An error"},
      {"content", {{kJson, {{"schema", reference(route.ollama ? "OllamaError" : "Error")}}}}}};
  return responses;
}

Json parameters(const std::string& path) {
  Json list = Json::array();
  if (path.find("{id}") != std::string::npos)
    list.push_back({{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  if (path.ends_with("/export"))
    list.push_back(
        {{"name", "format"}, {"in", "query"}, {"schema", {{"enum", Json::array({"json", "markdown"})}}}});
  return list;
}

void add_operation(Json& paths, const Route& route, const RouteBodies* bodies, bool keys) {
  const std::string path = open_path(std::string(bodies ? bodies->path : route.path));
  std::string method = route.method;
  for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  Json operation = {{"summary", route.summary}, {"operationId", operation_id(method, path)}};
  if (route.ollama) operation["tags"] = Json::array({"Ollama"});
  if (Json list = parameters(path); !list.empty()) operation["parameters"] = std::move(list);
  if (method == "post") operation["requestBody"] = request_body(bodies);
  operation["responses"] = answers(route, bodies);
  const bool keyed = route.access == Route::Access::keyed || route.access == Route::Access::limited;
  if (keys && keyed) operation["security"] = Json::array({{{"key", Json::array()}}});
  paths[path][method] = std::move(operation);
}

}  // namespace

Json openapi_document(bool keys) {
  Json document;
  document["openapi"] = "3.1.0";
  document["info"] = {{"title", "qwen-serve"},
                      {"version", QWEN_VERSION},
                      {"description", "In a request null means absent. Unknown fields are refused."}};
  Json& paths = document["paths"] = Json::object();
  for (const Route& route : routes()) {
    const std::string path = route.path;
    bool described = false;
    for (const RouteBodies& bodies : kBodies) {
      const bool part = path.ends_with('*') && bodies.path.starts_with(path);
      if (bodies.method != route.method || !(bodies.path == path || part)) continue;
      described = true;
      add_operation(paths, route, &bodies, keys);
    }
    if (!described) add_operation(paths, route, nullptr, keys);
  }
  Json& components = document["components"] = {{"schemas", all_schemas()}};
  if (keys) components["securitySchemes"]["key"] = {{"type", "http"}, {"scheme", "bearer"}};
  Json& fields = document["x-fields"] = Json::object();
  for (const RequestField& field : request_fields())
    fields[scope_name(field.scope)][field.use == RequestField::ignored ? "ignored" : "refused"].push_back(
        field.name);
  return document;
}

}  // namespace qwen_serve
