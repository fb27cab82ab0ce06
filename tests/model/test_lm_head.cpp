// The two-plane output head: the largest logits are those of the full head, whatever the weights.
#include <algorithm>
#include <catch2/catch.hpp>

#include "kernels/two_plane_data.h"
#include "model/lm_head.h"

using namespace qwen;
using namespace qwen::kernels;
using namespace qwen::model;

namespace {

constexpr int kHidden = 224, kRows = 1000, kTokens = 990;  // the last rows are padding

std::vector<float> full(const ExecContext& exec, Workspace& workspace, const std::vector<float>& hidden,
                        int count) {
  const std::size_t stride = round_up(kRows, kPanelRows);
  std::vector<float> logits(stride * static_cast<std::size_t>(count));
  lm_head_logits(exec, workspace, hidden.data(), count, logits.data(), stride);
  return logits;
}

// What lm_head_top_k promises, from all logits.
std::vector<float> expected(std::vector<float> logits, int count, const std::vector<Token>& must_include) {
  logits.resize(kRows);
  std::vector<float> others(logits.begin(), logits.begin() + kTokens);
  for (const Token token : must_include) others[static_cast<std::size_t>(token)] = -INFINITY;
  std::nth_element(others.begin(), others.begin() + count - 1, others.end(), std::greater<>());
  const float smallest = others[static_cast<std::size_t>(count - 1)];
  for (int i = 0; i < kRows; ++i) {
    const bool included = std::find(must_include.begin(), must_include.end(), i) != must_include.end();
    if (i >= kTokens || (!included && logits[static_cast<std::size_t>(i)] < smallest))
      logits[static_cast<std::size_t>(i)] = -INFINITY;
  }
  return logits;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b, std::size_t n) {
  return std::memcmp(a.data(), b.data(), n * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("lm_head_top_k equals the full head for every kind of codes", "[model]") {
  for (const Codes codes :
       {Codes::random, Codes::extreme, Codes::signs, Codes::four_bit_grid, Codes::aligned, Codes::equal})
    for (const int threads : {1, 3}) {
      const TwoPlaneHead head(kRows, kHidden, 4, codes);
      Weights weights;
      weights.shape.hidden = kHidden, weights.shape.heads = weights.shape.kv_heads = 1;
      weights.shape.head_dim = kHidden, weights.shape.ffn = 32, weights.shape.layers = 0;
      weights.shape.embedding_rows = kRows;
      weights.lm_head = head.two_plane;
      ThreadPool pool(threads);
      for (const Kernels* kernels : available_kernels()) {
        INFO(to_string(kernels->isa) << ", codes " << static_cast<int>(codes) << ", threads " << threads);
        const ExecContext exec{weights, *kernels, pool};
        Workspace workspace(weights, threads);
        const std::vector<float> hidden = activations_of(2, kHidden);
        workspace.reserve(2, 2, 1);
        const std::vector<float> pair = full(exec, workspace, hidden, 2);
        const std::vector<float> alone = full(exec, workspace, hidden, 1);
        REQUIRE(same_bits(pair, alone, kRows));  // alone and in company
        for (const int count : {1, 3, 40, 900})
          for (const std::vector<Token>& must_include :
               {std::vector<Token>{}, std::vector<Token>{0, 17, kTokens - 1}}) {
            std::vector<float> top(round_up(kRows, kPanelRows));
            lm_head_top_k(exec, workspace, hidden.data(), kTokens, count, must_include, top.data());
            REQUIRE(same_bits(top, expected(alone, count, must_include), kRows));
          }
        float some[3];
        const Token tokens[] = {0, 501, kTokens - 1};
        lm_head_logits_for(exec, workspace, hidden.data(), tokens, some);
        for (std::size_t i = 0; i < 3; ++i)
          REQUIRE(bits_of(some[i]) == bits_of(alone[static_cast<std::size_t>(tokens[i])]));
      }
    }
}

TEST_CASE("lm_head_top_k keeps rows whose scales are infinite", "[model]") {
  TwoPlaneHead head(kRows, kHidden, 4);
  const std::uint16_t infinity = 0x7c00;
  std::memcpy(head.source.data() + row_bytes(TensorType::q8_0, kHidden) * 600, &infinity, 2);
  head.pack(kRows, kHidden);
  Weights weights;
  weights.shape.hidden = kHidden, weights.shape.heads = weights.shape.kv_heads = 1;
  weights.shape.head_dim = kHidden, weights.shape.ffn = 32, weights.shape.layers = 0;
  weights.shape.embedding_rows = kRows;
  weights.lm_head = head.two_plane;
  ThreadPool pool(2);
  for (const Kernels* kernels : available_kernels()) {
    const ExecContext exec{weights, *kernels, pool};
    Workspace workspace(weights, 2);
    const std::vector<float> hidden = activations_of(1, kHidden);
    workspace.reserve(1, 1, 1);
    const std::vector<float> all = full(exec, workspace, hidden, 1);
    std::vector<float> top(round_up(kRows, kPanelRows));
    lm_head_top_k(exec, workspace, hidden.data(), kTokens, 3, {}, top.data());
    CHECK(!std::isfinite(all[600]));
    CHECK(bits_of(top[600]) == bits_of(all[600]));
    for (std::size_t i = 0; i < kTokens; ++i)
      if (top[i] != -INFINITY && !std::isnan(top[i])) CHECK(bits_of(top[i]) == bits_of(all[i]));
  }
}
