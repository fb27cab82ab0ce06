// qwen-run [-m MODEL] [COMMAND] [TEXT|-]: the table of commands, and the choice of one.
#include <langinfo.h>

#include <algorithm>
#include <clocale>
#include <cstring>

#include "common/config.h"
#include "common/output.h"
#include "common/program.h"
#include "qwen-run/commands.h"

namespace qwen_run {
namespace {

using tools::UsageError;

constexpr Command kCommands[] = {
    {"", "[TEXT|-]", "answer one message (the default)",
     "  qwen-run \"你好\"\n"
     "  qwen-run -m qwen2.5-0.5b-instruct-q4_0.gguf -s \"用一句话回答。\" \"什么是编译器？\"\n"
     "  git diff | qwen-run -s \"Write a commit message.\" -\n"
     "  qwen-run --temp 0 --json \"1+1=?\"\n"
     "  qwen-run -- \"-5 °C 冷吗？\"      (a text that begins with '-' or is a command's name: after --)",
     ask_command},
    {"chat", "chat", "a conversation in the terminal",
     "  qwen-run chat\n  qwen-run chat -s \"你是一个乐于助人的助手。\" --temp 0.7", chat_command},
    {"generate", "generate [TEXT|-]", "continue a text, without a chat template",
     "  qwen-run generate -n 32 \"从前有座山，\"\n  qwen-run generate --stop \"\\n\" -f story.txt",
     generate_command},
    {"sentiment", "sentiment [TEXT|-]", "positive or negative, with a probability",
     "  qwen-run sentiment \"今天的实验终于成功了，太棒了！\"\n"
     "  qwen-run sentiment --jsonl < reviews.jsonl    ({\"text\":...} lines give {\"label\",...} lines)",
     sentiment_command},
    {"analyze", "analyze [TEXT|-]", "the sentiment first, then a reply",
     "  qwen-run analyze \"今天的实验终于成功了，太棒了！\"", analyze_command},
    {"classify", "classify TASK [TEXT|-]", "label a text by any task; tasks are YAML files (docs/tasks.md)",
     "  qwen-run classify intent \"我的快递三天了还没到\"\n"
     "  qwen-run classify mood --tasks my-tasks --json \"Fine weather.\"",
     classify_command},
    {"embed", "embed [TEXT|-]", "vectors of texts, for search by meaning",
     "  qwen-run embed -m Qwen3-Embedding-0.6B-Q8_0.gguf \"今天天气很好。\"\n"
     "  qwen-run embed --instruction \"Given a question, find its answer\" -f questions.txt     (a text a "
     "line)\n"
     "  qwen-run embed --jsonl -o texts.npy < texts.jsonl    ({\"text\":...} lines)",
     embed_command},
    {"rerank", "rerank --query TEXT [-f FILE]", "how well documents answer a query, the best first",
     "  qwen-run rerank -m Qwen3-Reranker-0.6B-Q8_0.gguf --query \"退货要几天？\" -f documents.txt --top-n 3",
     rerank_command},
    {"evaluate", "evaluate TASK --data FILE", "accuracy, F1, confusion and calibration on labelled texts",
     "  qwen-run evaluate sentiment --data reviews.tsv     (tab-separated, with columns label and text)",
     evaluate_command},
    {"calibrate", "calibrate TASK --data FILE", "fit the probabilities to labelled texts",
     "  qwen-run calibrate sentiment --data reviews.tsv --tasks my-tasks\n"
     "  qwen-run sentiment --tasks my-tasks \"还不错\"       (uses it)",
     calibrate_command},
    {"tasks", "tasks [NAME]", "list the tasks, or show one", "  qwen-run tasks\n  qwen-run tasks sentiment",
     tasks_command},
    {"tokenize", "tokenize [TEXT|-]", "a text's token ids",
     "  qwen-run tokenize \"你好\"\n"
     "  qwen-run tokenize --special \"<|im_start|>user\"\n"
     "  qwen-run tokenize --jsonl < texts.jsonl      ({\"text\":...} lines give {\"ids\":[...]} lines)",
     tokenize_command},
    {"detokenize", "detokenize [IDS|-]", "the text of token ids",
     "  qwen-run detokenize 108386,3837\n  qwen-run tokenize \"你好\" | qwen-run detokenize -",
     detokenize_command},
    {"apply-template", "apply-template --messages FILE", "a conversation as the chat template renders it",
     "  qwen-run apply-template -m model.gguf --messages messages.json\n"
     "  qwen-run apply-template --chat-template mine.jinja --messages messages.json --tools tools.json "
     "--json",
     apply_template_command},
    {"logits", "logits [TEXT|-]", "the logits of every token, as .npy, or the likeliest next tokens",
     "  qwen-run logits --ids 1,2,3 -o out.npy\n  qwen-run logits --top 5 \"天空是\"", logits_command},
    {"perplexity", "perplexity -f FILE", "how well the model predicts a text",
     "  qwen-run perplexity -f wiki.txt -c 512", perplexity_command},
    {"info", "info", "what a model file contains and how much memory it needs",
     "  qwen-run info -m model.gguf\n  qwen-run info --json -c 4096", info_command},
    {"check-json", "check-json --json-schema FILE [FILE|-]", "which JSON values a schema accepts",
     "  qwen-run check-json --json-schema schema.json < values.jsonl    (one \"accepted\" or \"rejected\" a "
     "line)\n"
     "  echo '{\"a\": 1}' | qwen-run check-json --json-schema '{\"required\": [\"a\"]}'",
     check_json_command},
};

struct Program {
  const Command* command;
  tools::CommandLine line;
  std::function<int()> run;
};

std::vector<Program> build_programs() {
  std::vector<Program> programs;
  for (const Command& command : kCommands) {
    Program program{&command, {}, {}};
    program.run = command.setup(program.line);
    tools::add_config_option(program.line);
    programs.push_back(std::move(program));
  }
  return programs;
}

bool any_takes_value(const std::vector<Program>& programs, const std::string& name) {
  return std::any_of(programs.begin(), programs.end(),
                     [&](const Program& p) { return p.line.takes_value(name); });
}

// Whether the next argument is the value of the option in `argument`.
bool consumes_next(const std::vector<Program>& programs, const std::string& argument) {
  if (argument.compare(0, 2, "--") == 0)
    return argument.find('=') == std::string::npos && any_takes_value(programs, argument);
  for (std::size_t i = 1; i < argument.size(); ++i) {  // -vn 5, -n5
    if (any_takes_value(programs, std::string("-") + argument[i])) return i + 1 == argument.size();
  }
  return false;
}

// Removes the command's name from the arguments: the first positional one, if it is a name.
Program& find_program(std::vector<Program>& programs, std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") break;
    if (arguments[i].size() > 1 && arguments[i][0] == '-') {
      i += consumes_next(programs, arguments[i]);
      continue;
    }
    for (Program& program : programs) {
      if (program.command->name[0] == '\0' || arguments[i] != program.command->name) continue;
      arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i));
      return program;
    }
    break;
  }
  return programs.front();
}

