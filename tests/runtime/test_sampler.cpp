#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "qwen/error.h"
#include "qwen/sampler.h"

using qwen::Sampler;
using qwen::SamplingOptions;
using qwen::Token;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_logits(std::size_t n, std::uint64_t seed, float spread = 6.0f) {
  std::mt19937_64 random(seed);
  std::vector<float> logits(n);
  for (float& x : logits) {
    // Sum of four uniforms: bell-shaped and the same with every standard library.
    float sum = -2;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>(random() >> 40) * 0x1p-24f;
    x = sum * spread;
  }
  return logits;
}

// The distribution that the next draw is made from: Hugging Face's steps, literally and in float64. `prompt`
// and `generated` are the tokens inside the penalties' window.
std::vector<double> reference(std::vector<double> scores, const SamplingOptions& o,
                              const std::vector<Token>& prompt, const std::vector<Token>& generated) {
  const std::size_t n = scores.size();
  for (const auto& [token, bias] : o.logit_bias)
    scores[static_cast<std::size_t>(token)] += static_cast<double>(bias);
  std::set<Token> seen(prompt.begin(), prompt.end());
  seen.insert(generated.begin(), generated.end());
  for (const Token token : seen) {
    double& s = scores[static_cast<std::size_t>(token)];
    const double penalty = static_cast<double>(o.repetition_penalty);
    s = s < 0 ? s * penalty : s / penalty;
  }
  std::map<Token, int> counts;
  for (const Token token : generated) ++counts[token];
  for (const auto& [token, count] : counts)
    scores[static_cast<std::size_t>(token)] -=
        static_cast<double>(o.frequency_penalty) * count + static_cast<double>(o.presence_penalty);
  const double none = -std::numeric_limits<double>::infinity();
  std::vector<std::size_t> order(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = i;
  const auto descending = [&](std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
  std::vector<double> p(n, 0.0);
  const auto softmax = [&] {
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += p[i] = std::exp(scores[i] - largest);
    for (double& x : p) x /= sum;
  };
  if (o.temperature == 0) {
    p[*std::min_element(order.begin(), order.end(), descending)] = 1;
    return p;
  }
  for (double& s : scores) s /= static_cast<double>(o.temperature);
  if (o.top_k > 0 && static_cast<std::size_t>(o.top_k) < n) {
    std::sort(order.begin(), order.end(), descending);
    const double kth = scores[order[static_cast<std::size_t>(o.top_k) - 1]];
    for (double& s : scores) {
      if (s < kth) s = none;
    }
  }
  if (o.top_p < 1) {
    softmax();
    std::sort(order.begin(), order.end(), descending);
    double before = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (i > 0 && before >= static_cast<double>(o.top_p)) scores[order[i]] = none;
      before += p[order[i]];
    }
  }
  softmax();
  const double top = *std::max_element(p.begin(), p.end());
  for (std::size_t i = 0; i < n; ++i) {
    if (p[i] < static_cast<double>(o.min_p) * top) scores[i] = none;
  }
  softmax();
  return p;
}

// Draws once for each of `draws` seeds and compares frequencies with the reference: no token that it forbids,
// and a chi-square in the range that 1 of 10,000 correct samplers would leave (the seeds are fixed).
void check_distribution(const std::vector<float>& logits, SamplingOptions options,
                        const std::vector<Token>& prompt, int draws) {
  const auto p = reference({logits.begin(), logits.end()}, options, prompt, {});
  options.seed = 12345;
  Sampler sampler(options);
  const bool penalties =
      options.repetition_penalty != 1 || options.presence_penalty != 0 || options.frequency_penalty != 0;
  std::vector<int> count(logits.size(), 0);
  for (int i = 0; i < draws; ++i) {
    if (penalties) {  // each draw must see the same history
      options.seed = static_cast<std::uint64_t>(i);
      sampler = Sampler(options);
      sampler.accept_prompt(prompt);
    }
    ++count[static_cast<std::size_t>(sampler.sample(logits))];
  }
  double chi = 0, pooled_expected = 0;
  int cells = 0, pooled = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    INFO("token " << i << ", probability " << p[i] << ", drawn " << count[i]);
    if (p[i] == 0) REQUIRE(count[i] == 0);
    const double expected = p[i] * draws;
    if (expected < 8) {
      pooled_expected += expected;
      pooled += count[i];
      continue;
    }
    chi += (count[i] - expected) * (count[i] - expected) / expected;
    ++cells;
  }
  if (pooled_expected >= 8) {
    chi += (pooled - pooled_expected) * (pooled - pooled_expected) / pooled_expected;
    ++cells;
  }
  const double freedom = std::max(1, cells - 1);  // Wilson-Hilferty
  const double limit = freedom * std::pow(1 - 2 / (9 * freedom) + 3.72 * std::sqrt(2 / (9 * freedom)), 3);
  INFO("chi-square " << chi << " with " << freedom << " degrees of freedom, limit " << limit);
  CHECK(chi <= limit);
}

