// Task files: what is read, what is refused and how the message names the place.
#include <catch2/catch.hpp>

#include "formats/test_folder.h"
#include "qwen/error.h"
#include "qwen/model.h"
#include "qwen/task.h"

using namespace qwen;
using qwen::test::TestFolder;

namespace {

// A complete file; `edit` lines are put at its end.
std::string task_yaml(const std::string& edit = "") {
  return "name: mood\n"                       // 1
         "kind: classify\n"                   // 2
         "system: \"Judge: {text} & #no\"\n"  // 3
         "template: \"In: {text}\\nOut:\"\n"  // 4
         "labels:\n"                          // 5
         "  - {text: good, emoji: \"+\", aliases: [\"1\", Fine]}\n"
         "  - bad\n" +  // 7
         edit;          // 8 and on
}

std::string message_of(const std::string& yaml) {
  try {
    Task::parse(yaml, "t.yaml");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_format);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a task file is read whole", "[tasks]") {
  const Task task = Task::parse(
      "name: mood\nversion: 3\nkind: classify\ndescription: d\nheading: h\nsystem: s\ntemplate: 'x{text}y'\n"
      "labels:\n- {text: good, display: Good!, emoji: '+', aliases: ['1']}\n- bad\n"
      "examples:\n- {text: nice, answer: good}\nsystem_by_label: {}\nhistory: false\nmax_new_tokens: 7\n"
      "sampling: {temperature: 0.5, top_p: 0.8, top_k: 3, min_p: 0.1, repetition_penalty: 1.1, "
      "presence_penalty: 0.2, frequency_penalty: 0.3, seed: 9}\n"
      "on_overflow: truncate\nabstain_below: 0.6\ncontent_free: ['', N/A]\n",
      "mood.yaml");
  CHECK(task.name == "mood");
  CHECK(task.version == 3);
  CHECK(task.kind == TaskKind::classify);
  CHECK(task.description == "d");
  CHECK(task.heading == "h");
  CHECK(task.system == "s");
  CHECK(task.user_message("T") == "xTy");
  REQUIRE(task.labels.size() == 2);
  CHECK(task.labels[0].display == "Good!");
  CHECK(task.labels[0].emoji == "+");
  CHECK(task.labels[1].text == "bad");
  CHECK(task.labels[1].display == "bad");
  REQUIRE(task.examples.size() == 1);
  CHECK(task.examples[0].answer == "good");
  CHECK(task.max_new_tokens == 7);
  CHECK(task.sampling.temperature == 0.5f);
  CHECK(task.sampling.top_p == 0.8f);
  CHECK(task.sampling.top_k == 3);
  CHECK(task.sampling.min_p == 0.1f);
  CHECK(task.sampling.repetition_penalty == 1.1f);
  CHECK(task.sampling.presence_penalty == 0.2f);
  CHECK(task.sampling.frequency_penalty == 0.3f);
  CHECK(task.sampling.seed == 9);
  CHECK(task.overflow == TextOverflow::truncate);
  CHECK(task.abstain_below == 0.6);
  CHECK(task.content_free == std::vector<std::string>{"", "N/A"});
  CHECK(task.source == "mood.yaml");
}

TEST_CASE("labels are found by text, display text or alias", "[tasks]") {
  const Task task = Task::parse(task_yaml(), "t.yaml");
  CHECK(task.find_label("good") == 0);
  CHECK(task.find_label("GOOD") == 0);
  CHECK(task.find_label("1") == 0);
  CHECK(task.find_label("fine") == 0);
  CHECK(task.find_label("Bad") == 1);
  CHECK(task.find_label("") == -1);
  CHECK(task.find_label("goo") == -1);
}

TEST_CASE("only the template's own {text} is replaced", "[tasks]") {
  const Task task = Task::parse(task_yaml(), "t.yaml");
  CHECK(task.user_message("{text} {text}") == "In: {text} {text}\nOut:");
  const auto messages = task.messages("{text}");
  REQUIRE(messages.size() == 2);
  CHECK(messages[0].content == "Judge: {text} & #no");  // system prompts are plain text
  CHECK(messages[1].content == "In: {text}\nOut:");
}

TEST_CASE("bad task files are refused with file, line and reason", "[tasks]") {
  using Catch::Contains;
  const auto check = [](const std::string& yaml, const std::string& begin, const std::string& part) {
    INFO(yaml);
    const std::string message = message_of(yaml);
    CHECK_THAT(message, Catch::StartsWith(begin));
    CHECK_THAT(message, Contains(part));
    CHECK(message.find('\n') == std::string::npos);
  };
  check(task_yaml("colour: red\n"), "t.yaml:8:", "unknown key \"colour\"");
  check(task_yaml("name: again\n"), "t.yaml:8:", "duplicate key");
  check(task_yaml("version: x\n"), "t.yaml:8: version:", "whole number");
  check(task_yaml("version: 0\n"), "t.yaml:8: version:", "1 to 1000000");
  check(task_yaml("history: maybe\n"), "t.yaml:8: history:", "true or false");
  check(task_yaml("history: true\n"), "t.yaml:8:", "generate");
  check(task_yaml("sampling: {temprature: 1}\n"), "t.yaml:8: sampling:", "unknown key \"temprature\"");
  check(task_yaml("sampling: {temperature: -1}\n"), "t.yaml:8: sampling.temperature:", "found -1");
  check(task_yaml("sampling: {temperature: .nan}\n"), "t.yaml:8: sampling.temperature:", "nan");
  check(task_yaml("sampling: {top_p: 0}\n"), "t.yaml:8: sampling:", "top_p");
  check(task_yaml("sampling: 3\n"), "t.yaml:8: sampling:", "key: value");
  check(task_yaml("on_overflow: explode\n"), "t.yaml:8: on_overflow:", "refuse or truncate");
  check(task_yaml("max_new_tokens: 0\n"), "t.yaml:8: max_new_tokens:", "found 0");
  check(task_yaml("max_new_tokens: 99999999999999999999\n"), "t.yaml:8: max_new_tokens:", "whole number");
  check(task_yaml("abstain_below: 2\n"), "t.yaml:8: abstain_below:", "0 to 1");
  check(task_yaml("content_free: nothing\n"), "t.yaml:8: content_free:", "list");
  check(task_yaml("examples: [{text: a, answer: neither}]\n"), "t.yaml:8:", "is not a label");
  check(task_yaml("examples: [{answer: bad}]\n"), "t.yaml:8: examples[1]:", "text is missing");
  check(task_yaml("description: [a, b]\n"), "t.yaml:8: description:", "expected a text");
  check(task_yaml("  bad indent: {\n"), "t.yaml:", "not YAML");
  check("name: x\nkind: classify\n", "t.yaml:1:", "template is missing");
  check("name: x\nkind: poem\ntemplate: '{text}'\n", "t.yaml:2: kind:", "classify, generate or extract");
  check("name: x\nkind: generate\ntemplate: 'no place'\n", "t.yaml:3:", "exactly once");
  check("name: x\nkind: generate\ntemplate: '{text}{text}'\n", "t.yaml:3:", "exactly once");
  check("name: x\nkind: classify\ntemplate: '{text}'\n", "t.yaml:1:", "at least one");
  check("name: x\nkind: generate\ntemplate: '{text}'\nlabels: [a]\n", "t.yaml:4:", "classify");
  check("name: ../x\nkind: generate\ntemplate: '{text}'\n", "t.yaml:1:", "letters");
  check("name: ''\nkind: generate\ntemplate: '{text}'\n", "t.yaml:1: name:", "empty");
  check("", "t.yaml:1:", "nothing");
  check(", N/A]\n- - - -", "t.yaml:1:", "end of the file");
  check("- a\n", "t.yaml:1:", "mapping");
  check("a: 1\n---\nb: 2\n", "t.yaml:1:", "one document");
  check(std::string(2000, '['), "t.yaml:1:", "deeply");
  check("a: " + std::string(1 << 20, 'x'), "t.yaml", "bytes");
}

TEST_CASE("labels must be told apart", "[tasks]") {
  const auto labels = [](const std::string& list) {
    return message_of("name: x\nkind: classify\ntemplate: '{text}'\nlabels: " + list + "\n");
  };
  using Catch::Contains;
  CHECK(labels("[one]") == "no error");
  CHECK(labels("[good, good value]") == "no error");
  CHECK_THAT(labels("[a, a]"), Contains("t.yaml:4:") && Contains("label 2") && Contains("label 1"));
  CHECK_THAT(labels("[a, A]"), Contains("label 2"));
  CHECK_THAT(labels("['']"), Contains("empty"));
  CHECK_THAT(labels("[{text: ''}]"), Contains("empty"));
  CHECK_THAT(labels("[' a']"), Contains("white space"));
  CHECK_THAT(labels("[\"a\\n\"]"), Contains("white space"));
  CHECK_THAT(labels("[{text: a, aliases: [b]}, b]"), Contains("label 2"));
  CHECK_THAT(labels("[]"), Contains("at least one"));
  CHECK_THAT(labels("[" + std::string(201, 'a') + "]"), Contains("200"));
}

TEST_CASE("the built-in tasks are there", "[tasks]") {
  const TaskRegistry registry;
  for (const char* name : {"sentiment", "sentiment_brief", "intent", "chat", "summary"})
    CHECK(registry.find(name) != nullptr);
  const Task& sentiment = registry.get("sentiment");
  CHECK(sentiment.source.empty());
  CHECK(sentiment.find_label("1") == sentiment.find_label("正面"));
  CHECK(sentiment.find_label("0") == sentiment.find_label("负面"));
  CHECK(sentiment.labels[0].emoji == "😄");
  CHECK(registry.get("chat").history);
  try {
    registry.get("sentimnt");
    FAIL("found");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::not_found);
    CHECK_THAT(error.what(), Catch::Contains("sentiment"));
  }
}

