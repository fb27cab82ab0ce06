// /v1/classify.
#include "qwen-serve/endpoints.h"
#include "qwen-serve/task_json.h"
#include "qwen-serve/task_requests.h"

namespace qwen_serve {

void classify(Service& service, RequestContext& context) {
  const ClassifyRequest request = read_classify_request(parse_body(context.request.body));
  const ServedModelPtr served = service.use_model(context, request.model);
  const std::string name = request.task.value_or(service.options.task);
  const bool own_labels = !request.labels.empty();
  if (!own_labels && !service.tasks.find(name)) served->classifiers.task(name);  // throws
  context.log.task = own_labels ? "labels" : name;
  const AdmittedRequest admitted(service, context);
  const auto classifier =
      own_labels ? served->classifiers.labels(request.labels) : served->classifiers.task(name);
  const qwen::Task& task = classifier->task();
  for (const std::string& text : request.texts)
    served->check_prompt(classifier->prompt(text).tokens.size(), request.many ? "texts" : "text");

  Usage usage;
  Timings timings;
  bool all_known = true;
  Json results = Json::array();
  const auto add_result = [&](const qwen::Classification& found) {
    Json result = label_json(task, found);
    result["cached"] = found.cached;
    result["ms"] = to_ms(found.seconds);
    results.push_back(std::move(result));
    service.metrics.count_label(context.log, task, found, own_labels);
    add(usage, found);
    all_known = all_known && found.cached;
    timings.queue_seconds = std::max(timings.queue_seconds, found.queue_seconds);
    if (results.size() == 1) timings.first_token_seconds = context.seconds();
  };
  try {
    if (!request.many)
      add_result(classifier->classify(request.texts.front(), qwen::ClassifyMode::score, admitted.token()));
    else
      classifier->classify_batch(request.texts, qwen::ClassifyMode::score,
                                 [&](std::size_t, const qwen::Classification& found) {
                                   add_result(found);
                                   return !admitted.token().cancelled();
                                 });
  } catch (const qwen::Error& error) {
    if (error.code() == qwen::ErrorCode::cancelled) admitted.check();
    throw;
  }
  admitted.check();
  timings.total_seconds = context.seconds();

  RequestLog& log = context.log;
  log.prompt_tokens = usage.prompt_tokens;
  log.cached_tokens = usage.cached_tokens;
  log.queue_seconds = timings.queue_seconds;
  log.first_token_seconds = timings.first_token_seconds;
  log.cache_hit = all_known;
  if (service.options.cache_entries > 0) context.response.set_header("X-Cache", all_known ? "hit" : "miss");

  Json body = {{"object", "classification"}, {"model", served->id}};
  body["task"] = own_labels ? Json() : Json(task.name);
  if (request.many)
    body["results"] = std::move(results);
  else
    body.update(results[0]);
  body["usage"] = usage_json(usage);
  body["timings"] = timings_json(timings);
  context.json(body);
}

}  // namespace qwen_serve
