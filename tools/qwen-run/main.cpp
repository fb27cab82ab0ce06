// qwen-run [-m MODEL] [COMMAND] [TEXT|-]: the table of commands, and the choice of one.
#include <langinfo.h>

#include <algorithm>
#include <clocale>
#include <cstring>

#include "common/completion.h"
#include "common/config.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/chinese.h"
#include "qwen-run/commands.h"
#include "qwen-run/suggest.h"
#include "qwen/task.h"

namespace qwen_run {
namespace {

using tools::UsageError;

constexpr const char* kDescription = "small Qwen models on the CPU";

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
     "  qwen-run sentiment -f reviews.csv --text-column 评论 -o labeled.csv\n"
     "  qwen-run sentiment --jsonl < reviews.jsonl    ({\"text\":...} lines give {\"label\",...} lines)",
     sentiment_command},
    {"analyze", "analyze [TEXT|-]", "the sentiment first, then a reply",
     "  qwen-run analyze \"今天的实验终于成功了，太棒了！\"", analyze_command},
    {"task", "TASK [TEXT|-]", "any task by its name: summary, intent, your own (docs/tasks.md)",
     "  qwen-run summary -f article.txt\n"
     "  qwen-run intent -f messages.csv -o labeled.csv\n"
     "  qwen-run --labels 好评,差评,中性 \"味道不错\"     (labels without a task)\n"
     "  qwen-run task chat \"你好\"                     (a task with the name of a command)",
     task_command},
    {"classify", "classify TASK [TEXT|-]", "label a text by any task with labels, or by --labels",
     "  qwen-run classify intent \"我的快递三天了还没到\"\n"
     "  qwen-run classify --labels 好评,差评,中性 \"味道不错\"\n"
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
    {"extract", "extract TASK [TEXT|-]", "JSON from a text, by any task with a schema",
     "  qwen-run extract address \"请寄到杭州市西湖区文三路 90 号，王芳收\"\n"
     "  qwen-run extract opinions -f reviews.csv --text-column 评论 -o opinions.csv",
     extract_command},
    {"evaluate", "evaluate TASK... --data FILE", "accuracy, F1, confusion and calibration on labelled texts",
     "  qwen-run evaluate sentiment --data reviews.csv     (a table with columns label and text)\n"
     "  qwen-run evaluate sentiment sentiment_brief --data reviews.csv --predictions answers.csv",
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
    {"help", "help [COMMAND]", "the options and examples of a command", "  qwen-run help sentiment", nullptr},
};

struct Program {
  const Command* command;
  tools::CommandLine line;
  std::function<int()> run;
};

// `help_topic` receives the argument of `qwen-run help`, the command without a function of its own.
std::vector<Program> build_programs(std::string& help_topic) {
  std::vector<Program> programs;
  for (const Command& command : kCommands) {
    Program program{&command, {}, {}};
    if (command.setup)
      program.run = command.setup(program.line);
    else
      program.line.add("COMMAND", help_topic, "A command or a task").type("");
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

Program& named(std::vector<Program>& programs, const std::string& name) {
  return *std::find_if(programs.begin(), programs.end(),
                       [&](const Program& program) { return name == program.command->name; });
}

bool is_command(const std::vector<Program>& programs, const std::string& word) {
  return !word.empty() && std::any_of(programs.begin(), programs.end(),
                                      [&](const Program& program) { return word == program.command->name; });
}

// The names of the tasks that these arguments make available: with --tasks, the environment and config.yaml.
std::vector<std::string> task_names(const std::vector<std::string>& arguments) {
  std::vector<std::string> folders, others;
  tools::CommandLine line;
  line.add("--tasks", folders, "").one_per_use();
  tools::add_config_option(line);
  tools::apply_config(line, arguments);
  std::vector<std::string> rest = arguments;
  std::erase_if(rest, [](const std::string& text) { return text == "-h" || text == "--help"; });
  line.parse(rest, &others);
  qwen::TaskRegistry registry;
  for (const std::string& folder : folders) registry.add_folder(folder);
  return registry.names();
}

bool looks_like_name(const std::string& word) {
  constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !word.empty() && word.size() <= 64 && word.find_first_not_of(kLetters) == std::string::npos;
}

struct Choice {
  Program* program;
  std::string word;  // the first positional argument, if it may be a misspelt name
};

// Removes the command's name from the arguments: the first positional one, if it is a name. The name of a task stays.
Choice choose_program(std::vector<Program>& programs, std::vector<std::string>& arguments) {
  Program* other = &programs.front();
  std::string word;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i] == "--labels" || arguments[i].starts_with("--labels=")) other = &named(programs, "task");
    if (arguments[i].size() > 1 && arguments[i][0] == '-') {
      i += consumes_next(programs, arguments[i]);
    } else if (word.empty()) {
      word = arguments[i];
      if (is_command(programs, word)) {
        arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i));
        return {&named(programs, word), ""};
      }
      if (!looks_like_name(word)) word = "-";  // a text
    }
  }
  if (word.empty() || word == "-" || other != &programs.front()) return {other, ""};
  const std::vector<std::string> tasks = task_names(arguments);
  if (std::find(tasks.begin(), tasks.end(), word) != tasks.end()) return {&named(programs, "task"), ""};
  return {other, word};
}