TEST_CASE("built-in tasks that a model was not trained for are not offered", "[tasks]") {
  TaskRegistry registry;
  ModelInfo info;
  CHECK(registry.names_for(info) == registry.names());  // the file does not say
  info.trained_tasks = {"chat", "unknown"};
  CHECK(registry.names_for(info) == std::vector<std::string>{"chat"});
  Task own = Task::for_labels({"a", "b"});
  own.name = "own";
  registry.add(own);
  CHECK(registry.names_for(info) == std::vector<std::string>{"chat", "own"});
  own.name = "summary";
  own.source = "summary.yaml";  // a file that overrides the built-in task
  registry.add(own);
  CHECK(registry.names_for(info) == std::vector<std::string>{"chat", "own", "summary"});
}

TEST_CASE("a folder adds and overrides tasks, all of them or none", "[tasks]") {
  const TestFolder folder("task-folder");
  folder.write("a.yaml", task_yaml());
  folder.write("sentiment.yml", "name: sentiment\nkind: classify\ntemplate: 'S {text}'\nlabels: [yes, no]\n");
  folder.write("notes.txt", "not a task");
  TaskRegistry registry;
  registry.add_folder(folder.path());
  CHECK(registry.get("mood").labels.size() == 2);
  CHECK(registry.get("sentiment").labels[0].text == "yes");
  CHECK(registry.get("sentiment").source == folder / "sentiment.yml");

  folder.write("b.yaml", task_yaml());
  CHECK_THROWS_WITH(registry.add_folder(folder.path()),
                    Catch::Contains("b.yaml") && Catch::Contains("a.yaml"));
  TaskRegistry fresh;
  folder.write("b.yaml", task_yaml("colour: red\n"));
  CHECK_THROWS_WITH(fresh.add_folder(folder.path()), Catch::Contains("b.yaml:8:"));
  CHECK(fresh.find("mood") == nullptr);
  CHECK_THROWS_AS(fresh.add_folder(folder / "missing"), Error);

  // A symbolic link to itself is a file that cannot be read.
  const TestFolder circle("task-circle");
  std::filesystem::create_symlink("loop.yaml", circle / "loop.yaml");
  CHECK_THROWS_AS(fresh.add_folder(circle.path()), Error);
}

