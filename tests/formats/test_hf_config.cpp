// config.json and generation_config.json of a Hugging Face directory.
#include "formats/hf_checks.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

TEST_CASE("config.json: missing, wrong and unsupported keys are named", "[formats]") {
  const auto config = [](const char* key, const Json& value, const std::string& text,
                         ErrorCode code = ErrorCode::bad_format) {
    refused_with([&](HfFiles& f) { f.config[key] = value; }, text, code);
  };
  for (const char* key :
       {"model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    refused_with([&](HfFiles& f) { f.config.erase(key); },
                 std::string("config.json: ") + key + " is missing");
    config(key, Json::array(), "config.json:");
  }
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                          "intermediate_size", "vocab_size", "max_position_embeddings"}) {
    config(key, 0, "expected an integer from 1");
    config(key, -1, "expected an integer from 1");
    config(key, 1.5, "expected an integer");
    config(key, std::uint64_t{1} << 63, "expected an integer from 1");
  }
  config("model_type", "llama", "model_type \"llama\" is not supported, expected qwen2 or qwen3",
         ErrorCode::unsupported);
  config("hidden_act", "gelu", "hidden_act \"gelu\" is not supported", ErrorCode::unsupported);
  config("is_causal", false, "is_causal false is not supported", ErrorCode::unsupported);
  config("use_mrope", true, "use_mrope is not supported", ErrorCode::unsupported);
  config("mlp_bias", true, "mlp_bias is not supported", ErrorCode::unsupported);
  config("partial_rotary_factor", 0.5, "partial_rotary_factor 0.5 is not supported", ErrorCode::unsupported);
  config("architectures", {"Qwen2ForSequenceClassification"},
         "architecture \"Qwen2ForSequenceClassification\"", ErrorCode::unsupported);
  config("layer_types", {"sliding_attention"}, "\"sliding_attention\" is not supported",
         ErrorCode::unsupported);
  config("rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}}, "rope_scaling of type \"dynamic\"",
         ErrorCode::unsupported);
  config("rope_scaling", {{"type", "linear"}}, "RoPE scaling of type linear has no factor");
  config("rope_scaling", {{"type", "linear"}, {"factor", 0}}, "factor: expected a positive number");
  config("rope_scaling", {{"type", "default"}, {"mrope_section", {16, 24, 24}}},
         "unknown key \"mrope_section\"", ErrorCode::unsupported);
  config("rope_parameters", {{"full_attention", {{"rope_type", "longrope"}}}},
         "rope_parameters of type \"longrope\"", ErrorCode::unsupported);
  config("rope_parameters", {{"rope_type", "yarn"}, {"factor", 4}, {"truncate", false}}, "truncate false",
         ErrorCode::unsupported);
  config("quantization_config", {{"quant_method", "gptq"}}, "weights quantized by \"gptq\"",
         ErrorCode::unsupported);
  config("rope_theta", 0, "rope_theta: expected a positive number");
  config("rms_norm_eps", -1e-6, "rms_norm_eps: expected a positive number");
  config("rope_theta", "10", "expected a number");
  config("tie_word_embeddings", 1, "expected true or false");
  config("num_attention_heads", 3, "hidden_size 8 is not a multiple of num_attention_heads 3");
  config("num_key_value_heads", 4, "num_attention_heads 2 is not a multiple of num_key_value_heads 4");
  config("num_key_value_heads", 3, "num_attention_heads 2 is not a multiple of num_key_value_heads 3");
  config("vocab_size", 9, "model.embed_tokens.weight has 8 rows, vocab_size in config.json is 9");
  config("tie_word_embeddings", false, "lm_head.weight is missing", ErrorCode::not_found);
  config("bos_token_id", 8, "tokenizer.ggml.bos_token_id is 8, the vocabulary has 8");
}

TEST_CASE("a sliding window is refused if a layer uses it", "[formats]") {
  const auto window = [](int tokens, int from_layer) {
    const TestFolder folder("hf-window");
    HfFiles files;
    files.config["use_sliding_window"] = true;
    files.config["sliding_window"] = tokens;
    files.config["max_window_layers"] = from_layer;
    files.write(folder);
    open(folder);
  };
  window(16, 1);  // the model has one layer
  window(64, 0);  // as long as the context
  CHECK_THROWS_WITH(window(16, 0), Contains("a window of 16 tokens in the layers from 0 on"));
  // Qwen2's reference ignores attention_bias; Qwen3's adds biases.
  const TestFolder folder("hf-bias");
  HfFiles files;
  files.config["attention_bias"] = true;
  files.write(folder);
  open(folder);
  files.config["model_type"] = "qwen3";
  files.config["head_dim"] = 4;
  files.write(folder);
  refused(folder, "attention_bias is not supported", ErrorCode::unsupported);
}

TEST_CASE("generation_config.json: values out of range are passed on, malformed ones are refused",
          "[formats]") {
  const auto generation = [](const char* key, const Json& value, const std::string& text) {
    refused_with([&](HfFiles& f) { f.generation[key] = value; }, text);
  };
  const TestFolder folder("hf-generation");
  HfFiles files;
  files.generation.update({{"top_k", -1}, {"top_p", 0}, {"repetition_penalty", 0}});
  files.write(folder);
  CHECK(open(folder)->integer("general.sampling.top_k") == -1);
  CHECK(open(folder)->real("general.sampling.top_p") == 0);
  CHECK(open(folder)->real("general.sampling.penalty_repeat") == 0);
  files.generation["top_k"] = 20.0;
  files.write(folder);
  CHECK(open(folder)->integer("general.sampling.top_k") == 20);
  generation("temperature", "hot", "expected a number");
  generation("top_k", "20", "expected a number");
  generation("eos_token_id", Json::array({1, "x"}), "expected a number");
  generation("eos_token_id", std::vector<int>(65, 1), "more than 64 token ids");
}
