// A conversation rendered by a chat template.
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/model_options.h"
#include "common/output.h"
#include "common/program.h"
#include "qwen-run/commands.h"

namespace qwen_run {
namespace {

using tools::Json;

struct ApplyTemplateFlags {
  tools::ModelOptions model;
  std::string messages, tool_file, think, variables;
  std::optional<std::string> bos_token, eos_token;
  bool no_generation_prompt = false, continue_final_message = false, json = false;
};

qwen::ChatTemplate load_template(const ApplyTemplateFlags& flags) {
  const qwen::LoadOptions options = tools::load_options(flags.model);
  return flags.model.path.empty() ? qwen::Model::builtin(options).chat_template()
                                  : qwen::Model::load_chat_template(flags.model.path, options);
}

int apply_template(const ApplyTemplateFlags& flags) {
  const qwen::ChatTemplate chat = load_template(flags);
  qwen::ChatTemplate::RenderOptions options;
  options.add_generation_prompt = !flags.no_generation_prompt;
  options.continue_final_message = flags.continue_final_message;
  options.enable_thinking = std::nullopt;
  if (!flags.think.empty()) options.enable_thinking = flags.think == "on";
  if (!flags.tool_file.empty()) options.tools = tools::read_file(flags.tool_file);
  options.variables = flags.variables;
  options.bos_token = flags.bos_token;
  options.eos_token = flags.eos_token;
  const qwen::RenderedPrompt prompt = chat.apply(tools::read_file(flags.messages), options);
  if (!flags.json) {
    tools::write_out(prompt.text());
    return tools::kExitOk;
  }
  Json segments = Json::array();
  for (const auto& segment : prompt.segments)
    segments.push_back({{"text", segment.text}, {"from_template", segment.from_template}});
  tools::write_json(
      {{"text", prompt.text()}, {"ids", chat.encode(prompt)}, {"segments", std::move(segments)}});
  return tools::kExitOk;
}

}  // namespace

std::function<int()> apply_template_command(tools::CommandLine& app) {
  auto flags = std::make_shared<ApplyTemplateFlags>();
  tools::add_model_path(app, flags->model);
  tools::add_chat_template(app, flags->model);
  app.add("--messages", flags->messages, "File with a JSON array of messages; - reads stdin")
      .required()
      .type("FILE")
      .group("Input");
  app.add("--tools", flags->tool_file, "File with a JSON array of tools").type("FILE").group("Input");
  app.add_flag("--no-generation-prompt", flags->no_generation_prompt, "Do not begin the assistant's answer")
      .group("Input");
  app.add_flag("--continue-final-message", flags->continue_final_message,
               "End within the last message, for the model to continue it")
      .group("Input");
  app.add("--think", flags->think, "Sets enable_thinking: on or off (else it is undefined)")
      .one_of({"on", "off"})
      .type("on|off")
      .group("Input");
  app.add("--variables", flags->variables, "JSON object of further variables for the template")
      .type("JSON")
      .group("Input");
  app.add("--bos-token", flags->bos_token, "Value of bos_token, instead of the model's")
      .type("TEXT")
      .group("Input");
  app.add("--eos-token", flags->eos_token, "Value of eos_token, instead of the model's")
      .type("TEXT")
      .group("Input");
  app.add_flag("--json", flags->json, "One JSON object: text, ids, and the segments with their origin")
      .group("Output");
  return [flags] { return apply_template(*flags); };
}

}  // namespace qwen_run