SamplingOptions plain() {
  SamplingOptions o;
  o.temperature = 1;
  o.top_k = 0;
  o.top_p = 1;
  return o;
}

}  // namespace

TEST_CASE("sampler draws from the reference's distribution", "[runtime]") {
  const auto logits = random_logits(300, 1);
  const std::vector<Token> prompt = {3, 17, 17, 250, 9};
  SamplingOptions o = plain();
  SECTION("plain") {}
  SECTION("temperature") {
    o.temperature = 0.6f;
  }
  SECTION("high temperature") {
    o.temperature = 3.5f;
  }
  SECTION("top-k") {
    o.top_k = 11;
  }
  SECTION("top-k of 1") {
    o.top_k = 1;
  }
  SECTION("top-k above the vocabulary") {
    o.top_k = 1000;
  }
  SECTION("top-p") {
    o.top_p = 0.7f;
  }
  SECTION("a small top-p") {
    o.top_p = 0.001f;
  }
  SECTION("top-p of a flat distribution") {
    o.temperature = 50, o.top_p = 0.95f;
  }
  SECTION("min-p") {
    o.min_p = 0.2f;
  }
  SECTION("top-k, top-p, min-p, temperature") {
    o.temperature = 0.8f, o.top_k = 40, o.top_p = 0.85f, o.min_p = 0.05f;
  }
  SECTION("repetition penalty") {
    o.repetition_penalty = 1.5f;
  }
  SECTION("repetition reward") {
    o.repetition_penalty = 0.7f;
  }
  SECTION("bias") {
    o.logit_bias = {{5, 4.0f}, {7, -kInf}, {5, 1.0f}, {0, -2.5f}};
  }
  SECTION("all") {
    o.temperature = 1.3f, o.top_k = 100, o.top_p = 0.9f, o.min_p = 0.01f, o.repetition_penalty = 1.2f;
    o.presence_penalty = 0.5f, o.frequency_penalty = 0.25f, o.logit_bias = {{9, 3.0f}, {250, -kInf}};
  }
  check_distribution(logits, o, prompt, 20000);
}

TEST_CASE("sampler keeps exactly the reference's tokens in a full vocabulary", "[runtime]") {
  const std::size_t vocab = 151936;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const auto logits = random_logits(vocab, seed, 9.0f);
    for (const auto& [k, top_p, min_p, temperature] :
         std::vector<std::tuple<int, float, float, float>>{{40, 0.9f, 0.0f, 0.7f},
                                                           {0, 0.9f, 0.0f, 0.7f},
                                                           {0, 0.3f, 0.0f, 1.5f},
                                                           {0, 1.0f, 0.3f, 1.0f},
                                                           {1000, 1.0f, 0.0f, 1.0f},
                                                           {5, 0.5f, 0.5f, 1.0f}}) {
      SamplingOptions o = plain();
      o.top_k = k, o.top_p = top_p, o.min_p = min_p, o.temperature = temperature, o.seed = seed;
      const auto p = reference({logits.begin(), logits.end()}, o, {}, {});
      Sampler sampler(o);
      for (int i = 0; i < 20; ++i) REQUIRE(p[static_cast<std::size_t>(sampler.sample(logits))] > 0);
    }
  }
}

TEST_CASE("greedy takes the largest logit and the lowest id among equals", "[runtime]") {
  SamplingOptions o;
  o.temperature = 0;
  Sampler sampler(o);
  CHECK(sampler.sample(std::vector<float>{1, 5, 5, 2}) == 1);
  CHECK(sampler.sample(std::vector<float>{-3, -2, -1}) == 2);
  CHECK(sampler.sample(std::vector<float>{0.0f, -0.0f}) == 0);
  CHECK(sampler.sample(std::vector<float>{-1.0f, -0.0f, 0.0f}) == 1);
  std::vector<float> many(151936, 0.25f);
  CHECK(sampler.sample(many) == 0);
  many[151935] = 0.5f;
  CHECK(sampler.sample(many) == 151935);
  CHECK(sampler.sample(std::vector<float>{-std::numeric_limits<float>::max(), -kInf}) == 0);
}