std::string overview(const std::vector<Program>& programs) {
  std::string text =
      "qwen-run: small Qwen models on the CPU\n\n"
      "usage: qwen-run [-m MODEL] [OPTIONS] [COMMAND] [TEXT|-]\n\n"
      "The model is -m's, else $LIBQWEN_MODEL's, else the bundled one. TEXT is an argument, - or a "
      "pipe.\n\ncommands:\n";
  for (const Program& program : programs) {
    std::string usage = program.command->usage;
    usage.resize(std::max<std::size_t>(usage.size() + 2, 24), ' ');
    text += "  " + usage + program.command->summary + "\n";
  }
  text += "\nexamples:\n";
  text += kCommands[0].examples;
  text +=
      "\n\nqwen-run COMMAND --help lists a command's options (qwen-run --help those of the default one); "
      "--version "
      "shows the version.\nExit codes: 0 done, 1 failed, 2 wrong usage. Results go to stdout, everything "
      "else to "
      "stderr.\n";
  return text;
}

std::string help(const std::vector<Program>& programs, const Program& program) {
  const Command& command = *program.command;
  if (command.name[0] == '\0') return overview(programs) + "\n" + program.line.option_help();
  return "qwen-run " + std::string(command.name) + ": " + command.summary +
         "\nusage: qwen-run [-m MODEL] [OPTIONS] " + command.usage + "\n\n" + program.line.option_help() +
         "\nexamples:\n" + command.examples + "\n";
}

// The message for an argument that belongs to no option.
std::string explain_extra(const std::vector<Program>& programs, const Program& program,
                          const std::string& extra) {
  const std::string name = program.command->name;
  const std::string look = "; see qwen-run " + (name.empty() ? "" : name + " ") + "--help";
  if (extra.size() < 2 || extra[0] != '-') {
    const bool takes_text = program.line.has("TEXT");
    return takes_text ? "more than one TEXT (\"" + extra + "\"): put quotes around a text with spaces"
                      : "unexpected argument \"" + extra + "\"" + look;
  }
  const std::string option = extra.substr(0, extra.find('='));
  for (const Program& other : programs) {
    if (other.line.has(option))
      return "option " + option + " does not apply to " + (name.empty() ? "qwen-run TEXT" : name) + look;
  }
  return "unknown option " + option + look + " (a text that begins with '-' goes after --)";
}

int run(std::vector<std::string> arguments) {
  std::vector<Program> programs = build_programs();
  Program& program = find_program(programs, arguments);
  tools::apply_config(program.line, arguments);
  std::vector<std::string> extras;
  switch (program.line.parse(arguments, &extras)) {
    case tools::CommandLine::Result::help: tools::write_out(help(programs, program)); return tools::kExitOk;
    case tools::CommandLine::Result::version:
      tools::write_out("qwen-run " + tools::version_text() + "\n");
      return tools::kExitOk;
    case tools::CommandLine::Result::run: break;
  }
  if (!extras.empty()) throw UsageError(explain_extra(programs, program, extras.front()));
  return program.run();
}

}  // namespace
}  // namespace qwen_run

int main(int argc, char** argv) {
  // The line editor follows the locale; this program always uses UTF-8.
  if (!std::setlocale(LC_CTYPE, "") || std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
    std::setlocale(LC_CTYPE, "C.UTF-8");
  return tools::run_program("qwen-run", [&] {
    return qwen_run::run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  });
}
