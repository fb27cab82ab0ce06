#include "formats/hf_directory.h"

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

// {"rope_type": "default", "rope_theta": ...}, the newer form of rope_theta; also what rope_scaling may hold.
void read_rope(JsonReader& in, const char* what, HfConfig& config) {
  if (in.null()) return;
  unique_object(in, [&](std::string_view key) {
    if (key == "rope_type" || key == "type") {
      const auto type = in.string();
      if (type != "default")
        in.refuse(ErrorCode::unsupported, what, " of type ", quoted(type), " is not supported");
    } else if (key == "rope_theta") {
      config.rope_theta = positive(in, "rope_theta");
    } else {
      in.skip();
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
    config.rope_theta = positive(in, "rope_theta");
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
    refuse_true(in, "use_sliding_window");
  } else if (key == "attention_bias") {
    refuse_true(in, "attention_bias");  // biases of Qwen2's q, k and v are not behind this flag
  } else if (key == "layer_types") {
    if (!in.null()) in.array([&] { refuse_unless(in, "layer_types", "full_attention"); });
  } else if (key == "rope_scaling") {
    read_rope(in, "rope_scaling", config);
  } else if (key == "rope_parameters") {
    read_rope(in, "rope_parameters", config);
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
  out.add(key("rope.freq_base"), meta_f32(static_cast<float>(config.rope_theta)));
  out.add(key("attention.layer_norm_rms_epsilon"), meta_f32(static_cast<float>(config.rms_eps)));
}

void add_generation_config(const std::string& path, ModelFile& out) {
  JsonFile file(path, kMaxConfigBytes);
  JsonReader& in = file.in;
  std::optional<double> temperature;
  bool greedy = false;
  const auto within = [&](double low, double high) {
    const double value = in.real();
    if (value < low || value > high) in.bad("expected a number from ", low, " to ", high, ", found ", value);
    return value;
  };
  const auto real = [&](const char* key, double low, double high) {
    if (!in.null()) out.add(key, meta_f32(static_cast<float>(within(low, high))));
  };
  unique_object(in, [&](std::string_view key) {
    if (key == "temperature") {
      if (!in.null()) temperature = within(0, 1000);
    } else if (key == "do_sample") {
      greedy = !in.null() && !in.boolean();
    } else if (key == "top_k") {
      if (!in.null())
        out.add("general.sampling.top_k", meta_integer(MetaType::i32, in.integer(0, kMaxCount)));
    } else if (key == "top_p") {
      real("general.sampling.top_p", 0, 1);
    } else if (key == "min_p") {
      real("general.sampling.min_p", 0, 1);
    } else if (key == "repetition_penalty") {
      real("general.sampling.penalty_repeat", 0.001, 1000);
    } else if (key == "eos_token_id") {
      const auto ids = read_ids(in);
      if (ids.empty()) return;
      const auto bytes = std::as_bytes(std::span(ids));
      MetaValue value = meta_numbers<std::int32_t>(MetaType::i32, ids);
      value.numbers = out.own(std::vector<std::byte>(bytes.begin(), bytes.end()));
      out.add("qwen.generation.eos_token_ids", std::move(value));
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
