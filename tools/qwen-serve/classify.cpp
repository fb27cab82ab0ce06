// /v1/classify.
#include "qwen-serve/endpoints.h"
#include "qwen-serve/task_json.h"
#include "qwen-serve/task_requests.h"

namespace qwen_serve {

void classify(Service& service, Exchange& exchange) {
  const ClassifyRequest request = read_classify_request(parse_body(exchange.body));
  if (request.model) service.check_model(*request.model);
  const std::string name = request.task.value_or(service.options.task);
  const bool own_labels = !request.labels.empty();
  if (!own_labels && !service.tasks.find(name)) service.classifiers.task(name);  // throws
  exchange.record.task = own_labels ? "labels" : name;
  const Work work(service, exchange);
  const auto classifier =
      own_labels ? service.classifiers.labels(request.labels) : service.classifiers.task(name);
  const qwen::Task& task = classifier->task();
  for (const std::string& text : request.texts)
    service.check_prompt(classifier->prompt(text).tokens.size(), request.many ? "texts" : "text");

  Usage usage;
  Timings timings;
  bool all_known = true;
  Json results = Json::array();
  const auto add_result = [&](const qwen::Classification& found) {
    Json result = label_json(task, found);
    result["cached"] = found.cached;
    result["ms"] = to_ms(found.seconds);
    results.push_back(std::move(result));
    add(usage, found);
    all_known = all_known && found.cached;
    timings.queue_seconds = std::max(timings.queue_seconds, found.queue_seconds);
    if (results.size() == 1) timings.first_token_seconds = exchange.seconds();
  };
  try {
    if (!request.many)
      add_result(classifier->classify(request.texts.front(), qwen::ClassifyMode::score, work.token()));
    else
      classifier->classify_batch(request.texts, qwen::ClassifyMode::score,
                                 [&](std::size_t, const qwen::Classification& found) {
                                   add_result(found);
                                   return !work.token().cancelled();
                                 });
  } catch (const qwen::Error& error) {
    if (error.code() == qwen::ErrorCode::cancelled) work.check();
    throw;
  }
  work.check();
  timings.total_seconds = exchange.seconds();

  Record& record = exchange.record;
  record.prompt_tokens = usage.prompt_tokens;
  record.cached_tokens = usage.cached_tokens;
  record.queue_seconds = timings.queue_seconds;
  record.first_token_seconds = timings.first_token_seconds;
  record.cache_hit = all_known;
  if (service.options.cache_entries > 0) exchange.response->set_header("X-Cache", all_known ? "hit" : "miss");

  Json body = {{"object", "classification"}, {"model", service.model_id}};
  body["task"] = own_labels ? Json() : Json(task.name);
  if (request.many)
    body["results"] = std::move(results);
  else
    body.update(results[0]);
  body["usage"] = usage_json(usage);
  body["timings"] = timings_json(timings);
  exchange.json(body);
}

}  // namespace qwen_serve
