// Which tensor gets which type: against the tables of files that llama-quantize made.
#include <catch2/catch.hpp>

#include "runtime/quant_preset.h"

using namespace qwen;
using namespace qwen::runtime;
using enum TensorType;

namespace {

// Qwen2.5-0.5B: 24 layers, 14 heads on 2 KV heads, rows of 896 (4864 for ffn_down), tied head.
TensorType of_half_billion(const char* preset, const char* part, int layer) {
  const std::string name = "blk." + std::to_string(layer) + "." + part + ".weight";
  const std::size_t cols = std::string_view(part) == "ffn_down" ? 4864 : 896;
  return fallback_type(preset_type(*find_quant_preset(preset), {name, layer, 24, 7, false}), cols);
}

TensorType head(const char* preset, std::size_t cols) {
  return fallback_type(preset_type(*find_quant_preset(preset), {"token_embd.weight", 0, 24, 7, true}), cols);
}

struct Count {
  int layers;
  TensorType type;
};

void check_layers(const char* preset, const char* part, std::initializer_list<Count> expected) {
  INFO(preset << " " << part);
  for (const Count& count : expected) {
    int found = 0;
    for (int layer = 0; layer < 24; ++layer) found += of_half_billion(preset, part, layer) == count.type;
    CHECK(found == count.layers);
  }
}

}  // namespace

TEST_CASE("the presets of Qwen2.5-0.5B", "[runtime]") {
  struct Row {
    const char* preset;
    TensorType body, output;
    std::initializer_list<Count> value, down;
  };
  const Row rows[] = {
      {"Q8_0", q8_0, q8_0, {{24, q8_0}}, {{24, q8_0}}},
      {"Q4_0", q4_0, q4_0, {{24, q4_0}}, {{24, q4_0}}},
      {"Q2_K", q4_0, q4_0, {{24, q5_0}}, {{24, q3_k}}},
      {"Q3_K_M", q4_0, q5_0, {{2, q5_1}, {22, q5_0}}, {{1, q5_k}, {23, q4_k}}},
      {"IQ4_XS", iq4_nl, iq4_nl, {{24, q5_1}}, {{3, q5_k}, {21, iq4_xs}}},
      {"IQ4_NL", iq4_nl, iq4_nl, {{24, q5_1}}, {{3, q5_k}, {21, iq4_nl}}},
      {"Q4_K_M", q5_0, q5_0, {{12, q8_0}, {12, q5_0}}, {{12, q6_k}, {12, q4_k}}},
      {"Q5_K_M", q5_1, q5_1, {{12, q8_0}, {12, q5_1}}, {{12, q6_k}, {12, q5_k}}},
      {"Q6_K", q8_0, q8_0, {{24, q8_0}}, {{24, q6_k}}},
      {"F16", f16, f16, {{24, f16}}, {{24, f16}}},
  };
  for (const Row& row : rows) {
    for (const char* part : {"attn_q", "attn_k", "ffn_gate", "ffn_up"})
      check_layers(row.preset, part, {{24, row.body}});
    check_layers(row.preset, "attn_output", {{24, row.output}});
    check_layers(row.preset, "attn_v", row.value);
    check_layers(row.preset, "ffn_down", row.down);
    CHECK(head(row.preset, 896) == (row.body == f16 ? f16 : q8_0));
  }
  // The layers that Q4_K_M treats with care.
  std::vector<int> careful;
  for (int layer = 0; layer < 24; ++layer)
    if (of_half_billion("Q4_K_M", "ffn_down", layer) == q6_k) careful.push_back(layer);
  CHECK(careful == std::vector<int>{0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23});
}

TEST_CASE("presets where rows divide, and the odd ones", "[runtime]") {
  CHECK(head("Q4_K_M", 1024) == q6_k);
  CHECK(head("Q8_0", 1024) == q8_0);
  CHECK(head("IQ4_XS", 256) == q6_k);
  // One head per KV head (Qwen1.5): the value matrix is as large as the others.
  const auto value = [](const char* preset, int layer) {
    return preset_type(*find_quant_preset(preset), {"blk.0.attn_v.weight", layer, 24, 1, false});
  };
  CHECK(value("Q2_K", 0) == q3_k);
  CHECK(value("IQ4_NL", 0) == iq4_nl);
  CHECK(value("Q4_K_S", 3) == q5_k);
  CHECK(value("Q4_K_S", 4) == q4_k);
  CHECK(fallback_type(q4_k, 48) == f16);
  CHECK(fallback_type(q8_0, 31) == f16);
  CHECK(fallback_type(iq4_xs, 96) == iq4_nl);
  CHECK(fallback_type(f32, 3) == f32);
}

TEST_CASE("names and numbers of the presets", "[runtime]") {
  CHECK(find_quant_preset("q4_k_m")->file_type == 15);
  CHECK(find_quant_preset("Q4_K") == find_quant_preset("Q4_K_M"));
  CHECK(find_quant_preset("Q3_K") == find_quant_preset("q3_k_m"));
  CHECK(find_quant_preset("") == nullptr);
  CHECK(find_quant_preset("Q9") == nullptr);
  CHECK(find_quant_preset("Q4_K_MM") == nullptr);
  for (const QuantPreset& preset : all_quant_presets()) {
    CHECK(find_quant_preset(preset.name) == &preset);
    CHECK(find_quant_preset(preset.file_type) == &preset);
  }
  CHECK(find_quant_preset(std::uint32_t{7})->base == q8_0);
  CHECK(find_quant_preset(std::uint32_t{4}) == nullptr);
}

TEST_CASE("types of weights that are quantized while they load", "[runtime]") {
  const TensorRole body{"blk.0.attn_q.weight", 0, 24, 7, false}, output{"token_embd.weight", 0, 24, 7, true};
  using Load = QuantizeOnLoad;
  CHECK(type_on_load(Load::none, body, bf16, 896) == bf16);
  CHECK(type_on_load(Load::int8, body, bf16, 896) == q8_0);
  CHECK(type_on_load(Load::q4, body, f32, 1024) == q4_0);
  CHECK(type_on_load(Load::q4, output, f32, 896) == q8_0);
  CHECK(type_on_load(Load::q4, output, f32, 1024) == q6_k);
  CHECK(type_on_load(Load::q4_k, body, f16, 896) == q4_0);
  CHECK(type_on_load(Load::q4_k, body, f16, 1024) == q4_k);
  CHECK(type_on_load(Load::q4_k, output, f16, 1024) == q6_k);
  CHECK(type_on_load(Load::q4, body, q5_0, 1024) == q5_0);
  CHECK(type_on_load(Load::q4, body, bf16, 40) == bf16);
}