TEST_CASE("NaN and infinite logits are never chosen", "[runtime]") {
  std::vector<float> logits = {kNaN, 1, kInf, -kInf, 2, kNaN, 0, 1, kNaN, kInf, -4};
  SamplingOptions o = plain();
  SECTION("greedy") {
    o.temperature = 0;
    CHECK(Sampler(o).sample(logits) == 4);
  }
  SECTION("plain") {}
  SECTION("top-k") {
    o.top_k = 3;
  }
  SECTION("top-k above the finite ones") {
    o.top_k = 10;
  }
  SECTION("top-p") {
    o.top_p = 0.9f;
  }
  SECTION("min-p") {
    o.min_p = 0.01f;
  }
  Sampler sampler(o);
  for (int i = 0; i < 200; ++i) {
    const Token token = sampler.sample(logits);
    REQUIRE(std::isfinite(logits[static_cast<std::size_t>(token)]));
  }
  for (const float bad : {kNaN, kInf, -kInf}) {
    const std::vector<float> none(20, bad);
    CHECK_THROWS_AS(sampler.sample(none), qwen::Error);
  }
  CHECK_THROWS_AS(sampler.sample({}), qwen::Error);
}

TEST_CASE("top-k keeps all that equal the k-th logit, and copes with nothing but equals", "[runtime]") {
  SamplingOptions o = plain();
  o.top_k = 2;
  Sampler sampler(o);
  std::set<Token> drawn;
  for (int i = 0; i < 200; ++i) drawn.insert(sampler.sample(std::vector<float>{1, 3, 2, 2, 2, 0}));
  CHECK(drawn == std::set<Token>{1, 2, 3, 4});
  const std::vector<float> equal(151936, 1.0f);
  for (int i = 0; i < 3; ++i) {
    const Token token = sampler.sample(equal);
    CHECK((token >= 0 && token < 151936));
  }
}

TEST_CASE("the same seed gives the same tokens, reset starts again", "[runtime]") {
  const auto logits = random_logits(1000, 5);
  SamplingOptions o = plain();
  o.repetition_penalty = 1.1f;
  o.seed = 42;
  Sampler a(o), b(o);
  std::vector<Token> first, second, other, again;
  for (int i = 0; i < 50; ++i) first.push_back(a.sample(logits));
  for (int i = 0; i < 50; ++i) second.push_back(b.sample(logits));
  CHECK(first == second);
  a.reset();
  for (int i = 0; i < 50; ++i) again.push_back(a.sample(logits));
  CHECK(first == again);
  o.seed = 43;
  Sampler c(o);
  for (int i = 0; i < 50; ++i) other.push_back(c.sample(logits));
  CHECK(first != other);
}

TEST_CASE("random numbers depend on the seed and the position alone, on every machine", "[runtime]") {
  // Equal logits: the token is 53 random bits, scaled.
  const std::vector<float> equal(1000, 0.5f);
  SamplingOptions o = plain();
  o.seed = 7;
  Sampler sampler(o), skips(o);
  const auto mix = [](std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  };
  for (std::uint64_t i = 0; i < 20; ++i) {
    const std::uint64_t bits = mix(mix(8) + (i + 1) * 0x9E3779B97F4A7C15u);
    const auto expected = static_cast<Token>(static_cast<double>(bits >> 11) * 0x1p-53 * 1000);
    CHECK(skips.peek(equal) == expected);
    CHECK(skips.peek(equal) == expected);
    CHECK(sampler.sample(equal) == expected);
    skips.accept(3);  // another token at this position does not change the later numbers
  }
}

TEST_CASE("a sampler without a seed draws one", "[runtime]") {
  const Sampler a, b;
  REQUIRE(a.options().seed.has_value());
  CHECK(*a.options().seed != *b.options().seed);
}

