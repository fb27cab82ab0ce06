#include "qwen/extractor.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "qwen/constraint.h"
#include "runtime/engine_model.h"
#include "tasks/builtin_tasks.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// The vocabulary has <think> and </think>, for templates that think.
const Model& random_thinker(const std::string& chat_template = "") {
  static std::map<std::string, Model> models;
  if (const auto known = models.find(chat_template); known != models.end()) return known->second;
  static const TestFolder folder("extractor-model");
  TinyModel tiny;
  tiny.type = TensorType::q8_0;
  tiny.thinks = true;
  tiny.context = 4096;
  if (!chat_template.empty()) tiny.chat_template = chat_template;
  const std::string path = folder / ("tiny" + std::to_string(models.size()) + ".gguf");
  return models.emplace(chat_template, Model::load(write_tiny_model(tiny, path))).first->second;
}

Task extract_task(const std::string& schema) {
  Task task;
  task.name = "things";
  task.kind = TaskKind::extract;
  task.user_template = "{text}";
  task.schema = schema;
  task.sampling.temperature = 0;
  return task;
}

constexpr const char* kThings =
    R"({"type":"object","properties":{"thing":{"type":"string","maxLength":9},"count":{"type":"integer","minimum":0,"maximum":99}},)"
    R"("required":["thing","count"],"additionalProperties":false})";

std::string parse_error(const std::string& yaml) {
  try {
    Task::parse(yaml, "x.yaml");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("built-in tasks of kind extract: the schemas compile and the examples match", "[tasks]") {
  int count = 0;
  for (const tasks::BuiltinTask& builtin : tasks::builtin_tasks()) {
    CAPTURE(builtin.file);
    const Task task = Task::parse(builtin.yaml, std::string(builtin.file));  // checks both
    count += task.kind == TaskKind::extract;
    CHECK((task.kind != TaskKind::extract || !task.examples.empty()));
  }
  CHECK(count == 4);
}

TEST_CASE("every extraction is valid, and the same alone and in a batch", "[tasks]") {
  const TaskRegistry registry;
  for (const char* name : {"opinions", "address", "event", "intent_slots"}) {
    Task task = registry.get(name);
    for (const float temperature : {0.0f, 1.5f}) {
      task.sampling.temperature = temperature;
      task.sampling.seed = 7;
      const Constraint constraint = Constraint::json_schema(task.schema);
      const std::vector<std::string> texts{"房间很脏", "", "hello", "你好", "the end"};
      EngineOptions options;
      options.background = false;
      options.context = 4096;
      const auto engine = std::make_shared<Engine>(random_thinker(), options);
      Extractor extractor(engine, task);
      std::vector<std::size_t> order;
      const auto all =
          extractor.extract_batch(texts, [&](std::size_t i, const Extraction&) { order.push_back(i); });
      CHECK(order == std::vector<std::size_t>{0, 1, 2, 3, 4});
      REQUIRE(all.size() == texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        CAPTURE(name, texts[i], all[i].json);
        CHECK(constraint.accepts(all[i].json));
        CHECK(nlohmann::json::accept(all[i].json));
        CHECK(extractor.extract(texts[i]).json == all[i].json);
        CHECK(all[i].generated_tokens > 0);
      }
      const auto first =
          extractor.extract_batch(texts, [](std::size_t i, const Extraction&) { return i < 1; });
      CHECK(first.size() == 2);
    }
  }
}

TEST_CASE("an extraction comes after the thought of a template that always thinks", "[tasks]") {
  const Model& model =
      random_thinker("{% for m in messages %}{{ m.content }}{% endfor %}<|im_end|>{{ '<think>\\n' }}");
  Task task = extract_task(kThings);
  task.max_new_tokens = 200;
  Extractor extractor(model, task);
  const Extraction found = extractor.extract("hello");
  CAPTURE(found.json);
  CHECK(Constraint::json_schema(kThings).accepts(found.json));
  CHECK(found.generated_tokens > 100);  // most of it the thought
  task.max_new_tokens = 60;
  Extractor small(model, task);
  CHECK_THROWS_WITH(small.extract("hello"), Catch::Contains("a thought"));
}

TEST_CASE("tasks and texts that an extractor refuses", "[tasks]") {
  CHECK_THROWS_WITH(Extractor(random_thinker(), Task::for_labels({"a"})), Catch::Contains("kind extract"));
  CHECK_THROWS_WITH(Extractor(random_thinker(), extract_task("{")), Catch::Contains("schema"));
  CHECK_THROWS_WITH(Extractor(random_thinker(), extract_task(R"({"uniqueItems": true})")),
                    Catch::Contains("uniqueItems"));
  Task task = extract_task(kThings);
  task.max_new_tokens = 5;
  Extractor extractor(random_thinker(), task);
  CHECK_THROWS_WITH(extractor.extract("x"), Catch::Contains("the shortest text needs"));
  task.max_new_tokens = 100'000;
  CHECK_THROWS_WITH(Extractor(random_thinker(), task), Catch::Contains("leaves no room"));
  CancelToken cancel;
  cancel.cancel();
  CHECK_THROWS_WITH(Extractor(random_thinker(), extract_task(kThings)).extract("x", cancel),
                    Catch::Contains("cancelled"));
}

TEST_CASE("files of tasks of kind extract", "[tasks]") {
  const std::string head = "name: t\nkind: extract\ntemplate: \"{text}\"\n";
  CHECK(parse_error(head + "schema: |\n  {\"type\": \"object\"}\n").empty());
  CHECK(parse_error(head) == "x.yaml:1: schema: a task of kind extract needs one");
  CHECK(parse_error(head + "schema: |\n  {\"type\": \"objec\"}\n").starts_with("x.yaml:4: schema: "));
  CHECK(parse_error(head + "schema: \"false\"\n") == "x.yaml:4: schema: no value matches it");
  CHECK(parse_error(head + "schema: {\"type\": \"object\"}\n").starts_with("x.yaml:4: "));
  CHECK(parse_error(head + "schema: |\n  {\"type\": \"object\"}\nexamples:\n  - text: a\n    answer: b\n") ==
        "x.yaml:4: schema: the answer \"b\" of an example does not match");
  CHECK(parse_error(head + "schema: \"true\"\nhistory: true\n").find("history") != std::string::npos);
  CHECK(parse_error("name: t\nkind: generate\ntemplate: \"{text}\"\nschema: \"true\"\n")
            .find("only tasks of kind extract") != std::string::npos);
}
