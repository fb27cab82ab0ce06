#include "qwen-run/task_options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/program.h"
#include "qwen-run/commands.h"

namespace qwen_run {

using tools::Json;

void TaskFlags::add(tools::CommandLine& app) {
  tools::add_model_options(app, model);
  tools::add_chat_template(app, model);
  app.add("-c,--ctx-size", context, "Tokens of context (default: 2048, at most the model's limit)")
      .range(1, tools::kMaxInt)
      .type("N")
      .group("Model");
  app.add("--kv-type", kv_type, "Type of the KV cache: auto (default), f16 or f32")
      .one_of({"auto", "f16", "f32"})
      .type("TYPE")
      .group("Model");
  app.add("--tasks", folders, "Folder of task files that add to the built-in ones (may be repeated)")
      .one_per_use()
      .type("DIR")
      .group("Task");
  app.add("--prefix-cache", prefix_folder,
          "Folder for the computed prompts of tasks, reused by the next start")
      .type("DIR")
      .group("Task");
}

void TaskFlags::add_mode(tools::CommandLine& app) {
  classifier_options.push_back(
      app.add("--mode", mode,
              "score (default): all labels' probabilities; generate: let the model write a label")
          .one_of({"score", "generate"})
          .type("MODE")
          .group("Task"));
}

void TaskFlags::add_cache(tools::CommandLine& app) {
  const auto option = [&](const char* name, int& value, const char* description) {
    classifier_options.push_back(
        app.add(name, value, description).range(0, tools::kMaxInt).type("N").group("Task"));
  };
  option("--cache", cache_entries, "Results cached for repeated texts (0: none)");
  option("--cache-mb", cache_megabytes, "Memory of the result cache, in MB (64)");
  option("--cache-ttl", cache_seconds, "Seconds that a cached result is valid (3600)");
}

bool TaskFlags::has_classifier_options() const {
  return std::any_of(classifier_options.begin(), classifier_options.end(),
                     [](const tools::Option& option) { return option.on_command_line(); });
}

qwen::TaskRegistry TaskFlags::registry() const {
  qwen::TaskRegistry registry;
  for (const std::string& folder : folders) registry.add_folder(folder);
  return registry;
}

qwen::ClassifyMode TaskFlags::classify_mode() const {
  return mode == "generate" ? qwen::ClassifyMode::generate : qwen::ClassifyMode::score;
}

qwen::KvType TaskFlags::kv() const {
  return kv_type == "f16"   ? qwen::KvType::f16
         : kv_type == "f32" ? qwen::KvType::f32
                            : qwen::KvType::automatic;
}

std::shared_ptr<qwen::Engine> TaskFlags::engine(const qwen::Model& loaded) const {
  qwen::EngineOptions options;
  options.background = false;
  options.context = context;
  options.kv_type = kv();
  options.max_sequences = 30;
  options.prefill_tokens = options.prefill_tokens_while_decoding = 512;
  options.prefix_folder = prefix_folder;
  return std::make_shared<qwen::Engine>(loaded, options);
}

qwen::Classifier TaskFlags::classifier(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task) const {
  qwen::ClassifierOptions options;
  if (cache_entries > 0) {
    qwen::ResultCacheOptions cache;
    cache.entries = static_cast<std::size_t>(cache_entries);
    cache.bytes = static_cast<std::size_t>(cache_megabytes) << 20;
    cache.time_to_live = std::chrono::seconds(cache_seconds);
    options.results = std::make_shared<qwen::ResultCache<qwen::Classification>>(cache);
  }
  qwen::Classifier classifier(std::move(engine), task, options);
  if (task.calibration && !classifier.calibrated())
    tools::warn("the calibration of task " + task.name +
                " was fitted with another model or prompt and is not used");
  return classifier;
}

std::string label_line(const qwen::Task& task, const qwen::Classification& result) {
  const std::string heading = task.heading.empty() ? task.name : task.heading;
  if (result.label < 0)
    return heading + ": unparsed, the model wrote " +
           Json(result.raw).dump(-1, ' ', false, Json::error_handler_t::replace);
  const auto index = static_cast<std::size_t>(result.label);
  const qwen::TaskLabel& label = task.labels[index];
  std::string probability;
  if (!result.probabilities.empty()) {
    char text[32];
    std::snprintf(text, sizeof text, " (%.2f)", result.probabilities[index]);
    probability = text;
  }
  const std::string emoji = label.emoji.empty() ? "" : (result.abstained ? "🤔" : label.emoji) + " ";
  return emoji + heading + (result.abstained ? ": not sure, perhaps " : ": ") + label.display + probability;
}

Json label_json(const qwen::Task& task, const qwen::Classification& result) {
  Json json;
  const bool answered = result.label >= 0 && !result.abstained;
  json["label"] = answered ? Json(task.labels[static_cast<std::size_t>(result.label)].text) : Json();
  json["probabilities"] = Json::object();
  for (std::size_t i = 0; i < result.probabilities.size(); ++i)
    json["probabilities"][task.labels[i].text] = result.probabilities[i];
  json["tokens"] = result.prompt_tokens;
  json["cached_tokens"] = result.cached_tokens;
  json["ms"] = std::round(result.seconds * 1e6) / 1e3;
  if (result.abstained) json["abstained"] = true;
  if (result.probabilities.empty()) json["raw"] = result.raw;
  if (result.truncated_tokens > 0) json["truncated_tokens"] = result.truncated_tokens;
  return json;
}

namespace {

void show_task(const qwen::Task& task) {
  std::string out = task.name + " (" + qwen::to_string(task.kind) + ", version " +
                    std::to_string(task.version) + (task.source.empty() ? ", built in" : ", " + task.source) +
                    ")\n";
  if (!task.description.empty()) out += task.description + "\n";
  if (!task.system.empty()) out += "system:   " + task.system + "\n";
  out += "template: " + Json(task.user_template).dump() + "\n";
  if (!task.schema.empty()) out += "schema:\n" + task.schema + (task.schema.ends_with('\n') ? "" : "\n");
  for (const qwen::TaskLabel& label : task.labels) {
    out += "label:    " + label.text;
    for (const std::string& alias : label.aliases)
      out += (&alias == &label.aliases.front() ? "  (in files also " : ", ") + alias;
    out += label.aliases.empty() ? "\n" : ")\n";
  }
  if (task.calibration) out += "calibrated on " + std::to_string(task.calibration->examples) + " texts\n";
  tools::write_out(out);
}

int tasks(const TaskFlags& flags, const std::string& name) {
  const qwen::TaskRegistry registry = flags.registry();
  if (!name.empty()) {
    show_task(registry.get(name));
    return tools::kExitOk;
  }
  for (const std::string& each : registry.names()) {
    const qwen::Task& task = registry.get(each);
    std::string padded = each;
    padded.resize(std::max<std::size_t>(padded.size() + 1, 18), ' ');
    std::string kind = qwen::to_string(task.kind);
    kind.resize(10, ' ');
    tools::write_out(padded + kind + task.description + "\n");
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> tasks_command(tools::CommandLine& app) {
  auto flags = std::make_shared<TaskFlags>();
  auto name = std::make_shared<std::string>();
  app.add("NAME", *name, "The task to show").type("");
  app.add("--tasks", flags->folders, "Folder of task files that add to the built-in ones (may be repeated)")
      .one_per_use()
      .type("DIR")
      .group("Task");
  return [flags, name] { return tasks(*flags, *name); };
}

}  // namespace qwen_run