TEST_CASE("penalties count what the window holds", "[runtime]") {
  SamplingOptions o = plain();
  o.temperature = 0;
  SECTION("presence is subtracted once, frequency each time, and neither for the prompt") {
    o.presence_penalty = 1.0f;
    Sampler presence(o);
    presence.accept_prompt(std::vector<Token>{0, 0, 0});
    const std::vector<float> logits = {2.0f, 1.5f, 0.75f};
    CHECK(presence.sample(logits) == 0);
    CHECK(presence.sample(logits) == 1);  // 1.0 1.5 0.75
    CHECK(presence.sample(logits) == 0);  // 1.0 0.5 0.75
    CHECK(presence.sample(logits) == 0);  // 1.0 0.5 0.75: still once
    o.presence_penalty = 0;
    o.frequency_penalty = 0.4f;
    Sampler frequency(o);
    std::vector<Token> drawn;
    for (int i = 0; i < 5; ++i) drawn.push_back(frequency.sample(logits));
    CHECK(drawn == std::vector<Token>{0, 0, 1, 0, 1});  // 2 1.6 | 1.2 1.5 | 1.2 1.1 | 0.8 1.1
  }
  SECTION("repetition divides positive and multiplies negative logits, of prompt and generated tokens") {
    o.repetition_penalty = 2.0f;
    Sampler positive(o);
    positive.accept_prompt(std::vector<Token>{0});
    CHECK(positive.sample(std::vector<float>{4.0f, 2.5f, 1.0f}) == 1);  // 2 2.5 1
    CHECK(positive.sample(std::vector<float>{4.0f, 2.5f, 1.0f}) == 0);  // 2 1.25 1
    Sampler negative(o);
    negative.accept_prompt(std::vector<Token>{0});
    CHECK(negative.sample(std::vector<float>{-1.0f, -1.5f}) == 1);  // -2 -1.5
    CHECK(negative.sample(std::vector<float>{-1.0f, -1.5f}) == 0);  // -2 -3
  }
  SECTION("the window forgets") {
    o.repetition_penalty = 4.0f;
    o.penalty_last_n = 2;
    Sampler sampler(o);
    sampler.accept_prompt(std::vector<Token>{0, 0, 1, 2});
    const std::vector<float> logits = {4.0f, 3.0f, 2.0f};
    CHECK(sampler.sample(logits) == 0);  // window 1 2
    CHECK(sampler.sample(logits) == 1);  // window 2 0
    CHECK(sampler.sample(logits) == 2);  // window 0 1
    CHECK(sampler.sample(logits) == 0);  // window 1 2
  }
  SECTION("ids beyond the logits are ignored") {
    o.repetition_penalty = 2.0f;
    Sampler sampler(o);
    sampler.accept_prompt(std::vector<Token>{5, 900, -1});
    CHECK(sampler.sample(std::vector<float>{1, 0}) == 0);
  }
  SECTION("random histories agree with the reference") {
    std::mt19937_64 random(3);
    for (int round = 0; round < 200; ++round) {
      const auto logits = random_logits(50, random());
      o.repetition_penalty = 1.0f + 0.1f * static_cast<float>(random() % 8);
      o.presence_penalty = 0.3f * static_cast<float>(random() % 4);
      o.frequency_penalty = 0.2f * static_cast<float>(random() % 4);
      o.penalty_last_n = static_cast<int>(random() % 12);
      Sampler sampler(o);
      std::vector<Token> prompt, generated;
      for (std::size_t i = 0; i < random() % 8; ++i) prompt.push_back(static_cast<Token>(random() % 50));
      sampler.accept_prompt(prompt);
      for (int step = 0; step < 15; ++step) {
        const std::size_t all = prompt.size() + generated.size();
        const auto n = static_cast<std::size_t>(o.penalty_last_n);
        const std::size_t drop = n == 0 || all <= n ? 0 : all - n;
        const std::size_t drop_prompt = std::min(drop, prompt.size());
        const auto p =
            reference({logits.begin(), logits.end()}, o,
                      {prompt.begin() + static_cast<std::ptrdiff_t>(drop_prompt), prompt.end()},
                      {generated.begin() + static_cast<std::ptrdiff_t>(drop - drop_prompt), generated.end()});
        const Token expected = static_cast<Token>(std::max_element(p.begin(), p.end()) - p.begin());
        generated.push_back(sampler.sample(logits));
        REQUIRE(generated.back() == expected);
      }
    }
  }
}

TEST_CASE("a bias can forbid and force, also when greedy", "[runtime]") {
  SamplingOptions o = plain();
  o.temperature = 0;
  o.logit_bias = {{1, -kInf}};
  CHECK(Sampler(o).sample(std::vector<float>{1, 9, 2}) == 2);
  o.logit_bias = {{0, 100.0f}};
  CHECK(Sampler(o).sample(std::vector<float>{1, 9, 2}) == 0);
  o.logit_bias = {{0, -kInf}, {1, -kInf}, {2, -kInf}};
  CHECK_THROWS_AS(Sampler(o).sample(std::vector<float>{1, 9, 2}), qwen::Error);
  o.logit_bias = {{3, 1.0f}};
  CHECK_THROWS_AS(Sampler(o).sample(std::vector<float>{1, 9, 2}), qwen::Error);
}

TEST_CASE("sampling leaves the logits alone", "[runtime]") {
  const auto logits = random_logits(200, 9);
  auto copy = logits;
  SamplingOptions o;
  o.logit_bias = {{1, 3.0f}};
  o.repetition_penalty = 1.3f;
  o.min_p = 0.1f;
  Sampler sampler(o);
  for (int i = 0; i < 10; ++i) sampler.sample(copy);
  CHECK(std::memcmp(copy.data(), logits.data(), logits.size() * sizeof(float)) == 0);
}

