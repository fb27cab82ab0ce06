// tokenize and detokenize.
#include <memory>
#include <nlohmann/json.hpp>

#include "common/model_options.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/commands.h"
#include "qwen-run/line_source.h"
#include "qwen-run/options.h"

namespace qwen_run {
namespace {

using tools::Json;
using tools::UsageError;

// Calls `convert` with the JSON of every line of stdin and writes what it returns, a line each. `expected`
// tells people what a line looks like.
template <class Convert>
void for_each_line(const char* expected, tools::Encoding encoding, const Convert& convert) {
  LineSource lines("-", encoding);
  std::string line;
  for (int number = 1; lines.next(line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      tools::write_json(convert(Json::parse(line)));
    } catch (const Json::exception&) {
      throw qwen::Error(qwen::ErrorCode::bad_format, "line " + std::to_string(number) +
                                                         " of standard input: expected " + expected +
                                                         ", found " + line.substr(0, 60));
    }
  }
}

struct TokenizeFlags {
  tools::ModelOptions model;
  TextInput input;
  bool special = false, jsonl = false, json = false;
};

int tokenize(const TokenizeFlags& flags) {
  if (flags.jsonl && flags.input.given())
    throw UsageError("--jsonl reads texts from stdin; remove the other text");
  const auto special =
      flags.special ? qwen::Tokenizer::ControlTokens::parse : qwen::Tokenizer::ControlTokens::as_text;
  if (flags.jsonl) {
    const qwen::Tokenizer tokenizer = tools::load_tokenizer(flags.model);
    for_each_line("{\"text\": \"...\"}", flags.input.encoding(), [&](const Json& json) {
      return Json{{"ids", tokenizer.encode_prompt(json.at("text").get_ref<const std::string&>(), special)}};
    });
    return tools::kExitOk;
  }
  const std::string text = flags.input.read(false);
  const qwen::Tokenizer tokenizer = tools::load_tokenizer(flags.model);
  const auto ids = tokenizer.encode_prompt(text, special);
  if (flags.json) {
    Json pieces = Json::array();
    for (const qwen::Token& id : ids) pieces.push_back(tokenizer.decode({&id, 1}, true));
    tools::write_json({{"ids", ids}, {"pieces", std::move(pieces)}, {"count", ids.size()}});
    return tools::kExitOk;
  }
  std::string line;
  for (const qwen::Token id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
  tools::write_out(line + "\n");
  return tools::kExitOk;
}

struct DetokenizeFlags {
  tools::ModelOptions model;
  std::vector<std::string> ids;
  bool special = false, jsonl = false, json = false;
};

int detokenize(const DetokenizeFlags& flags) {
  if (flags.jsonl) {
    if (!flags.ids.empty()) throw UsageError("--jsonl reads ids from stdin; remove the others");
    const qwen::Tokenizer tokenizer = tools::load_tokenizer(flags.model);
    for_each_line("{\"ids\": [1, 2, 3]}", tools::Encoding::utf8, [&](const Json& json) {
      return Json{{"text", tokenizer.decode(json.at("ids").get<std::vector<qwen::Token>>(), flags.special)}};
    });
    return tools::kExitOk;
  }
  std::string list;
  if (flags.ids.empty() || (flags.ids.size() == 1 && flags.ids[0] == "-")) {
    if (flags.ids.empty() && tools::stdin_is_terminal())
      throw UsageError("no token ids: expected arguments (1,2,3) or a pipe");
    list = tools::read_stdin();
  } else {
    for (const std::string& part : flags.ids) list += part + " ";
  }
  const auto ids = parse_ids(list);
  const std::string text = tools::load_tokenizer(flags.model).decode(ids, flags.special);
  if (flags.json) {
    tools::write_json({{"text", text}, {"count", ids.size()}});
  } else {
    tools::write_out(text + "\n");
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> tokenize_command(tools::CommandLine& app) {
  auto flags = std::make_shared<TokenizeFlags>();
  flags->input.add(app, "The text");
  tools::add_model_path(app, flags->model);
  app.add_flag("--special", flags->special, "Control tokens in the text (<|im_start|> ...) become their ids")
      .group("Input");
  const tools::Option jsonl =
      app.add_flag("--jsonl", flags->jsonl,
                   "Read {\"text\":...} lines from stdin, write {\"ids\":[...]} lines")
          .group("Output");
  app.add_flag("--json", flags->json, "One JSON object: ids, pieces, count").excludes(jsonl).group("Output");
  return [flags] { return tokenize(*flags); };
}

std::function<int()> detokenize_command(tools::CommandLine& app) {
  auto flags = std::make_shared<DetokenizeFlags>();
  app.add("IDS", flags->ids, "Token ids: 1,2,3 or 1 2 3; - reads stdin").type("");
  tools::add_model_path(app, flags->model);
  app.add_flag("--special", flags->special, "Show control tokens, too").group("Output");
  const tools::Option jsonl =
      app.add_flag("--jsonl", flags->jsonl,
                   "Read {\"ids\":[...]} lines from stdin, write {\"text\":...} lines")
          .group("Output");
  app.add_flag("--json", flags->json, "One JSON object: text, count").excludes(jsonl).group("Output");
  return [flags] { return detokenize(*flags); };
}

}  // namespace qwen_run
