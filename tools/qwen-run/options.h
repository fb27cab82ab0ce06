// Groups of options that several commands share.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/command_line.h"
#include "common/encoding.h"
#include "common/sampling.h"
#include "qwen/qwen.h"

namespace qwen_run {

// The input text of a command: TEXT, -p TEXT, -f FILE, "-" or a pipe; --encoding.
class TextInput {
 public:
  void add(tools::CommandLine& app, const std::string& description);
  // For a text that came as another argument.
  void set_text(std::string text);
  bool given() const { return text_set_ || positional_.given() || prompt_.given() || file_.given(); }
  bool given_text() const;  // TEXT or -p TEXT, not a file or stdin
  // `line`: without one line break at the end of a file or a pipe, like the shell's $(...).
  // Throws UsageError if there is more than one source, or none and stdin is a terminal.
  std::string read(bool line) const;
  // For commands that read lines: the file, or "-". Throws UsageError if there is a TEXT, or if stdin is a terminal.
  std::string path_for_lines() const;
  const std::string& file_path() const { return path_; }  // "" without -f
  tools::Encoding encoding() const { return tools::parse_encoding(encoding_); }

 private:
  bool text_set_ = false;
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

// -n, --temp and the other options of an answer. The defaults are the model's.
struct AnswerFlags : tools::SamplingChoice {
  int repeat_last_n = 0;
  std::vector<std::string> logit_bias;  // "ID+BIAS", "ID-BIAS"
  std::vector<std::string> stop;
  int max_tokens = 512;
  int logprobs = -1;

  void add(tools::CommandLine& app);
  // Call before loading a model. Throws UsageError if a value is invalid.
  void check() const;
  // `defaults` are the model's. Without --seed each answer gets a random one.
  qwen::SamplingOptions sampling(qwen::SamplingOptions defaults) const;
  qwen::GenerateOptions options(const qwen::Model& model) const;
};

// Reads "1,2,3", "[1, 2, 3]" or "1 2 3". Throws UsageError that names the invalid part.
std::vector<qwen::Token> parse_ids(const std::string& text);

}  // namespace qwen_run