TEST_CASE("a temperature near zero is greedy, not NaN", "[runtime]") {
  SamplingOptions o = plain();
  const auto logits = random_logits(100, 4);
  const auto best = static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (const float temperature : {1e-6f, 1e-30f, std::numeric_limits<float>::denorm_min()}) {
    for (const int k : {0, 10}) {
      for (const float min_p : {0.0f, 0.5f}) {
        o.temperature = temperature, o.top_k = k, o.min_p = min_p;
        CHECK(Sampler(o).sample(logits) == best);
        o.top_p = 0.5f;
        CHECK(Sampler(o).sample(logits) == best);
        o.top_p = 1.0f;
      }
    }
  }
}

TEST_CASE("options out of range are refused by name", "[runtime]") {
  const auto refused = [](auto&& change) {
    SamplingOptions o;
    change(o);
    try {
      Sampler sampler(o);
    } catch (const qwen::Error& error) {
      return error.code() == qwen::ErrorCode::invalid_argument ? std::string(error.what())
                                                               : std::string("wrong code");
    }
    return std::string("accepted");
  };
  using Catch::Matchers::StartsWith;
  for (const float bad : {-0.1f, kNaN, kInf}) {
    CHECK_THAT(refused([&](auto& o) { o.temperature = bad; }), StartsWith("temperature"));
    CHECK_THAT(refused([&](auto& o) { o.min_p = bad; }), StartsWith("min_p"));
    CHECK_THAT(refused([&](auto& o) { o.repetition_penalty = bad; }), StartsWith("repetition_penalty"));
  }
  for (const float bad : {0.0f, -1.0f, 1.001f, kNaN})
    CHECK_THAT(refused([&](auto& o) { o.top_p = bad; }), StartsWith("top_p"));
  CHECK_THAT(refused([&](auto& o) { o.repetition_penalty = 0; }), StartsWith("repetition_penalty"));
  CHECK_THAT(refused([&](auto& o) { o.top_k = -1; }), StartsWith("top_k"));
  CHECK_THAT(refused([&](auto& o) { o.penalty_last_n = -1; }), StartsWith("penalty_last_n"));
  CHECK_THAT(refused([&](auto& o) { o.presence_penalty = kNaN; }), StartsWith("presence_penalty"));
  CHECK_THAT(refused([&](auto& o) { o.frequency_penalty = kInf; }), StartsWith("frequency_penalty"));
  CHECK_THAT(refused([&](auto& o) { o.logit_bias = {{-1, 0.0f}}; }), StartsWith("logit_bias"));
  CHECK_THAT(refused([&](auto& o) { o.logit_bias = {{1, kInf}}; }), StartsWith("logit_bias"));
  CHECK_THAT(refused([&](auto& o) { o.logit_bias = {{1, kNaN}}; }), StartsWith("logit_bias"));
}

TEST_CASE("log-probabilities are those of the whole vocabulary", "[runtime]") {
  const auto logits = random_logits(5000, 6);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  const auto top = Sampler::top_logprobs(logits, 20);
  REQUIRE(top.size() == 20);
  std::vector<std::pair<float, Token>> sorted;
  for (std::size_t i = 0; i < logits.size(); ++i) sorted.emplace_back(-logits[i], static_cast<Token>(i));
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < top.size(); ++i) {
    CHECK(top[i].token == sorted[i].second);
    CHECK(top[i].logprob == Approx(-static_cast<double>(sorted[i].first) - std::log(sum)).margin(2e-6));
    CHECK(Sampler::logprob(logits, top[i].token) == top[i].logprob);
  }
  CHECK(Sampler::top_logprobs(logits, 0).empty());
  CHECK(Sampler::top_logprobs(std::vector<float>{1, 2}, 5).size() == 2);
  CHECK(Sampler::top_logprobs(std::vector<float>{1, kNaN, 2}, 5).size() == 2);
  CHECK(Sampler::top_logprobs(std::vector<float>(100, 1.0f), 3).size() == 3);
  CHECK(Sampler::logprob(std::vector<float>{1, kNaN}, 1) == -kInf);
  CHECK_THROWS_AS(Sampler::logprob(logits, 5000), qwen::Error);
  CHECK_THROWS_AS(Sampler::logprob(logits, -1), qwen::Error);
  CHECK_THROWS_AS(Sampler::top_logprobs(logits, -1), qwen::Error);
}