std::vector<std::string> known_names(const std::vector<Program>& programs,
                                     const std::vector<std::string>& arguments) {
  std::vector<std::string> names = task_names(arguments);
  for (const Program& program : programs) names.push_back(program.command->name);
  return names;
}

struct OverviewText {
  const char *usage, *before, *examples, *after;  // usage: of one command
};

constexpr OverviewText kEnglish = {
    "usage: qwen-run [-m MODEL] [OPTIONS] ",
    "usage: qwen-run [-m MODEL] [OPTIONS] [COMMAND] [TEXT|-]\n\n"
    "The model is -m's, else $LIBQWEN_MODEL's, else the bundled one. TEXT is an argument, - or a pipe. "
    "Without a "
    "TEXT, a terminal opens the chat.\n\ncommands:\n",
    "examples",
    "qwen-run COMMAND --help lists a command's options (qwen-run --help those of the default one); --version "
    "shows the version; --completion bash, zsh, fish or man writes a completion script or the man "
    "page.\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C. Results go to "
    "stdout, "
    "everything else to stderr.\n"};
constexpr OverviewText kChinese = {
    "用法：qwen-run [-m MODEL] [选项] ",
    "用法：qwen-run [-m MODEL] [选项] [命令] [TEXT|-]\n\n"
    "模型由 -m 指定，否则取 $LIBQWEN_MODEL，再否则用内置模型。TEXT 可以是参数、- 或管道。在终端里不带 TEXT "
    "运行时打开对话。\n\n命令：\n",
    "示例",
    "qwen-run 命令 --help 列出该命令的选项（qwen-run --help 列出默认命令的选项）；--version "
    "显示版本；--completion bash、zsh、fish 或 man 输出补全脚本或手册页。\n"
    "退出码：0 成功，1 失败，2 用法错误，130 被 Ctrl-C 中断。结果写到 stdout，其他信息写到 stderr。\n"};

std::string summary_of(const Command& command) {
  const std::string chinese = chinese_locale() ? chinese_summary(command.name) : "";
  return chinese.empty() ? command.summary : chinese;
}

std::string overview(const std::vector<Program>& programs) {
  const OverviewText& words = chinese_locale() ? kChinese : kEnglish;
  std::string text = std::string("qwen-run: ") + kDescription + "\n\n" + words.before;
  for (const Program& program : programs) {
    std::string usage = program.command->usage;
    usage.resize(std::max<std::size_t>(usage.size() + 2, 24), ' ');
    text += "  " + usage + summary_of(*program.command) + "\n";
  }
  return text + "\n" + words.examples + ":\n" + kCommands[0].examples + "\n\n" + words.after;
}

