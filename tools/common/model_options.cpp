#include "common/model_options.h"

#include <chrono>
#include <cstdio>

#include "common/program.h"
#include "common/terminal.h"

namespace tools {

void add_model_path(CommandLine& app, ModelOptions& options) {
  app.add("-m,--model", options.path,
          "GGUF file or Hugging Face directory (else $QWEN_MODEL, else the bundled model)")
      .environment("QWEN_MODEL")
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

void add_model_options(CommandLine& app, ModelOptions& options) {
  add_model_path(app, options);
  app.add("-t,--threads", options.threads, "Threads; 0: one per available physical core")
      .range(0, 1024)
      .type("N")
      .group("Model");
  app.add_flag("--pin-threads", options.pin_threads, "Bind each thread to one core").group("Model");
  add_weight_options(app, options);
  app.add_flag("-v,--verbose", options.verbose, "Timing and details on stderr").group("Output");
  app.add_flag("--no-progress", options.no_progress, "No progress bar and no timing on a terminal")
      .group("Output");
}

void add_chat_template(CommandLine& app, ModelOptions& options) {
  app.add("--chat-template", options.chat_template,
          "qwen1.5, qwen2, qwen2.5, qwen3 or chatml, instead of the model's own")
      .check([](const std::string& name) {
        try {
          qwen::ChatTemplate::parse_kind(name);
        } catch (const qwen::Error& error) {
          return std::string(error.what());
        }
        return std::string();
      })
      .type("NAME")
      .group("Model");
}

qwen::LoadOptions load_options(const ModelOptions& options) {
  qwen::LoadOptions load;
  load.threads = options.threads;
  load.pin_threads = options.pin_threads;
  load.reference = options.exact;
  if (options.quantize == "int8") load.quantize = qwen::QuantizeOnLoad::int8;
  if (options.quantize == "q4") load.quantize = qwen::QuantizeOnLoad::q4;
  if (options.quantize == "q4_k") load.quantize = qwen::QuantizeOnLoad::q4_k;
  load.chat_template = options.chat_template;
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
  qwen::Model model =
      options.path.empty() ? qwen::Model::builtin(load) : qwen::Model::load(options.path, load);
  bar.finish();
  const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (seconds) *seconds = taken;
  if (options.verbose) {
    const auto isa = model.isa();
    std::fprintf(stderr, "loaded %s in %.3f s: %s, %d threads, %.*s kernels\n", model.info().source.c_str(),
                 taken, model.info().name.c_str(), model.threads(), static_cast<int>(isa.size()), isa.data());
  }
  return model;
}

qwen::Tokenizer load_tokenizer(const ModelOptions& options) {
  return options.path.empty() ? qwen::Model::builtin().tokenizer()
                              : qwen::Model::load_tokenizer(options.path);
}

}  // namespace tools
