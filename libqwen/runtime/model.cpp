#include "qwen/model.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <type_traits>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "formats/model_file.h"
#include "kernels/pack.h"
#include "model/config.h"
#include "model/weights.h"
#include "runtime/load.h"
#include "runtime/quant_preset.h"
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

// The model's own sampling defaults (generation_config.json, or GGUF's general.sampling.*). Values that the field
// uses for "off" (top_k -1, top_p 0, repetition_penalty 0), and others out of range, mean off here, with a warning.
SamplingOptions sampling_defaults(const formats::ModelFile& file, std::vector<std::string>& warnings) {
  SamplingOptions options;
  const auto set = [&](const char* key, auto& value, double low, double high, double off) {
    using Value = std::remove_reference_t<decltype(value)>;
    const auto found = file.optional_real(key);
    if (!found) return;
    const bool fits =
        *found >= low && *found <= high && (std::is_floating_point_v<Value> || std::floor(*found) == *found);
    if (!fits) warnings.push_back(cat(key, " = ", *found, " is out of range: using ", off));
    value = static_cast<Value>(fits ? *found : off);
  };
  set("general.sampling.temp", options.temperature, 0, 1000, SamplingOptions().temperature);
  set("general.sampling.top_k", options.top_k, 0, 1 << 24, 0);
  set("general.sampling.top_p", options.top_p, 1e-6, 1, 1);
  set("general.sampling.min_p", options.min_p, 0, 1, 0);
  set("general.sampling.penalty_repeat", options.repetition_penalty, 1e-3, 1000, 1);
  return options;
}

// The texts of the tokens that chat templates may write.
ChatTemplate::SpecialTokens special_tokens(const formats::ModelFile& file, const Tokenizer& tokenizer) {
  const auto text = [&](const char* key) -> std::optional<std::string> {
    const auto id = file.optional_integer(key);
    if (!id || *id < 0 || *id >= tokenizer.size()) return std::nullopt;
    return tokenizer.token_bytes(static_cast<Token>(*id));
  };
  return {text("tokenizer.ggml.bos_token_id"), text("tokenizer.ggml.eos_token_id")};
}

struct Described {
  ModelInfo info;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
};

// Everything but the weights.
Described describe(const formats::ModelFile& file, const LoadOptions& options) {
  std::vector<std::string> warnings;
  const ModelShape shape = model::read_shape(file, options.rope, &warnings);
  auto backend = tokenizer::make_tokenizer_backend(file);
  const std::string tokenizer_kind(backend->kind());
  warnings.insert(warnings.end(), backend->warnings().begin(), backend->warnings().end());
  Described result{{}, Tokenizer(std::move(backend)), std::nullopt};
  ModelInfo& info = result.info;
  info.architecture = std::string(file.string("general.architecture"));
  info.name = std::string(
      file.optional_string("general.name").value_or(std::filesystem::path(file.path()).filename().string()));
  info.source = file.path();
  const runtime::QuantPreset* preset = runtime::find_quant_preset(
      static_cast<std::uint32_t>(file.optional_integer("general.file_type").value_or(-1)));
  info.file_type = preset ? preset->name : "";
  info.shape = shape;
  info.tokenizer = tokenizer_kind;
  info.vocab_size = result.tokenizer.size();
  info.sampling = sampling_defaults(file, warnings);
  if (const auto* names = file.strings("libqwen.trained_tasks"))
    info.trained_tasks.assign(names->begin(), names->end());
  info.warnings = std::move(warnings);
  summarize_tensors(file, info);
  if (!file.tensors().empty() && info.vocab_size > info.shape.embedding_rows)
    fail(ErrorCode::bad_format, file.path(), ": the tokenizer has ", info.vocab_size,
         " tokens, but the embedding has ", info.shape.embedding_rows, " rows");
  try {
    const ChatTemplate::SpecialTokens tokens = special_tokens(file, result.tokenizer);
    if (!options.chat_template.empty()) {
      result.chat_template = ChatTemplate(options.chat_template, result.tokenizer, tokens);
    } else if (const auto text = file.optional_string("tokenizer.chat_template")) {
      result.chat_template = ChatTemplate(*text, result.tokenizer, tokens);
    } else {
      info.chat_template_error = "the model has no chat template: choose one, for example qwen2.5";
    }
    if (result.chat_template) info.chat_template = std::string(result.chat_template->name());
  } catch (const Error& error) {
    if (!options.chat_template.empty()) throw;  // an explicit choice that cannot be
    info.chat_template_error = error.what();
  }
  return result;
}

