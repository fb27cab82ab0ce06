// Ollama's API: /api/tags, /api/show, /api/version, /api/ps, /api/chat, /api/generate.
#include <cstdio>

#include "qwen-serve/completion_run.h"
#include "qwen-serve/endpoints.h"
#include "qwen-serve/request_fields.h"

namespace qwen_serve {
namespace {

std::string iso_time(long seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Json details_json(const ModelCard& card) {
  char size[32];
  std::snprintf(size, sizeof size, "%.1fM", static_cast<double>(card.info.parameters) / 1e6);
  return {{"parent_model", ""},
          {"format", "gguf"},
          {"family", card.info.architecture},
          {"families", Json::array({card.info.architecture})},
          {"parameter_size", size},
          {"quantization_level", card.info.file_type}};
}

// The digest of a model's contents; "" before it is loaded the first time.
std::string digest_of(const Service& service, std::size_t index) {
  const std::uint64_t fingerprint = service.models.fingerprint(index);
  char digest[24] = "";
  if (fingerprint != 0)
    std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(fingerprint));
  return digest;
}

// All models, or only those that are loaded.
Json list_models(const Service& service, bool only_loaded) {
  Json list = Json::array();
  for (const auto& [id, index] : service.models.names()) {
    if (only_loaded && !service.models.is_loaded(index)) continue;
    const ModelCard& card = service.models.card(index);
    Json entry = {{"name", id},
                  {"model", id},
                  {"modified_at", iso_time(service.created)},
                  {"size", only_loaded ? card.memory_bytes : card.weight_bytes},
                  {"digest", digest_of(service, index)},
                  {"details", details_json(card)}};
    if (only_loaded) {
      entry["expires_at"] = "2100-01-01T00:00:00Z";  // unloaded by memory, not by time
      entry["size_vram"] = 0;
      entry["context_length"] = card.context;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

// "options": what changes the text is honored or refused; the rest concerns Ollama's own runner.
void read_options(Fields& fields, CompletionRequest& request) {
  const InputJson* options = fields.find("options");
  if (!options) return;
  if (!options->is_object())
    throw bad_field("options", "options: expected an object, found " + describe(*options));
  Fields inner(*options, "options");
  request.reply.read_sampling(inner);
  if (const auto tokens = inner.integer("num_predict", -2, INT32_MAX))  // -2: fill the context
    request.reply.max_tokens = *tokens < 0 ? ReplyFields::kNoLimit : static_cast<int>(*tokens);
  request.stop = inner.texts("stop", kMaxStops);
  std::erase(request.stop, "");
  ignore_and_refuse(inner, FieldScope::ollama_options);
  inner.finish();
}

void read_shared(Fields& fields, RawJson raw, CompletionRequest& request) {
  const auto model = fields.text("model");
  if (!model) throw bad_field("model", "model is missing", "missing_field");
  request.model = *model;
  request.stream = fields.flag("stream").value_or(true);
  read_options(fields, request);
  request.format = read_ollama_format(fields, raw);
  request.thinking = fields.flag("think");
  ignore_and_refuse(fields, FieldScope::ollama);
}

CompletionRequest read_chat(const InputJson& body, RawJson raw) {
  Fields fields(body);
  CompletionRequest request;
  request.chat = true;
  read_shared(fields, raw, request);
  if (const InputJson* messages = fields.find("messages"); messages && !messages->empty()) {
    InputJson list = *messages;
    if (list.is_array())
      for (InputJson& message : list) {
        if (!message.is_object()) continue;
        // Clients send empty lists and strings for what a message does not have.
        for (const char* name : {"images", "tool_calls", "thinking", "tool_name"}) {
          const auto found = message.find(name);
          if (found != message.end() && (found->is_null() || found->empty() || *found == ""))
            message.erase(name);
        }
        for (const auto& [name, other] :
             {std::pair{"thinking", "reasoning_content"}, std::pair{"tool_name", "name"}}) {
          if (!message.contains(name)) continue;
          message[other] = message[name];
          message.erase(name);
        }
      }
    request.messages = read_messages(list, "messages");
  }
  fields.finish();
  return request;
}

CompletionRequest read_generate(const InputJson& body, RawJson raw) {
  Fields fields(body);
  CompletionRequest request;
  read_shared(fields, raw, request);
  if (!request.format.tools.empty())
    throw bad_field("tools", "tools: only in /api/chat", "unsupported_field");
  const std::string prompt = fields.text("prompt").value_or("");
  const auto system = fields.text("system");
  const bool plain = fields.flag("raw").value_or(false);
  ignore_and_refuse(fields, FieldScope::ollama_generate);
  fields.finish();
  request.chat = !plain;
  if (prompt.empty()) return request;
  if (plain) {
    request.prompts.emplace_back(prompt);
  } else {
    if (system && !system->empty()) request.messages.push_back({"system", *system});
    request.messages.push_back({"user", prompt});
  }
  return request;
}

struct OllamaRun : CompletionRun {
  using CompletionRun::CompletionRun;
  std::string model;
  bool is_chat = false;  // /api/chat, not /api/generate

  // `calls`: whole ones.
  Json line(const Delta& delta, bool done) const {
    Json body = {{"model", model}, {"created_at", utc_now()}};
    if (is_chat) {
      Json message = {{"role", "assistant"}, {"content", delta.text}};
      if (!delta.reasoning.empty()) message["thinking"] = delta.reasoning;
      for (const qwen::ToolCall& call : join_calls(delta.calls)) {
        Json arguments = Json::parse(call.arguments, nullptr, false);
        if (arguments.is_discarded()) arguments = call.arguments;  // cut by a stop text
        message["tool_calls"].push_back(
            {{"function", {{"name", call.name}, {"arguments", std::move(arguments)}}}});
      }
      body["message"] = std::move(message);
    } else {
      body["response"] = delta.text;
      if (!delta.reasoning.empty()) body["thinking"] = delta.reasoning;
    }
    body["done"] = done;
    return body;
  }
  Json last_line(const Delta& delta) const {
    const auto nanoseconds = [](double seconds) { return static_cast<std::int64_t>(seconds * 1e9); };
    Json body = line(delta, true);
    body["done_reason"] = finish_name(answer.choices[0].finish, false);
    body["total_duration"] = nanoseconds(timings.total_seconds);
    body["load_duration"] = 0;
    body["prompt_eval_count"] = answer.usage.prompt_tokens;
    body["prompt_eval_duration"] = nanoseconds(timings.first_token_seconds - timings.queue_seconds);
    body["eval_count"] = answer.usage.generated_tokens;
    body["eval_duration"] = nanoseconds(timings.decode_seconds);
    return body;
  }
};

void stream_lines(OllamaRun& run, StreamWriter& out) {
  try {
    qwen::EngineJob& job = run.jobs[0];
    ReplySplitter splitter = run.splitter();
    const auto send = [&](Delta delta) {
      delta.calls.clear();  // sent when they are complete
      if (!delta.text.empty() || !delta.reasoning.empty()) out.text(dump(run.line(delta, false)) + "\n");
    };
    while (!job.done() && out.alive())
      if (const auto chunk = job.next(std::chrono::hours(1)); chunk) send(splitter.push(chunk->text));
    send(splitter.finish());
    run.collect(0);
    run.admitted.reset();
    const Delta& whole = run.answer.choices[0].delta;
    if (!whole.calls.empty()) out.text(dump(run.line({.calls = whole.calls}, false)) + "\n");
    out.text(dump(run.last_line({})) + "\n");
  } catch (...) {
    const ApiError error = current_api_error();
    run.context.log.error = error.code;
    out.text(dump({{"error", error.what()}}) + "\n");
  }
}

void answer(Service& service, RequestContext& context, const CompletionRequest& request, bool is_chat) {
  const ServedModelPtr served = service.use_model(context, request.model);
  context.log.task = is_chat ? "chat" : "completion";
  if (request.messages.empty() && request.prompts.empty()) {  // only loads the model
    Json body = {{"model", *request.model}, {"created_at", utc_now()}};
    if (is_chat)
      body["message"] = {{"role", "assistant"}, {"content", ""}};
    else
      body["response"] = "";
    body["done_reason"] = "load";
    body["done"] = true;
    return context.json(body);
  }
  auto run = std::make_shared<OllamaRun>(service, context, request);
  run->model = *request.model;
  run->is_chat = is_chat;
  run->submit();
  if (request.stream)
    return context.stream("application/x-ndjson", [run](StreamWriter& out) { stream_lines(*run, out); });
  run->collect(0);
  context.json(run->last_line(run->answer.choices[0].delta));
}

}  // namespace

void ollama_version(Service&, RequestContext& context) {
  context.json({{"version", QWEN_VERSION}});
}

void ollama_tags(Service& service, RequestContext& context) {
  context.json({{"models", list_models(service, false)}});
}

void ollama_ps(Service& service, RequestContext& context) {
  context.json({{"models", list_models(service, true)}});
}

void ollama_show(Service& service, RequestContext& context) {
  const InputJson body = parse_body(context.request.body);
  Fields fields(body);
  auto name = fields.text("model");
  if (const auto old_name = fields.text("name"); !name) name = old_name;
  ignore_and_refuse(fields, FieldScope::ollama_show);
  fields.finish();
  if (!name) throw bad_field("model", "model is missing", "missing_field");
  // Clients show each model of a list: that must not load them all.
  const ModelCard& card = service.models.card(service.choose_model(name));
  Json capabilities = Json::array({"completion"});
  if (card.shows_tools) capabilities.push_back("tools");
  if (card.thinking != qwen::ChatTemplate::Thinking::none) capabilities.push_back("thinking");
  context.json({{"modelfile", ""},
                {"parameters", ""},
                {"template", card.template_name},
                {"details", details_json(card)},
                {"model_info",
                 {{"general.architecture", card.info.architecture},
                  {"general.parameter_count", card.info.parameters},
                  {card.info.architecture + ".context_length", card.context}}},
                {"capabilities", std::move(capabilities)},
                {"modified_at", iso_time(service.created)}});
}

void ollama_chat(Service& service, RequestContext& context) {
  answer(service, context, read_chat(parse_body(context.request.body), RawJson(context.request.body)), true);
}

void ollama_generate(Service& service, RequestContext& context) {
  answer(service, context, read_generate(parse_body(context.request.body), RawJson(context.request.body)),
         false);
}

void ollama_unsupported(Service&, RequestContext& context) {
  throw ApiError(
      501, "not_implemented",
      context.request.path + " is not implemented: qwen-serve serves the model that it was started with");
}

}  // namespace qwen_serve