TEST_CASE("calibrations lie beside the tasks", "[tasks]") {
  const TestFolder folder("task-calibration");
  TaskRegistry registry;
  const Task sentiment = registry.get("sentiment");
  Calibration calibration;
  calibration.model = 0xfedcba9876543210u;
  calibration.prompt = sentiment.prompt_digest();
  calibration.temperature = 1.0 / 3;
  calibration.offsets = {0.1, -0.1};
  calibration.examples = 12;
  save_calibration(sentiment, calibration, folder / calibration_file_name(sentiment));
  registry.add_folder(folder.path());
  const auto& read = registry.get("sentiment").calibration;
  REQUIRE(read);
  CHECK(read->model == calibration.model);
  CHECK(read->prompt == calibration.prompt);
  CHECK(read->temperature == Approx(calibration.temperature).epsilon(1e-12));
  CHECK(read->offsets == calibration.offsets);
  CHECK(read->examples == 12);
  CHECK(folder.files() == std::vector<std::string>{"sentiment.calibration.yaml"});

  calibration.offsets = {1, 2, 3};
  save_calibration(sentiment, calibration, folder / "sentiment.calibration.yaml");
  CHECK_THROWS_WITH(registry.add_folder(folder.path()), Catch::Contains("expected 2 numbers"));
  folder.write("sentiment.calibration.yaml", "task: intent\n");
  CHECK_THROWS_WITH(registry.add_folder(folder.path()), Catch::Contains("calibration.yaml:1:"));
  folder.remove("sentiment.calibration.yaml");
  folder.write("nobody.calibration.yaml", "task: nobody\n");
  CHECK_THROWS_WITH(registry.add_folder(folder.path()), Catch::Contains("no task has this name"));
  CHECK_THROWS_AS(save_calibration(sentiment, calibration, folder / "missing/x.yaml"), Error);
}

