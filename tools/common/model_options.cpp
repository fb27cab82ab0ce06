#include "common/model_options.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"

namespace tools {

void add_model_path(CommandLine& app, ModelOptions& options) {
  options.path_option =
      app.add("-m,--model", options.path,
              "GGUF file or Hugging Face directory (else $LIBQWEN_MODEL, else the bundled model)")
          .environment("LIBQWEN_MODEL")
          .check([](const std::string& path) {
            return path.empty()
                       ? std::string("expected a path, found an empty text (without -m: the bundled model)")
                       : std::string();
          })
          .type("PATH")
          .group("Model");
}

void add_weight_options(CommandLine& app, ModelOptions& options) {
  const Option exact =
      app.add_flag("--exact", options.exact, "Float arithmetic everywhere: slow, the reference")
          .group("Model");
  app.add("--quantize", options.quantize,
          "Store float weights as int8, q4 or q4_k while loading (else: none)")
      .one_of({"none", "int8", "q4", "q4_k"})
      .excludes(exact)
      .type("TYPE")
      .group("Model");
}

void add_rope_options(CommandLine& app, ModelOptions& options) {
  RopeFlags& rope = options.rope;
  const auto number = [&](const char* name, std::optional<float>& value, const char* help) {
    return app.add(name, value, help).type("X").group("Long context");
  };
  app.add("--rope-scaling", rope.scaling, "RoPE scaling: none, linear or yarn (else the model's own)")
      .one_of({"none", "linear", "yarn"})
      .type("TYPE")
      .group("Long context");
  const Option scale = number("--rope-scale", rope.scale, "Context becomes this many times longer");
  number("--rope-freq-base", rope.freq_base, "Base of the rotary angles (else the model's own)");
  number("--rope-freq-scale", rope.freq_scale, "1 / --rope-scale").excludes(scale);
  app.add("--yarn-orig-ctx", rope.original_context, "YaRN: context before scaling (else the model's own)")
      .range(0, kMaxInt)
      .type("N")
      .group("Long context");
  number("--yarn-ext-factor", rope.ext_factor, "YaRN: 1 extrapolates fast rotations, 0 interpolates all (1)");
  number("--yarn-attn-factor", rope.attention_factor, "YaRN: scale of queries and keys (1)");
  number("--yarn-beta-fast", rope.beta_fast, "YaRN: rotations in the context that count as fast (32)");
  number("--yarn-beta-slow", rope.beta_slow, "YaRN: rotations in the context that count as slow (1)");
}

namespace {

qwen::RopeOptions rope_options(const RopeFlags& flags) {
  qwen::RopeOptions rope;
  if (flags.scaling == "none") rope.scaling = qwen::RopeScaling::none;
  if (flags.scaling == "linear") rope.scaling = qwen::RopeScaling::linear;
  if (flags.scaling == "yarn") rope.scaling = qwen::RopeScaling::yarn;
  const auto set = [](auto& to, const auto& from) {
    if (from && *from != 0) to = from;
  };
  set(rope.factor, flags.scale);
  if (flags.freq_scale && *flags.freq_scale != 0) rope.factor = 1 / *flags.freq_scale;
  set(rope.freq_base, flags.freq_base);
  set(rope.original_context, flags.original_context);
  if (flags.ext_factor && *flags.ext_factor >= 0) rope.ext_factor = flags.ext_factor;
  rope.attention_factor = flags.attention_factor;
  rope.beta_fast = flags.beta_fast;
  rope.beta_slow = flags.beta_slow;
  return rope;
}

}  // namespace

void add_model_options(CommandLine& app, ModelOptions& options) {
  add_model_path(app, options);
  app.add("-t,--threads", options.threads, "Threads; 0: one per available physical core")
      .range(0, 1024)
      .type("N")
      .group("Model");
  app.add_flag("--pin-threads", options.pin_threads, "Bind each thread to one core").group("Model");
  add_weight_options(app, options);
  add_rope_options(app, options);
  app.add_flag("-v,--verbose", options.verbose, "Timing and details on stderr").group("Output");
  app.add_flag("--no-progress", options.no_progress, "No progress bar and no timing on a terminal")
      .group("Output");
}

void add_chat_template(CommandLine& app, ModelOptions& options) {
  app.add("--chat-template", options.chat_template,
          "qwen1.5, qwen2, qwen2.5, qwen3, chatml, or a file with a Jinja template (else the model's own)")
      .type("NAME|FILE")
      .group("Model");
}

std::string chat_template_text(const std::string& name_or_file) {
  if (name_or_file.empty() || qwen::ChatTemplate::is_builtin(name_or_file)) return name_or_file;
  std::ifstream in(name_or_file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in)
    throw UsageError("--chat-template: expected qwen1.5, qwen2, qwen2.5, qwen3, chatml or a file, found \"" +
                     name_or_file + "\"");
  return text;
}

qwen::LoadOptions load_options(const ModelOptions& options) {
  qwen::LoadOptions load;
  load.threads = options.threads;
  load.pin_threads = options.pin_threads;
  load.reference = options.exact;
  if (options.quantize == "int8") load.quantize = qwen::QuantizeOnLoad::int8;
  if (options.quantize == "q4") load.quantize = qwen::QuantizeOnLoad::q4;
  if (options.quantize == "q4_k") load.quantize = qwen::QuantizeOnLoad::q4_k;
  load.rope = rope_options(options.rope);
  load.chat_template = chat_template_text(options.chat_template);
  load.on_log = [](std::string_view line) { warn(line); };
  return load;
}

qwen::Model load_model(const ModelOptions& options, double* seconds) {
  const auto start = std::chrono::steady_clock::now();
  ProgressBar bar("loading", !options.no_progress);
  qwen::LoadOptions load = load_options(options);
  load.on_progress = [&](const qwen::LoadProgress& progress) {
    bar.update(progress.fraction);
    return true;
  };
  qwen::Model model = with_model_origin(options, [&] {
    return options.path.empty() ? qwen::Model::builtin(load) : qwen::Model::load(options.path, load);
  });
  bar.finish();
  const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (seconds) *seconds = taken;
  if (options.verbose) {
    const auto isa = model.isa();
    std::fprintf(stderr, "loaded %s in %.3f s: %s, %d threads, %.*s kernels\n",
                 printable(model.info().source).c_str(), taken, printable(model.info().name).c_str(),
                 model.threads(), static_cast<int>(isa.size()), isa.data());
  }
  return model;
}

qwen::Tokenizer load_tokenizer(const ModelOptions& options) {
  return with_model_origin(options, [&] {
    return options.path.empty() ? qwen::Model::builtin().tokenizer()
                                : qwen::Model::load_tokenizer(options.path);
  });
}

}  // namespace tools