std::string help(const std::vector<Program>& programs, const Program& program) {
  const Command& command = *program.command;
  if (command.name[0] == '\0') return overview(programs) + "\n" + program.line.option_help();
  const OverviewText& words = chinese_locale() ? kChinese : kEnglish;
  return "qwen-run " + std::string(command.name) + ": " + summary_of(command) + "\n" + words.usage +
         command.usage + "\n\n" + program.line.option_help() + "\n" + words.examples + ":\n" +
         command.examples + "\n";
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

// A text that is one word may be a misspelt command. More arguments make that likely; one word must be long and very similar.
void refuse_typo(const std::vector<Program>& programs, const std::vector<std::string>& arguments,
                 const std::string& word, bool alone) {
  if (word.empty() || (alone && word.size() < 6)) return;
  const std::size_t most = alone && word.size() < 8 ? 1 : 2;
  const std::string name = nearest(word, known_names(programs, arguments), most);
  if (!name.empty())
    throw UsageError("no command or task \"" + word + "\": did you mean " + name +
                     "? (as a message: qwen-run -- " + word + ")");
}

// qwen-run help [COMMAND or TASK]
int show_help(std::vector<Program>& programs, const std::string& name) {
  const Program* program = &programs.front();
  if (is_command(programs, name)) {
    program = &named(programs, name);
  } else if (!name.empty()) {
    const std::vector<std::string> tasks = task_names({});
    if (std::find(tasks.begin(), tasks.end(), name) == tasks.end()) {
      const std::string near = nearest(name, known_names(programs, {}), 2);
      throw UsageError("no command or task \"" + name + "\"" +
                       (near.empty() ? "; see qwen-run --help" : ": did you mean " + near + "?"));
    }
    program = &named(programs, "task");
  }
  tools::write_out(help(programs, *program));
  return tools::kExitOk;
}

// qwen-run --completion bash|zsh|fish|man: run by the build.
int write_completion(const std::vector<Program>& programs, const std::string& kind) {
  std::vector<tools::CommandHelp> commands;
  for (const Program& program : programs) {
    const Command& command = *program.command;
    commands.push_back({command.name, std::string("[OPTIONS] ") + command.usage, command.summary,
                        command.examples, program.line.options()});
  }
  tools::write_out(tools::completion_text(kind, "qwen-run", kDescription, commands));
  return tools::kExitOk;
}

int run(std::vector<std::string> arguments) {
  std::string help_topic;
  std::vector<Program> programs = build_programs(help_topic);
  if (arguments.size() == 2 && arguments[0] == "--completion")
    return write_completion(programs, arguments[1]);
  if (chinese_locale())
    for (Program& program : programs) program.line.translate(chinese_option);
  auto [program, word] = choose_program(programs, arguments);
  const auto parse = [&](std::vector<std::string>& extras) {
    tools::apply_config(program->line, arguments);
    return program->line.parse(arguments, &extras);
  };
  std::vector<std::string> extras;
  tools::CommandLine::Result result = parse(extras);
  if (result == tools::CommandLine::Result::help) {
    tools::write_out(help(programs, *program));
    return tools::kExitOk;
  }
  if (result == tools::CommandLine::Result::version) {
    tools::write_out("qwen-run " + tools::version_text() + "\n");
    return tools::kExitOk;
  }
  refuse_typo(programs, arguments, word, extras.empty());
  if (!extras.empty()) throw UsageError(explain_extra(programs, *program, extras.front()));
  const auto given = [&](const char* name) { return program->line.given(name); };
  if (program == &programs.front() && !given("TEXT") && !given("--prompt") && !given("--file") &&
      tools::stdin_is_terminal() && tools::stdout_is_terminal()) {
    program = &named(programs, "chat");
    parse(extras);
  }
  if (!program->run) return show_help(programs, help_topic);
  return program->run();
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
