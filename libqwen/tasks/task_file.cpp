// Task files and calibration files.
#include <algorithm>
#include <cstdio>

#include "base/atomic_file.h"
#include "base/fail.h"
#include "qwen/constraint.h"
#include "tasks/builtin_tasks.h"
#include "tasks/task_rules.h"
#include "tasks/yaml_fields.h"

namespace qwen {
namespace {

using tasks::Fields;

constexpr std::size_t kMaxShort = 200, kMaxExamples = 100, kMaxAliases = 100;

TaskLabel read_label(const YAML::Node& node, const std::string& source, std::size_t index) {
  TaskLabel label;
  if (node.IsScalar()) {  // the short form: its text alone
    label.text = label.display = node.Scalar();
    return label;
  }
  const Fields fields(node, source, "labels[" + std::to_string(index + 1) + "]",
                      {"text", "display", "emoji", "aliases"});
  label.text = fields.text("text", tasks::kMaxLabelText, true);
  label.display = fields.text("display", kMaxShort, false);
  if (label.display.empty()) label.display = label.text;
  label.emoji = fields.text("emoji", kMaxShort, false);
  label.aliases = fields.texts("aliases", kMaxAliases, kMaxShort);
  return label;
}

SamplingOptions read_sampling(const YAML::Node& node, const std::string& source) {
  const Fields fields(node, source, "sampling",
                      {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty",
                       "frequency_penalty", "seed"});
  SamplingOptions sampling;
  const auto number = [&](const char* key, float& value, double low, double high) {
    value = static_cast<float>(fields.number(key, low, high, static_cast<double>(value)));
  };
  number("temperature", sampling.temperature, 0, 100);
  number("top_p", sampling.top_p, 0, 1);
  number("min_p", sampling.min_p, 0, 1);
  number("repetition_penalty", sampling.repetition_penalty, 0, 100);
  number("presence_penalty", sampling.presence_penalty, -100, 100);
  number("frequency_penalty", sampling.frequency_penalty, -100, 100);
  sampling.top_k = fields.integer("top_k", 0, 1 << 30, sampling.top_k);
  if (fields.has("seed"))
    sampling.seed = static_cast<std::uint64_t>(fields.integer("seed", 0, 0x7fffffff, 0));
  try {
    Sampler check{sampling};
  } catch (const Error& error) {
    fields.fail_at(node, "", error.what());
  }
  return sampling;
}

std::map<std::string, std::string> read_system_by_label(const Fields& top, const std::string& source) {
  std::map<std::string, std::string> out;
  if (!top.has("system_by_label")) return out;
  const YAML::Node node = top.get("system_by_label");
  if (!node.IsMap() || node.size() > tasks::kMaxLabels)
    top.fail_at(node, "system_by_label", "expected pairs of a label's text and a system prompt");
  for (const auto& entry : node) {
    const std::string label = top.text(entry.first, "system_by_label", tasks::kMaxLabelText, true);
    const std::string prompt = top.text(entry.second, "system_by_label", tasks::kMaxPrompt, true);
    if (!out.emplace(label, prompt).second)
      top.fail_at(entry.first, "system_by_label", quoted(label), " is a duplicate");
  }
  (void)source;
  return out;
}

// The key that a broken rule is about, for its line.
YAML::Node node_for_rule(const Fields& top, const std::string& rule) {
  const std::string key = rule.substr(0, rule.find(':'));
  return top.has(key.c_str()) ? top.get(key.c_str()) : top.map();
}

std::string hex(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

Task read_task(std::string_view yaml, const std::string& source) {
  const Fields top(tasks::parse_yaml(yaml, source), source, "",
                   {"name", "version", "kind", "description", "heading", "system", "template", "labels",
                    "schema", "examples", "system_by_label", "history", "max_new_tokens", "sampling",
                    "on_overflow", "abstain_below", "content_free"});
  Task task;
  task.source = source;
  task.name = top.text("name", tasks::kMaxName, true);
  task.version = top.integer("version", 1, 1000000, 1);
  const std::string kind = top.text("kind", kMaxShort, true);
  bool known = false;
  for (const TaskKind each : {TaskKind::classify, TaskKind::generate, TaskKind::extract}) {
    if (kind != to_string(each)) continue;
    task.kind = each;
    known = true;
  }
  if (!known)
    top.fail_at(top.get("kind"), "kind", "expected classify, generate or extract, found ", quoted(kind));
  task.description = top.text("description", 1000, false);
  task.heading = top.text("heading", kMaxShort, false);
  task.system = top.text("system", tasks::kMaxPrompt, false);
  task.user_template = top.text("template", tasks::kMaxPrompt, true);
  for (const YAML::Node& node : top.list("labels", tasks::kMaxLabels))
    task.labels.push_back(read_label(node, source, task.labels.size()));
  if (top.has("schema")) task.schema = top.text("schema", tasks::kMaxPrompt, true);
  for (const YAML::Node& node : top.list("examples", kMaxExamples)) {
    const std::string where = "examples[" + std::to_string(task.examples.size() + 1) + "]";
    const Fields example(node, source, where, {"text", "answer"});
    example.required("text");
    task.examples.push_back(
        {example.text("text", tasks::kMaxPrompt, false), example.text("answer", tasks::kMaxPrompt, true)});
  }
  task.system_by_label = read_system_by_label(top, source);
  task.history = top.flag("history", false);
  const bool classify = task.kind == TaskKind::classify;
  task.max_new_tokens = top.integer("max_new_tokens", 1, 1 << 20, classify ? 5 : 512);
  if (task.kind != TaskKind::generate) task.sampling.temperature = 0;
  if (top.has("sampling")) task.sampling = read_sampling(top.get("sampling"), source);
  const std::string overflow = top.has("on_overflow") ? top.text("on_overflow", kMaxShort, true) : "refuse";
  if (overflow != "refuse" && overflow != "truncate")
    top.fail_at(top.get("on_overflow"), "on_overflow", "expected refuse or truncate, found ",
                quoted(overflow));
  task.overflow = overflow == "refuse" ? TextOverflow::refuse : TextOverflow::truncate;
  task.abstain_below = top.number("abstain_below", 0, 1, 0);
  task.content_free = top.texts("content_free", kMaxExamples, 1000);
  if (const auto broken = tasks::validate_task(task)) top.fail_at(node_for_rule(top, *broken), "", *broken);
  return task;
}

// The schema compiles, and the examples' answers match it.
void check_schema(const Task& task, std::string_view yaml) {
  const YAML::Node node = tasks::parse_yaml(yaml, task.source)["schema"];
  const auto fail_here = [&](const std::string& reason) {
    fail(ErrorCode::bad_format, task.source, ":", node.Mark().line + 1, ": schema: ", reason);
  };
  std::optional<Constraint> constraint;
  try {
    constraint = Constraint::json_schema(task.schema);
  } catch (const Error& error) {
    fail_here(error.what());
  }
  if (constraint->is_empty()) fail_here("no value matches it");
  for (const TaskExample& example : task.examples)
    if (!constraint->accepts(example.answer))
      fail_here(cat("the answer ", quoted(example.answer), " of an example does not match"));
}

// yaml-cpp's own errors, of any place, as this library's.
template <class Body>
auto translate_yaml_errors(const std::string& source, const Body& body) {
  try {
    return body();
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::bad_format, source, ":", error.mark.is_null() ? 1 : error.mark.line + 1, ": ", error.msg);
  }
}

}  // namespace

Task tasks::parse_builtin(const BuiltinTask& builtin) {
  const std::string source(builtin.file);
  Task task = translate_yaml_errors(source, [&] { return read_task(builtin.yaml, source); });
  task.source.clear();
  return task;
}

Task Task::parse(std::string_view yaml, const std::string& source) {
  return translate_yaml_errors(source, [&] {
    Task task = read_task(yaml, source);
    if (task.kind == TaskKind::extract) check_schema(task, yaml);
    return task;
  });
}

Task Task::load(const std::string& path) {
  return parse(tasks::read_text_file(path), path);
}

std::string calibration_file_name(const Task& task) {
  return task.name + ".calibration.yaml";
}

void save_calibration(const Task& task, const Calibration& calibration, const std::string& path) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "task" << YAML::Value << task.name;
  out << YAML::Key << "model" << YAML::Value << YAML::DoubleQuoted << hex(calibration.model);
  out << YAML::Key << "prompt" << YAML::Value << YAML::DoubleQuoted << hex(calibration.prompt);
  out << YAML::Key << "examples" << YAML::Value << calibration.examples;
  out << YAML::Key << "temperature" << YAML::Value << calibration.temperature;
  if (!calibration.offsets.empty())
    out << YAML::Key << "offsets" << YAML::Value << YAML::Flow << calibration.offsets;
  out << YAML::EndMap << YAML::Newline;
  AtomicFile file(path);
  const std::string text =
      cat("# Written by qwen-run calibrate: how sure the model's answers are. Bound to the model and to the "
          "prompt.\n",
          out.c_str());
  file.write(text.data(), text.size());
  file.commit();
}

