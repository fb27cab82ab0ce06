#include "qwen-run/answer.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/program.h"
#include "common/terminal.h"
#include "qwen-run/commands.h"

namespace qwen_run {

using tools::Json;
using tools::UsageError;

void GenerationFlags::add(tools::CommandLine& app) {
  tools::add_model_options(app, model);
  session.add(app);
  answer.add(app);
  constraint.add(app);
  const tools::Option json_flag =
      app.add_flag("--json", json, "One JSON object instead of streamed text").group("Output");
  app.add("--logprobs", answer.logprobs, "With --json: log-probabilities, and N alternatives, of each token")
      .range(0, 1000)
      .type("N")
      .needs(json_flag)
      .group("Output");
}

void ChatFlags::add(tools::CommandLine& app, tools::ModelOptions& model) {
  app.add("-s,--system", system, "System prompt, instead of the model's own").type("TEXT").group("Input");
  ThinkFlags::add(app);
  tools::add_chat_template(app, model);
}

void ThinkFlags::add(tools::CommandLine& app) {
  app.add("--think", think,
          "Whether the model thinks before it answers: on, off, or on with N tokens at most")
      .type("on|off|N")
      .check(think_problem)
      .group("Answer");
}

std::string ThinkFlags::think_problem(const std::string& value) {
  const bool digits =
      !value.empty() && value.size() < 10 && value.find_first_not_of("0123456789") == std::string::npos;
  if (value == "on" || value == "off" || digits) return {};
  return "expected on, off or a number of tokens, found \"" + value + "\"";
}

void ThinkFlags::check(const qwen::Model& model) const {
  using Thinking = qwen::ChatTemplate::Thinking;
  const qwen::ChatTemplate& chat = model.chat_template();
  const std::string name = "--think: the model's chat template (" + std::string(chat.name()) + ")";
  if (thinking() && chat.thinking() == Thinking::none) throw UsageError(name + " does not support thinking");
  if (think && !thinking() && chat.thinking() == Thinking::always)
    throw UsageError(name + " cannot turn thinking off");
}

int ThinkFlags::thought_tokens() const {
  return think && *think != "on" && *think != "off" ? std::stoi(*think) : -1;
}

void GenerationFlags::check() const {
  answer.check();
  static_cast<void>(constraint.constraint());
}

qwen::GenerateOptions GenerationFlags::options(const qwen::Model& model) const {
  qwen::GenerateOptions out = answer.options(model);
  out.constraint = constraint.constraint();
  return out;
}

AnswerStream::~AnswerStream() {
  if (in_thought_) tools::stream_out("\x1b[0m");
}

void AnswerStream::thought(std::string_view text) {
  if (text.empty() || !tools::stdout_is_terminal()) return;
  if (!in_thought_) tools::stream_out("\x1b[2m");
  in_thought_ = true;
  tools::stream_out(text);
}

void AnswerStream::text(std::string_view text) {
  if (text.empty()) return;
  if (in_thought_) tools::stream_out("\x1b[0m\n\n");
  in_thought_ = false;
  tools::stream_out(text);
}

bool GenerationFlags::show_timing() const {
  return model.verbose || (tools::stderr_is_terminal() && !model.no_progress);
}

void watch_prefill(qwen::Session& session, bool enabled) {
  auto bar = std::make_shared<tools::ProgressBar>("reading", enabled);
  session.set_prefill_callback([bar](int done, int total) {
    bar->update(static_cast<double>(done) / total);
    if (done == total) bar->finish();
    return true;
  });
}

std::string timing_line(const qwen::GenerateResult& result) {
  char line[256];
  const auto n = result.tokens.size();
  const double rate = result.decode_seconds > 0 ? static_cast<double>(n - 1) / result.decode_seconds : 0;
  int size = std::snprintf(line, sizeof line, "[%zu tokens", n);
  const auto add = [&](const char* format, auto... values) {
    size += std::snprintf(line + size, sizeof line - static_cast<std::size_t>(size), format, values...);
  };
  if (rate > 0) add(", %.1f tokens/s", rate);
  add("; first after %.3f s; prompt %d tokens", result.first_token_seconds, result.prompt_tokens);
  if (result.prefill_seconds > 0) add(", %.0f tokens/s", result.prompt_tokens / result.prefill_seconds);
  switch (result.finish) {
    case qwen::FinishReason::length: add("; stopped by -n"); break;
    case qwen::FinishReason::context_full: add("; stopped: context full, increase it with -c"); break;
    case qwen::FinishReason::cancelled: add("; stopped"); break;
    default: break;
  }
  return std::string(line) + "]";
}

namespace {

// A token that is part of a character shows U+FFFD.
std::string token_text(const qwen::Tokenizer& tokenizer, qwen::Token token) {
  return tokenizer.decode({&token, 1}, true);
}

Json logprobs_json(const qwen::GenerateResult& result, const qwen::Tokenizer& tokenizer) {
  const auto entry = [&](const qwen::TokenProbability& p) {
    return Json{{"token", p.token}, {"text", token_text(tokenizer, p.token)}, {"logprob", p.logprob}};
  };
  Json list = Json::array();
  for (std::size_t i = 0; i < result.logprobs.size(); ++i) {
    Json item = entry(result.logprobs[i]);
    item["top"] = Json::array();
    for (const auto& alternative : result.alternatives[i]) item["top"].push_back(entry(alternative));
    list.push_back(std::move(item));
  }
  return list;
}

Json answer_json(const qwen::GenerateResult& result, const qwen::ThoughtSplitter::Parts& parts,
                 const qwen::Session& session, const qwen::GenerateOptions& options, double load_seconds) {
  const auto generated = static_cast<int>(result.tokens.size());
  Json json = {{"text", parts.answer},
               {"finish_reason", qwen::to_string(result.finish)},
               {"model", session.model().info().name},
               {"seed", result.seed},
               {"tokens", result.tokens},
               {"usage",
                {{"prompt_tokens", result.prompt_tokens},
                 {"completion_tokens", generated},
                 {"total_tokens", result.prompt_tokens + generated}}},
               {"timings",
                {{"load_ms", load_seconds * 1e3},
                 {"prompt_ms", result.prefill_seconds * 1e3},
                 {"first_token_ms", result.first_token_seconds * 1e3},
                 {"decode_ms", result.decode_seconds * 1e3}}}};
  if (result.decode_seconds > 0)
    json["timings"]["tokens_per_second"] = (generated - 1) / result.decode_seconds;
  if (!parts.reasoning.empty()) json["reasoning"] = parts.reasoning;
  if (options.logprobs >= 0) json["logprobs"] = logprobs_json(result, session.model().tokenizer());
  return json;
}

}  // namespace

void end_answer(const qwen::GenerateResult& result, const GenerationFlags& flags) {
  if (result.text.empty() || result.text.back() != '\n') tools::stream_out("\n");
  if (flags.show_timing()) std::fprintf(stderr, "%s\n", timing_line(result).c_str());
}

void answer(qwen::Session& session, std::span<const qwen::Token> prompt, const qwen::GenerateOptions& options,
            const GenerationFlags& flags, double load_seconds) {
  watch_prefill(session, !flags.model.no_progress);
  std::optional<qwen::ThoughtSplitter> splitter;
  if (options.thought != qwen::Thought::none) splitter.emplace(options.thought == qwen::Thought::begun);
  qwen::ThoughtSplitter::Parts all;
  AnswerStream stream;
  const auto write = [&](const qwen::ThoughtSplitter::Parts& parts) {
    all.reasoning += parts.reasoning;
    all.answer += parts.answer;
    if (flags.json) return;
    stream.thought(parts.reasoning);
    stream.text(parts.answer);
  };
  const auto result = qwen::generate(session, prompt, options, [&](std::string_view text) {
    write(splitter ? splitter->push(text) : qwen::ThoughtSplitter::Parts{{}, std::string(text)});
  });
  if (splitter) write(splitter->finish());
  if (!flags.json) return end_answer(result, flags);
  tools::write_json(answer_json(result, all, session, options, load_seconds));
  if (flags.show_timing()) std::fprintf(stderr, "%s\n", timing_line(result).c_str());
}

namespace {

struct AskFlags : GenerationFlags {
  TextInput input;
  ChatFlags chat;
};

int ask(const AskFlags& flags) {
  flags.check();
  const std::string text = flags.input.read(true);
  if (text.empty()) throw UsageError("empty message; for example: qwen-run \"你好\"");
  return ask_once(text, flags, flags.chat);
}

}  // namespace

int ask_once(const std::string& text, const GenerationFlags& flags, const ChatFlags& chat) {
  double load_seconds = 0;
  const qwen::Model model = tools::load_model(flags.model, &load_seconds);
  chat.check(model);
  std::vector<qwen::Message> messages;
  if (chat.system) messages.push_back({"system", *chat.system});
  messages.push_back({"user", text});
  qwen::ChatTemplate::RenderOptions render;
  render.enable_thinking = model.chat_template().enable_thinking(chat.thinking());
  const qwen::RenderedPrompt prompt = model.chat_template().apply(messages, render);
  qwen::GenerateOptions options = flags.options(model);
  options.thought = prompt.thought;
  options.thought_tokens = chat.thought_tokens();
  qwen::Session session(model, flags.session.get());
  answer(session, model.chat_template().encode(prompt), options, flags, load_seconds);
  return tools::kExitOk;
}

std::function<int()> ask_command(tools::CommandLine& app) {
  auto flags = std::make_shared<AskFlags>();
  flags->input.add(app, "The message");
  flags->chat.add(app, flags->model);
  flags->add(app);
  return [flags] { return ask(*flags); };
}

std::function<int()> generate_command(tools::CommandLine& app) {
  struct AnswerFlags : GenerationFlags {
    TextInput input;
    bool special = false;
  };
  auto flags = std::make_shared<AnswerFlags>();
  flags->input.add(app, "The beginning of the text");
  app.add_flag("--special", flags->special, "Control tokens in the text (<|im_start|> ...) count as such")
      .group("Input");
  flags->add(app);
  return [flags] {
    flags->check();
    const std::string text = flags->input.read(true);
    if (text.empty()) throw UsageError("empty prompt: expected at least one character to continue");
    double load_seconds = 0;
    const qwen::Model model = tools::load_model(flags->model, &load_seconds);
    const auto prompt =
        model.tokenizer().encode_prompt(text, flags->special ? qwen::Tokenizer::ControlTokens::parse
                                                             : qwen::Tokenizer::ControlTokens::as_text);
    qwen::Session session(model, flags->session.get());
    answer(session, prompt, flags->options(model), *flags, load_seconds);
    return tools::kExitOk;
  };
}

}  // namespace qwen_run
