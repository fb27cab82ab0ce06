// The shortened output head gives exactly the logits that matter.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/kernel_data.h"
#include "qwen/generate.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// A Q8_0 head with rows of padding; from a file of another type it is quantized while loading.
Model wide_model(const char* isa, TensorType type = TensorType::q8_0) {
  const TestFolder folder("wide");
  TinyModel tiny;
  tiny.type = type;
  tiny.hidden = 96, tiny.heads = 6, tiny.kv_heads = 2, tiny.head_dim = 16, tiny.ffn = 160;
  tiny.spare_rows = 1700;
  const std::string path = write_tiny_model(tiny, folder / "wide.gguf");
  const WithIsa forced(isa);
  LoadOptions options;
  options.threads = 2;
  if (type != TensorType::q8_0) options.quantize = QuantizeOnLoad::int8;
  return Model::load(path, options);
}

// Every finite logit is exact; whatever is among the `count` largest outside of `also`, or in `also`, is
// there. Returns how many tokens were left out.
std::size_t check_top(std::span<const float> all, std::span<const float> top, int count,
                      const std::vector<Token>& also) {
  REQUIRE(all.size() == top.size());
  const std::size_t tokens = all.size() - 1700;
  std::vector<float> others(all.begin(), all.end());
  for (std::size_t i = tokens; i < others.size(); ++i) others[i] = -INFINITY;
  for (const Token token : also) others[static_cast<std::size_t>(token)] = -INFINITY;
  std::nth_element(others.begin(), others.begin() + count - 1, others.end(), std::greater<>());
  const float bar = others[static_cast<std::size_t>(count - 1)];
  std::size_t wrong = 0, missing = 0, left_out = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i >= tokens) continue;
    const bool wanted =
        all[i] >= bar || std::find(also.begin(), also.end(), static_cast<Token>(i)) != also.end();
    if (std::isinf(top[i])) {
      missing += wanted;
      ++left_out;
    } else {
      wrong += top[i] != all[i];
    }
  }
  CHECK(wrong == 0);
  CHECK(missing == 0);
  return left_out;
}

}  // namespace

TEST_CASE("forward_top gives the largest logits exactly and the same ones at every level", "[runtime]") {
  for (const kernels::Kernels* table : kernels::available_kernels()) {
    DYNAMIC_SECTION(to_string(table->isa)) {
      const Model model = wide_model(to_string(table->isa));
      Session full(model), top(model);
      Token token = 7;
      std::size_t left_out = 0;
      for (int step = 0; step < 12; ++step) {
        const int count = step % 3 == 0 ? 1 : step % 3 == 1 ? 5 : 40;
        const std::vector<Token> also =
            step % 2 == 0 ? std::vector<Token>{} : std::vector<Token>{3, 100, Token(900 + step)};
        const auto all = full.forward({&token, 1});
        left_out += check_top(all, top.forward_top_k({&token, 1}, count, also), count, also);
        token = static_cast<Token>((token * 31 + 17) % model.tokenizer().size());
      }
      CHECK(left_out > 0);  // else every head was computed in full
    }
  }
}

TEST_CASE("a head that is quantized while loading is shortened too", "[runtime]") {
  const Model model = wide_model(nullptr, TensorType::f16);
  Session full(model), top(model);
  const Token token = 7;
  CHECK(check_top(full.forward({&token, 1}), top.forward_top_k({&token, 1}, 5), 5, {}) > 0);
}

TEST_CASE("forward_top_k checks its arguments and takes any count", "[runtime]") {
  const Model model = wide_model(nullptr);
  Session session(model), full(model);
  const Token token = 5, beyond = model.shape().embedding_rows;
  CHECK_THROWS_AS(session.forward_top_k({&token, 1}, 0), Error);
  CHECK_THROWS_AS(session.forward_top_k({&token, 1}, 1, {&beyond, 1}), Error);
  CHECK(session.position() == 0);
  const auto top = session.forward_top_k({&token, 1}, model.shape().embedding_rows + 10);
  const auto all = full.forward({&token, 1});
  const auto tokens = static_cast<std::size_t>(model.tokenizer().size());
  CHECK(std::equal(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(tokens), top.begin()));
}

TEST_CASE("greedy and top-k generation are the same with the shortened head", "[runtime]") {
  const Model model = wide_model(nullptr);
  for (const bool greedy : {true, false}) {
    GenerateOptions options;
    options.max_new_tokens = 40;
    options.stop_at_end_of_turn = false;
    options.sampling.emplace();
    options.sampling->temperature = greedy ? 0.0f : 0.9f;
    options.sampling->top_k = 12;
    options.sampling->repetition_penalty = 1.2f;
    options.sampling->presence_penalty = 0.3f;
    options.sampling->logit_bias = {{42, 2.0f}, {43, -INFINITY}};
    options.sampling->seed = 9;
    const std::vector<Token> prompt = {1, 2, 3};
    Session a(model), b(model);
    const GenerateResult top = generate(a, prompt, options);
    options.logprobs = 0;  // asks for all logits
    const GenerateResult all = generate(b, prompt, options);
    CHECK(top.tokens == all.tokens);
    CHECK(top.tokens.size() == 40);
  }
}