// Tokens that end a turn: those that the file names, and those of every model of the family.
std::vector<Token> end_tokens(const formats::ModelFile& file, const Tokenizer& tokenizer) {
  std::vector<Token> tokens;
  const auto add = [&](std::int64_t id) {
    if (id >= 0 && id < tokenizer.size() && std::find(tokens.begin(), tokens.end(), id) == tokens.end())
      tokens.push_back(static_cast<Token>(id));
  };
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (const auto id = tokenizer::optional_token_id(file, key)) add(*id);
  for (const std::int32_t id : file.integers("qwen.generation.eos_token_ids")) add(id);
  for (const char* text : {"<|im_end|>", "<|endoftext|>"})
    if (const auto id = tokenizer.find_added_token(text)) add(*id);
  return tokens;
}

// Digest of the shape, the tokenizer and the tensors: names, types, sizes and up to 64 KiB of each one's bytes.
std::uint64_t fingerprint_of(const formats::ModelFile& file, const ModelInfo& info,
                             const Tokenizer& tokenizer, const LoadOptions& options) {
  std::uint64_t hash = kFnvStart;
  const auto add = [&](const void* data, std::size_t size) { hash = fnv1a(data, size, hash); };
  const auto number = [&](std::uint64_t n) { add(&n, sizeof n); };
  const ModelShape& s = info.shape;
  for (const int n : {s.layers, s.hidden, s.heads, s.kv_heads, s.head_dim, s.ffn, s.embedding_rows,
                      tokenizer.size(), options.reference ? 1 : 0, static_cast<int>(options.quantize)})
    number(static_cast<std::uint64_t>(n));
  add(&s.rope_theta, sizeof s.rope_theta);
  add(&s.rms_eps, sizeof s.rms_eps);
  if (s.rope_scaling != RopeScaling::none) {  // without scaling the digest of earlier versions stays
    number(static_cast<std::uint64_t>(s.rope_scaling));
    number(static_cast<std::uint64_t>(s.rope_original_context));
    for (const float f :
         {s.rope_factor, s.yarn_ext_factor, s.yarn_attention_factor, s.yarn_beta_fast, s.yarn_beta_slow})
      add(&f, sizeof f);
  }
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
    fail(ErrorCode::bad_format, file->path(), ": it has a vocabulary but no weights");
  auto state = std::make_shared<runtime::ModelState>();
  state->reference = options.reference;
  state->kernels = &kernels::choose_kernels();
  Described described = describe(*file, options);
  state->info = std::move(described.info);
  state->tokenizer = std::move(described.tokenizer);
  state->chat_template = std::move(described.chat_template);
  progress("tokenizer", 0.02);
  if (options.share_threads_with == nullptr) {
    state->pool = std::make_shared<ThreadPool>(options.threads > 0 ? options.threads : default_threads(),
                                               options.pin_threads);
  } else {
    if (options.threads != 0 || options.pin_threads)
      fail(ErrorCode::invalid_argument,
           "load: threads and pin_threads are those of share_threads_with: expected neither");
    state->pool = runtime::state_of(*options.share_threads_with).pool;
  }
  state->end_of_turn = end_tokens(*file, state->tokenizer);
  state->fingerprint = fingerprint_of(*file, state->info, state->tokenizer, options);
  model::BindOptions bind;
  bind.reference = options.reference;
  bind.type_of = runtime::types_on_load(options.quantize, *file);
  bind.on_progress = [&](double fraction) { return progress("pack", 0.02 + 0.98 * fraction); };
  state->weights = model::bind_weights(file, state->info.shape, *state->pool, bind);
  if (options.on_log) {
    for (const std::string& warning : state->info.warnings) options.on_log(warning);
    if (!state->info.chat_template_error.empty()) options.on_log(state->info.chat_template_error);
  }
  return runtime::Access::make_model(std::move(state));
}

std::shared_ptr<const constraints::TokenTrie> runtime::ModelState::token_trie() const {
  const std::lock_guard lock(trie_mutex_);
  if (!trie_) trie_ = std::make_shared<const constraints::TokenTrie>(tokenizer);
  return trie_;
}

Model Model::load(const std::string& path, const LoadOptions& options) {
  return runtime::load_model(formats::open_model_file(path), options);
}

Model Model::load_memory(std::span<const std::byte> gguf, const LoadOptions& options) {
  return runtime::load_model(formats::open_gguf_memory(gguf, "memory"), options);
}

ModelInfo Model::inspect(const std::string& path, const LoadOptions& options) {
  const auto file = formats::open_model_file(path);
  ModelInfo info = describe(*file, options).info;
  if (!file->tensors().empty()) {
    model::BindOptions bind;
    bind.reference = bind.plan_only = true;  // checks names and shapes without reading weights
    ThreadPool pool(1);
    model::bind_weights(file, info.shape, pool, bind);
  }
  return info;
}

Tokenizer Model::load_tokenizer(const std::string& path) {
  return Tokenizer(tokenizer::make_tokenizer_backend(*formats::open_model_file(path)));
}

ChatTemplate Model::load_chat_template(const std::string& path, const LoadOptions& options) {
  Described described = describe(*formats::open_model_file(path), options);
  if (!described.chat_template) fail(ErrorCode::unsupported, described.info.chat_template_error);
  return std::move(*described.chat_template);
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
