#include "formats/hf_directory.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "base/fail.h"
#include "formats/json_reader.h"
#include "formats/model_file.h"

namespace qwen::formats {
namespace {

constexpr int kMaxCount = 1 << 22;  // far above the family's counts, small enough for products in 64 bits
constexpr int kMaxLayers = 1024;

int count(JsonReader& in, int high = kMaxCount) {
  return static_cast<int>(in.integer(1, high));
}

double positive(JsonReader& in, const char* what) {
  const double value = in.real();
  if (!(value > 0) || !std::isfinite(static_cast<float>(value)) || static_cast<float>(value) == 0)
    in.bad(what, ": expected a positive number, found ", value);
  return value;
}

// One id or a list of them.
std::vector<std::int32_t> read_ids(JsonReader& in) {
  std::vector<std::int32_t> ids;
  if (in.null()) return ids;
  const auto one = [&] { ids.push_back(static_cast<std::int32_t>(in.integer(0, kMaxCount))); };
  if (in.peek() != JsonReader::Kind::array) {
    one();
    return ids;
  }
  in.array([&] {
    if (ids.size() == 64) in.bad("more than 64 token ids");
    one();
  });
  return ids;
}

std::optional<double> optional_positive(JsonReader& in, const char* what) {
  if (in.null()) return std::nullopt;
  return positive(in, what);
}

void refuse_partial_rotary(JsonReader& in) {
  if (in.null()) return;
  const double share = in.real();
  if (share != 1)
    in.refuse(ErrorCode::unsupported, "partial_rotary_factor ", share, " is not supported, expected 1");
}

// rope_scaling, or rope_parameters, its newer form, which may be nested by layer type.
void read_rope(JsonReader& in, const char* what, HfRope& rope) {
  if (in.null()) return;
  unique_object(in, [&](std::string_view key) {
    if (key == "rope_type" || key == "type") {
      const std::string type(in.string());
      if (type != "default" && type != "linear" && type != "yarn")
        in.refuse(ErrorCode::unsupported, what, " of type ", quoted(type),
                  " is not supported, expected default, linear or yarn");
      rope.type = type;
    } else if (key == "rope_theta") {
      rope.theta = optional_positive(in, "rope_theta");
    } else if (key == "factor") {
      rope.factor = optional_positive(in, "factor");
    } else if (key == "original_max_position_embeddings") {
      rope.original_context = optional_positive(in, "original_max_position_embeddings");
    } else if (key == "attention_factor") {
      rope.attention_factor = optional_positive(in, "attention_factor");
    } else if (key == "beta_fast") {
      rope.beta_fast = optional_positive(in, "beta_fast");
    } else if (key == "beta_slow") {
      rope.beta_slow = optional_positive(in, "beta_slow");
    } else if (key == "mscale") {
      rope.mscale = optional_positive(in, "mscale");
    } else if (key == "mscale_all_dim") {
      rope.mscale_all_dim = optional_positive(in, "mscale_all_dim");
    } else if (key == "partial_rotary_factor") {
      refuse_partial_rotary(in);
    } else if (key == "truncate") {
      if (!in.null() && !in.boolean())
        in.refuse(ErrorCode::unsupported, what, ": truncate false is not supported");
    } else if (key == "full_attention") {
      read_rope(in, what, rope);
    } else if (key == "sliding_attention" || key == "finetuned") {
      in.skip();  // no layer has sliding attention (layer_types); finetuned is informative
    } else {
      in.refuse(ErrorCode::unsupported, what, ": unknown key ", quoted(key));
    }
  });
}

void refuse_quantized(JsonReader& in) {
  if (in.null()) return;
  std::string method = "?";
  in.object([&](std::string_view key) {
    if (key == "quant_method" && in.peek() == JsonReader::Kind::string) {
      method = in.string();
    } else {
      in.skip();
    }
  });
  in.refuse(ErrorCode::unsupported, "weights quantized by ", quoted(method),
            " are not supported; use the float checkpoint or a GGUF file");
}

void refuse_unless(JsonReader& in, const char* key, std::string_view expected) {
  const auto found = in.string();
  if (found != expected)
    in.refuse(ErrorCode::unsupported, key, " ", quoted(found), " is not supported, expected ",
              quoted(expected));
}

void refuse_true(JsonReader& in, const char* key) {
  if (!in.null() && in.boolean()) in.refuse(ErrorCode::unsupported, key, " is not supported, expected false");
}

// ["Qwen2ForCausalLM"]: the same tensors in a classifier or an embedding model mean something else.
void check_architectures(JsonReader& in) {
  if (in.null()) return;
  std::string found;
  bool causal = false;
  in.array([&] {
    found = in.string();
    causal |= found.find("CausalLM") != std::string::npos;
  });
  if (!found.empty() && !causal)
    in.refuse(ErrorCode::unsupported, "architecture ", quoted(found),
              " is not supported, expected Qwen2ForCausalLM or Qwen3ForCausalLM");
}

void read_member(JsonReader& in, std::string_view key, HfConfig& config) {
  if (key == "model_type") {
    config.architecture = in.string();
    if (config.architecture != "qwen2" && config.architecture != "qwen3")
      in.refuse(ErrorCode::unsupported, "model_type ", quoted(config.architecture),
                " is not supported, expected qwen2 or qwen3");
  } else if (key == "hidden_size") {
    config.hidden = count(in);
  } else if (key == "num_hidden_layers") {
    config.layers = count(in, kMaxLayers);
  } else if (key == "num_attention_heads") {
    config.heads = count(in);
  } else if (key == "num_key_value_heads") {
    config.kv_heads = count(in);
  } else if (key == "intermediate_size") {
    config.ffn = count(in);
  } else if (key == "vocab_size") {
    config.vocab = count(in);
  } else if (key == "max_position_embeddings") {
    config.max_context = count(in, 1 << 30);
  } else if (key == "head_dim") {
    if (!in.null()) config.head_dim = count(in);
  } else if (key == "rope_theta") {
    config.rope_theta = optional_positive(in, "rope_theta");
  } else if (key == "rms_norm_eps") {
    config.rms_eps = positive(in, "rms_norm_eps");
  } else if (key == "tie_word_embeddings") {
    config.tied_head = in.boolean();
  } else if (key == "bos_token_id") {
    config.bos = read_ids(in);
  } else if (key == "eos_token_id") {
    config.eos = read_ids(in);
  } else if (key == "hidden_act") {
    refuse_unless(in, "hidden_act", "silu");
  } else if (key == "use_sliding_window") {
    config.use_sliding_window = !in.null() && in.boolean();
  } else if (key == "sliding_window") {
    config.sliding_window = in.null() ? 0 : static_cast<int>(in.integer(0, 1 << 30));
  } else if (key == "max_window_layers") {
    if (!in.null()) config.max_window_layers = static_cast<int>(in.integer(0, 1 << 30));
  } else if (key == "architectures") {
    check_architectures(in);
  } else if (key == "is_causal") {
    if (!in.null() && !in.boolean()) in.refuse(ErrorCode::unsupported, "is_causal false is not supported");
  } else if (key == "use_mrope" || key == "mlp_bias") {
    refuse_true(in, std::string(key).c_str());
  } else if (key == "attention_bias") {
    config.attention_bias = !in.null() && in.boolean();
  } else if (key == "partial_rotary_factor") {
    refuse_partial_rotary(in);
  } else if (key == "layer_types") {
    if (!in.null()) in.array([&] { refuse_unless(in, "layer_types", "full_attention"); });
  } else if (key == "rope_scaling") {
    read_rope(in, "rope_scaling", config.rope);
  } else if (key == "rope_parameters") {
    read_rope(in, "rope_parameters", config.rope);
  } else if (key == "quantization_config") {
    refuse_quantized(in);
  } else {
    in.skip();
  }
}

void validate(HfConfig& config, const std::string& path) {
  const auto require = [&](bool found, const char* key) {
    if (!found) fail(ErrorCode::bad_format, path, ": ", key, " is missing");
  };
  require(!config.architecture.empty(), "model_type");
  require(config.hidden > 0, "hidden_size");
  require(config.layers > 0, "num_hidden_layers");
  require(config.heads > 0, "num_attention_heads");
  require(config.kv_heads > 0, "num_key_value_heads");
  require(config.ffn > 0, "intermediate_size");
  require(config.vocab > 0, "vocab_size");
  require(config.max_context > 0, "max_position_embeddings");
  HfRope& rope = config.rope;
  if (!rope.theta) rope.theta = config.rope_theta;
  if (rope.type == "yarn" && !rope.factor && rope.original_context)  // the reference's default
    rope.factor = config.max_context / *rope.original_context;
  if ((rope.type == "yarn" || rope.type == "linear") && !rope.factor)
    fail(ErrorCode::bad_format, path, ": RoPE scaling of type ", rope.type, " has no factor");
  // The reference uses the window in the layers from max_window_layers on.
  if (config.use_sliding_window && config.sliding_window > 0 && config.sliding_window < config.max_context &&
      config.max_window_layers < config.layers)
    fail(ErrorCode::unsupported, path, ": use_sliding_window is not supported: a window of ",
         config.sliding_window, " tokens in the layers from ", config.max_window_layers, " on");
  // Qwen2 always has the biases of q, k and v, and its reference ignores the flag.
  if (config.attention_bias && config.architecture == "qwen3")
    fail(ErrorCode::unsupported, path, ": attention_bias is not supported, expected false");
  if (config.heads % config.kv_heads != 0)
    fail(ErrorCode::bad_format, path, ": num_attention_heads ", config.heads,
         " is not a multiple of num_key_value_heads ", config.kv_heads);
  if (!config.head_dim && config.architecture == "qwen3") config.head_dim = 128;  // the reference's default
  if (!config.head_dim && config.hidden % config.heads != 0)
    fail(ErrorCode::bad_format, path, ": hidden_size ", config.hidden,
         " is not a multiple of num_attention_heads ", config.heads);
  if (config.architecture == "qwen2" && config.head_dim == config.hidden / config.heads &&
      config.hidden % config.heads == 0)
    config.head_dim.reset();
}

// The multiplier of cos and sin beyond YaRN's own 0.1 ln(factor) + 1, which GGUF's attn_factor leaves out.
std::optional<double> relative_attention_factor(const HfRope& rope) {
  const auto scale = [&](double m) { return *rope.factor <= 1 ? 1 : 0.1 * m * std::log(*rope.factor) + 1; };
  if (rope.attention_factor) return *rope.attention_factor / scale(1);
  if (rope.mscale && rope.mscale_all_dim) return scale(*rope.mscale) / scale(*rope.mscale_all_dim) / scale(1);
  return std::nullopt;
}

void add_rope(const HfConfig& config, ModelFile& out) {
  const HfRope& rope = config.rope;
  const auto add = [&](const char* name, const std::optional<double>& value) {
    if (value)
      out.add(out.own(cat(config.architecture, ".rope.", name)), meta_f32(static_cast<float>(*value)));
  };
  add("freq_base", rope.theta);
  if (!rope.factor || rope.type == "default") return;
  const bool yarn = rope.type == "yarn";
  out.add(out.own(config.architecture + ".rope.scaling.type"), meta_string(yarn ? "yarn" : "linear"));
  add("scaling.factor", rope.factor);
  if (!yarn) return;
  if (rope.original_context)
    out.add(out.own(config.architecture + ".rope.scaling.original_context_length"),
            meta_u32(static_cast<std::uint32_t>(std::min(*rope.original_context, 1e9))));
  add("scaling.attn_factor", relative_attention_factor(rope));
  add("scaling.yarn_beta_fast", rope.beta_fast);
  add("scaling.yarn_beta_slow", rope.beta_slow);
}

}  // namespace

HfConfig read_hf_config(const std::string& path) {
  JsonFile file(path, kMaxConfigBytes);
  HfConfig config;
  unique_object(file.in, [&](std::string_view key) { read_member(file.in, key, config); });
  file.in.finish();
  validate(config, path);
  return config;
}

void add_hf_config(const HfConfig& config, ModelFile& out) {
  const auto key = [&](const char* name) { return out.own(config.architecture + "." + name); };
  const auto add = [&](const char* name, int value) {
    out.add(key(name), meta_u32(static_cast<std::uint32_t>(value)));
  };
  out.add("general.architecture", meta_string(out.own(config.architecture)));
  add("block_count", config.layers);
  add("context_length", config.max_context);
  add("embedding_length", config.hidden);
  add("feed_forward_length", config.ffn);
  add("vocab_size", config.vocab);
  add("attention.head_count", config.heads);
  add("attention.head_count_kv", config.kv_heads);
  if (config.head_dim) {
    add("attention.key_length", *config.head_dim);
    add("attention.value_length", *config.head_dim);
  }
  add_rope(config, out);
  out.add(key("attention.layer_norm_rms_epsilon"), meta_f32(static_cast<float>(config.rms_eps)));
}

void add_generation_config(const std::string& path, ModelFile& out) {
  JsonFile file(path, kMaxConfigBytes);
  JsonReader& in = file.in;
  std::optional<double> temperature;
  bool greedy = false;
  // Values out of range are passed on: the model decides what they mean.
  const auto real = [&](const char* key) {
    if (!in.null()) out.add(key, meta_f32(static_cast<float>(in.real())));
  };
  unique_object(in, [&](std::string_view key) {
    if (key == "temperature") {
      if (!in.null()) temperature = in.real();
    } else if (key == "do_sample") {
      greedy = !in.null() && !in.boolean();
    } else if (key == "top_k") {
      if (in.null()) return;
      const double k = in.real();  // some files have 20.0
      const bool integer = k == std::floor(k) && std::abs(k) < 1e9;
      out.add("general.sampling.top_k", integer ? meta_integer(MetaType::i32, static_cast<std::int64_t>(k))
                                                : meta_f32(static_cast<float>(k)));
    } else if (key == "top_p") {
      real("general.sampling.top_p");
    } else if (key == "min_p") {
      real("general.sampling.min_p");
    } else if (key == "repetition_penalty") {
      real("general.sampling.penalty_repeat");
    } else if (key == "eos_token_id") {
      const auto ids = read_ids(in);
      if (ids.empty()) return;
      const auto bytes = std::as_bytes(std::span(ids));
      MetaValue value = meta_numbers<std::int32_t>(MetaType::i32, ids);
      value.numbers = out.own(std::vector<std::byte>(bytes.begin(), bytes.end()));
      out.add("qwen.generation.eos_token_ids", std::move(value));
    } else if (key == "libqwen_trained_tasks") {
      std::vector<std::string_view> names;
      in.array([&] { names.push_back(out.own(std::string(in.string()))); });
      out.add("libqwen.trained_tasks", meta_strings(std::move(names)));
    } else {
      in.skip();
    }
  });
  in.finish();
  // Without do_sample the reference is greedy at any temperature.
  if (greedy) temperature = 0;
  if (temperature) out.add("general.sampling.temp", meta_f32(static_cast<float>(*temperature)));
}

}  // namespace qwen::formats