Calibration load_calibration(const Task& task, const std::string& path) {
  return translate_yaml_errors(path, [&] {
    const Fields top(tasks::parse_yaml(tasks::read_text_file(path), path), path, "",
                     {"task", "model", "prompt", "examples", "temperature", "offsets"});
    Calibration calibration;
    if (top.text("task", tasks::kMaxName, true) != task.name)
      top.fail_at(top.get("task"), "task", "expected ", task.name, " as the file's name says");
    calibration.model = top.hex64("model");
    calibration.prompt = top.hex64("prompt");
    calibration.examples = top.integer("examples", 0, 0x7fffffff, 0);
    calibration.temperature = top.number("temperature", 1e-3, 1e3, 1);
    for (const YAML::Node& node : top.list("offsets", tasks::kMaxLabels)) {
      double offset = 0;
      if (!node.IsScalar() || !tasks::parse_number(node.Scalar(), offset) ||
          !(offset >= -1e4 && offset <= 1e4))
        top.fail_at(node, "offsets", "expected numbers from -10000 to 10000");
      calibration.offsets.push_back(offset);
    }
    if (!calibration.offsets.empty() && calibration.offsets.size() != task.labels.size())
      top.fail_at(top.get("offsets"), "offsets", "expected ", task.labels.size(),
                  " numbers, one a label, found ", calibration.offsets.size());
    return calibration;
  });
}

}  // namespace qwen
