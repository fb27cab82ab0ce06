#include "qwen-run/options.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <random>

#include "common/model_options.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"

namespace qwen_run {

using tools::UsageError;

void TextInput::add(tools::CommandLine& app, const std::string& description) {
  positional_ = app.add("TEXT", text_, description + "; - reads stdin").type("");
  prompt_ = app.add("-p,--prompt", prompt_text_, "The same as TEXT, also for a text that begins with '-'")
                .type("TEXT")
                .group("Input");
  file_ = app.add("-f,--file", path_, "Read the text from a file; - is stdin").type("FILE").group("Input");
  tools::add_encoding_option(app, encoding_);
}

bool TextInput::given_text() const {
  return prompt_.given() || ((text_set_ || positional_.given()) && text_ != "-");
}

void TextInput::set_text(std::string text) {
  if (positional_.given()) throw UsageError("more than one text: \"" + text + "\" and \"" + text_ + "\"");
  text_ = std::move(text);
  text_set_ = true;
}

std::string TextInput::read(bool line) const {
  const bool as_argument = text_set_ || positional_.given();
  if (int{as_argument} + int{prompt_.given()} + int{file_.given()} > 1)
    throw UsageError("more than one text: expected one of TEXT, -p TEXT and -f FILE");
  if (prompt_.given()) return tools::to_utf8(prompt_text_, encoding(), "-p");
  if (as_argument && text_ != "-") return tools::to_utf8(text_, encoding(), "TEXT");
  if (!given() && tools::stdin_is_terminal())
    throw UsageError("no text: expected TEXT, -p TEXT, -f FILE or a pipe");
  std::string text = file_.given() ? tools::to_utf8(tools::read_file(path_), encoding(), path_)
                                   : tools::to_utf8(tools::read_stdin(), encoding(), "standard input");
  if (line && !text.empty() && text.back() == '\n') {
    text.pop_back();
    if (!text.empty() && text.back() == '\r') text.pop_back();
  }
  return text;
}

std::string TextInput::path_for_lines() const {
  if (given_text()) throw UsageError("lines are read from stdin or from -f FILE, not from the command line");
  if (!given() && tools::stdin_is_terminal()) throw UsageError("no lines: expected -f FILE or a pipe");
  return file_.given() ? path_ : "-";
}

void SessionFlags::add(tools::CommandLine& app) {
  app.add("-c,--ctx-size", options.context, "Tokens of context (default: 2048, at most the model's limit)")
      .range(1, tools::kMaxInt)
      .type("N")
      .group("Model");
  app.add("-b,--batch-size", options.prefill_chunk, "Prompt tokens computed at once (512)")
      .range(1, 1 << 16)
      .type("N")
      .group("Model");
  app.add("--kv-type", kv_type,
          "Type of the KV cache: f16 or f32 (default: f32 with --exact and F32 files, else f16)")
      .one_of({"f16", "f32"})
      .type("TYPE")
      .group("Model");
}

qwen::SessionOptions SessionFlags::get() const {
  qwen::SessionOptions result = options;
  if (kv_type == "f16") result.kv_type = qwen::KvType::f16;
  if (kv_type == "f32") result.kv_type = qwen::KvType::f32;
  return result;
}

void AnswerFlags::add(tools::CommandLine& app) {
  const auto option = [&](const char* names, auto& value, const char* description, const char* type) {
    return app.add(names, value, description).type(type).group("Answer");
  };
  option("-n,--predict", max_tokens, "Tokens to generate at most (512); -1: until the context is full", "N")
      .range(-1, tools::kMaxInt);
  option("--temp", temperature, "Temperature; 0: always the most probable token", "X");
  option("--top-k", top_k, "Sample from the K most probable tokens; 0: all", "K");
  option("--top-p", top_p, "Sample from the most probable tokens that sum up to P", "P");
  option("--min-p", min_p, "Drop tokens below P times the most probable one", "P");
  option("--repeat-penalty", repetition_penalty, "Penalty for tokens in the context; 1: off", "X");
  option("--presence-penalty", presence_penalty, "Subtracted from the logit of each generated token", "X");
  option("--frequency-penalty", frequency_penalty, "Subtracted for each time it was generated", "X");
  option("--repeat-last-n", repeat_last_n, "Tokens that the penalties consider; 0: all", "N");
  option("--logit-bias", logit_bias, "Add to a token's logit: ID+2.5, ID-1, ID-inf (may be repeated)", "ID+X")
      .one_per_use();
  option("--seed", seed, "Random seed: the same seed gives the same answer", "N").range(0, 0x1p64);
  option("--stop", stop, "Stop before this text (may be repeated)", "TEXT").one_per_use();
}

void AnswerFlags::check() const {
  try {
    qwen::Sampler{sampling({})};
  } catch (const qwen::Error& error) {
    throw UsageError(error.what());
  }
  for (const std::string& text : stop) {
    if (text.empty()) throw UsageError("--stop: the text is empty");
  }
}

qwen::SamplingOptions AnswerFlags::sampling(qwen::SamplingOptions o) const {
  apply(o);
  o.penalty_last_n = repeat_last_n;
  for (const std::string& text : logit_bias) {
    const std::size_t sign = text.find_first_of("+-");
    qwen::Token id = 0;
    float bias = 0;
    const char* end = text.data() + text.size();
    bool ok = sign != std::string::npos && sign > 0;
    if (ok) {
      const char* middle = text.data() + sign;
      const auto first = std::from_chars(text.data(), middle, id);
      const auto second = std::from_chars(*middle == '+' ? middle + 1 : middle, end, bias);
      ok = first.ec == std::errc() && first.ptr == middle && second.ec == std::errc() && second.ptr == end;
    }
    if (!ok) throw UsageError("--logit-bias: expected ID+BIAS or ID-BIAS, found \"" + text + "\"");
    o.logit_bias.emplace_back(id, bias);
  }
  return o;
}

qwen::GenerateOptions AnswerFlags::options(const qwen::Model& model) const {
  qwen::GenerateOptions options;
  options.sampling = sampling(model.info().sampling);
  options.max_new_tokens = max_tokens < 0 ? std::numeric_limits<int>::max() : max_tokens;
  options.stop = stop;
  options.logprobs = logprobs;
  return options;
}

std::vector<qwen::Token> parse_ids(const std::string& text) {
  std::vector<qwen::Token> ids;
  constexpr const char* kSeparators = " ,\t\r\n[]";
  std::size_t begin = 0;
  while ((begin = text.find_first_not_of(kSeparators, begin)) != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
    qwen::Token id = 0;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, id);
    if (error != std::errc() || stop != text.data() + end || id < 0)
      throw UsageError("token ids: expected numbers such as 1,2,3, found \"" +
                       text.substr(begin, std::min<std::size_t>(end - begin, 40)) + "\"");
    ids.push_back(id);
    begin = end;
  }
  return ids;
}

}  // namespace qwen_run