TEST_CASE("the prompt's digest covers what the model sees, and only that", "[tasks]") {
  const Task task = Task::parse(task_yaml(), "t.yaml");
  Task other = task;
  other.description = "else";
  other.max_new_tokens = 99;
  other.labels[0].emoji = "-";
  CHECK(other.prompt_digest() == task.prompt_digest());
  for (const auto& change : std::vector<std::function<void(Task&)>>{
           [](Task& t) { t.system += "."; }, [](Task& t) { t.user_template += "."; },
           [](Task& t) { t.labels[1].text = "ugly"; }, [](Task& t) { std::swap(t.labels[0], t.labels[1]); },
           [](Task& t) {
             t.examples.push_back({"a", "good"});
           }}) {
    other = task;
    change(other);
    CHECK(other.prompt_digest() != task.prompt_digest());
  }
}

TEST_CASE("labels given with the text make a task", "[tasks]") {
  const Task task = Task::for_labels({"咨询", "投诉"});
  CHECK(task.kind == TaskKind::classify);
  CHECK_THAT(task.system, Catch::Contains("\"咨询\" 或 \"投诉\""));
  CHECK_THROWS_AS(Task::for_labels({}), Error);
  CHECK_THROWS_AS(Task::for_labels({"a", "a"}), Error);
  CHECK_THROWS_AS(Task::for_labels({"a", ""}), Error);
}
