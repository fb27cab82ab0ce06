// Groups of options that several commands share.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/encoding.h"
#include "common/sampling.h"
#include "qwen/qwen.h"

namespace qwen_run {

// Where a command's text comes from: TEXT, -p TEXT, -f FILE, "-" or a pipe; --encoding.
class TextInput {
 public:
  void add(tools::CommandLine& app, const std::string& description);
  bool given() const { return positional_.given() || prompt_.given() || file_.given(); }
  // The text, exactly. `line` drops one line break at the end of what comes from a file or a pipe, as the
  // shell's
  // $(...) does. UsageError for more than one source, or for none while stdin is a terminal.
  std::string read(bool line) const;
  // For commands that read lines one by one: the file, or "-". UsageError for a TEXT or a terminal.
  std::string path_for_lines() const;
  tools::Encoding encoding() const { return tools::parse_encoding(encoding_); }

 private:
  std::string text_, prompt_text_, path_, encoding_;
  tools::Option positional_;
  tools::Option prompt_;
  tools::Option file_;
};

// -c, -b, --kv-type.
struct SessionFlags {
  qwen::SessionOptions options;
  std::string kv_type;

  void add(tools::CommandLine& app);
  qwen::SessionOptions get() const;
};

// -n, --temp and all that shapes an answer. What is not given comes from the model.
struct AnswerFlags : tools::SamplingChoice {
  int repeat_last_n = 0;
  std::vector<std::string> logit_bias;  // "ID+BIAS", "ID-BIAS"
  std::vector<std::string> stop;
  int max_tokens = 512;
  int logprobs = -1;

  void add(tools::CommandLine& app);
  // Checks the values (UsageError) before a model is loaded.
  void check() const;
  // `defaults` are the model's. Without --seed each call draws a new one.
  qwen::SamplingOptions sampling(qwen::SamplingOptions defaults) const;
  qwen::GenerateOptions options(const qwen::Model& model) const;
};

// Ids as people write them: "1,2,3", "[1, 2, 3]" or "1 2 3". UsageError that names the part that is no id.
std::vector<qwen::Token> parse_ids(const std::string& text);

}  // namespace qwen_run
