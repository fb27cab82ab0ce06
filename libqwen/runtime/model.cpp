#include "qwen/model.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "formats/model_file.h"
#include "kernels/pack.h"
#include "model/config.h"
#include "runtime/load.h"
#include "runtime/mixture.h"
#include "runtime/state.h"
#include "tokenizer/tokenizer_backend.h"

namespace qwen {
namespace {

void summarize_tensors(const formats::ModelFile& file, ModelInfo& info) {
  std::map<TensorType, TensorSummary> by_type;
  for (const formats::Tensor& tensor : file.tensors()) {
    TensorSummary& summary = by_type[tensor.type];
    summary.type = name_of(tensor.type);
    summary.count += 1;
    summary.weights += tensor.rows() * tensor.cols();
    summary.bytes += tensor.data.size();
  }
  for (const auto& [type, summary] : by_type) {
    info.tensors.push_back(summary);
    info.parameters += summary.weights;
    info.tensor_bytes += summary.bytes;
  }
  std::sort(info.tensors.begin(), info.tensors.end(),
            [](const TensorSummary& a, const TensorSummary& b) { return a.bytes > b.bytes; });
  if (info.parameters > 0)
    info.bits_per_weight =
        8.0 * static_cast<double>(info.tensor_bytes) / static_cast<double>(info.parameters);
}

// The model's own defaults (generation_config.json, or GGUF's general.sampling.*), checked by the Sampler.
SamplingOptions sampling_defaults(const formats::ModelFile& file) {
  SamplingOptions options;
  const auto real = [&](const char* key, float& value) {
    if (const auto found = file.optional_real(key)) value = static_cast<float>(*found);
  };
  real("general.sampling.temp", options.temperature);
  real("general.sampling.top_p", options.top_p);
  real("general.sampling.min_p", options.min_p);
  real("general.sampling.penalty_repeat", options.repetition_penalty);
  if (const auto top_k = file.optional_integer("general.sampling.top_k"))
    options.top_k = checked_int(static_cast<std::uint64_t>(*top_k), 0, 1 << 24, file.path() + ": top_k");
  try {
    Sampler check(options);
  } catch (const Error& error) {
    fail(ErrorCode::bad_format, file.path(), ": general.sampling: ", error.what());
  }
  return options;
}

struct Described {
  ModelInfo info;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
};

// Everything but the weights.
Described describe(const formats::ModelFile& file, const LoadOptions& options) {
  auto backend = tokenizer::make_tokenizer_backend(file);
  const std::string tokenizer_kind(backend->kind());
  Described result{{}, Tokenizer(std::move(backend)), std::nullopt};
  ModelInfo& info = result.info;
  info.architecture = std::string(file.string("general.architecture"));
  info.name = std::string(
      file.optional_string("general.name").value_or(std::filesystem::path(file.path()).filename().string()));
  info.source = file.path();
  const runtime::Mixture* mixture =
      runtime::find_mixture(static_cast<std::uint32_t>(file.optional_integer("general.file_type").value_or(-1)));
  info.file_type = mixture ? mixture->name : "";
  info.shape = model::read_shape(file);
  info.tokenizer = tokenizer_kind;
  info.vocabulary = result.tokenizer.size();
  info.sampling = sampling_defaults(file);
  summarize_tensors(file, info);
  if (!file.tensors().empty() && info.vocabulary > info.shape.vocab)
    fail(ErrorCode::bad_format, file.path(), ": the tokeniser has ", info.vocabulary,
         " tokens, the embedding only ", info.shape.vocab, " rows");
  try {
    if (!options.chat_template.empty()) {
      result.chat_template = ChatTemplate(ChatTemplate::parse_kind(options.chat_template), result.tokenizer);
    } else if (const auto text = file.optional_string("tokenizer.chat_template")) {
      result.chat_template = ChatTemplate::detect(*text, result.tokenizer);
    } else {
      info.chat_template_error =
          "the model has no chat template: choose one with --chat-template, for example qwen2.5";
    }
    if (result.chat_template) info.chat_template = std::string(result.chat_template->name());
  } catch (const Error& error) {
    if (!options.chat_template.empty()) throw;  // an explicit choice that cannot be
    info.chat_template_error = error.what();
  }
  return result;
}

// Tokens that end a turn: the file's own, and those that every model of the family knows.
std::vector<Token> end_tokens(const formats::ModelFile& file, const Tokenizer& tokenizer) {
  std::vector<Token> tokens;
  const auto add = [&](std::int64_t id) {
    if (id >= 0 && id < tokenizer.size() && std::find(tokens.begin(), tokens.end(), id) == tokens.end())
      tokens.push_back(static_cast<Token>(id));
  };
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (const auto id = file.optional_integer(key)) add(*id);
  for (const std::int32_t id : file.integers("qwen.generation.eos_token_ids")) add(id);
  for (const char* text : {"<|im_end|>", "<|endoftext|>"})
    if (const auto id = tokenizer.find_added_token(text)) add(*id);
  return tokens;
}

// Of the shape, the tokeniser and the tensors: names, types, sizes and up to 64 KiB of each one's bytes.
std::uint64_t fingerprint_of(const formats::ModelFile& file, const ModelInfo& info, const Tokenizer& tokenizer,
                             const LoadOptions& options) {
  std::uint64_t hash = kFnvStart;
  const auto add = [&](const void* data, std::size_t size) { hash = fnv1a(data, size, hash); };
  const auto number = [&](std::uint64_t n) { add(&n, sizeof n); };
  const ModelShape& s = info.shape;
  for (const int n : {s.layers, s.hidden, s.heads, s.kv_heads, s.head_dim, s.ffn, s.vocab, tokenizer.size(),
                      options.exact ? 1 : 0, static_cast<int>(options.quantize)})
    number(static_cast<std::uint64_t>(n));
  add(&s.rope_theta, sizeof s.rope_theta);
  add(&s.rms_eps, sizeof s.rms_eps);
  constexpr std::size_t kSample = 4096;
  for (const formats::Tensor& tensor : file.tensors()) {
    add(tensor.name.data(), tensor.name.size());
    number(static_cast<std::uint64_t>(tensor.type));
    number(tensor.data.size());
    const std::size_t step = std::max(kSample, tensor.data.size() / 4);
    for (std::size_t at = 0; at < tensor.data.size(); at += step)
      add(tensor.data.data() + at, std::min(kSample, tensor.data.size() - at));
  }
  return hash;
}

}  // namespace

Model runtime::load_model(std::shared_ptr<const formats::ModelFile> file, const LoadOptions& options) {
  const auto progress = [&](const char* stage, double fraction) {
    if (options.on_progress && !options.on_progress({stage, fraction}))
      fail(ErrorCode::cancelled, "loading ", file->path(), " was cancelled");
    return true;
  };
  progress("map", 0.0);
  if (file->tensors().empty())
    fail(ErrorCode::bad_format, file->path(), ": it holds a vocabulary only, no weights to run");
  auto state = std::make_shared<runtime::ModelState>(runtime::ModelState{
      {}, Tokenizer(nullptr), std::nullopt, {}, {}, 0, options.exact, nullptr, nullptr, nullptr});
  state->kernels = &kernels::choose_kernel_table();
  Described described = describe(*file, options);
  state->info = std::move(described.info);
  state->tokenizer = std::move(described.tokenizer);
  state->chat_template = std::move(described.chat_template);
  progress("tokenizer", 0.02);
  state->pool = std::make_unique<ThreadPool>(options.threads > 0 ? options.threads : default_threads(),
                                             options.pin_threads);
  state->end_of_turn = end_tokens(*file, state->tokenizer);
  state->fingerprint = fingerprint_of(*file, state->info, state->tokenizer, options);
  model::BindOptions bind;
  bind.exact = options.exact;
  bind.type_of = runtime::types_on_load(options.quantize, *file);
  bind.on_progress = [&](double fraction) { return progress("pack", 0.02 + 0.98 * fraction); };
  state->weights = model::bind_weights(file, state->info.shape, *state->pool, bind);
  if (!state->info.chat_template_error.empty() && options.on_log)
    options.on_log(state->info.chat_template_error);
  return Model(std::move(state));
}

Model Model::load(const std::string& path, const LoadOptions& options) {
  return runtime::load_model(formats::open_model_file(path), options);
}

ModelInfo Model::inspect(const std::string& path) {
  return describe(*formats::open_model_file(path), {}).info;
}

Tokenizer Model::load_tokenizer(const std::string& path) {
  return Tokenizer(tokenizer::make_tokenizer_backend(*formats::open_model_file(path)));
}

const ModelInfo& Model::info() const noexcept {
  return state_->info;
}
const Tokenizer& Model::tokenizer() const noexcept {
  return state_->tokenizer;
}
int Model::threads() const noexcept {
  return state_->pool->size();
}
std::string_view Model::isa() const noexcept {
  return to_string(state_->kernels->isa);
}
std::uint64_t Model::fingerprint() const noexcept {
  return state_->fingerprint;
}
std::uint64_t Model::weight_bytes() const noexcept {
  return state_->weights->bytes;
}

const ChatTemplate& Model::chat_template() const {
  if (!state_->chat_template) fail(ErrorCode::unsupported, info().chat_template_error);
  return *state_->chat_template;
}

bool Model::is_end_of_turn(Token token) const noexcept {
  return std::find(state_->end_of_turn.begin(), state_->end_of_turn.end(), token) !=
         state_->end_of_turn.end();
}

}  // namespace qwen
