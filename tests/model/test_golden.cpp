// Small checkpoints against the logits of a float64 forward (tests/data/README.md).
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/cpu.h"
#include "kernels/kernels.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Golden {
  std::string model, tokens;
  double peer_error;  // llama.cpp's NMSE on this file

  std::string path() const { return std::string(QWEN_TEST_DATA) + "/golden/" + model + ".gguf"; }
  std::vector<Token> ids() const {
    std::vector<Token> ids;
    std::istringstream in(read_file(std::string(QWEN_TEST_DATA) + "/golden/" + tokens));
    for (std::string number; std::getline(in, number, ',');) ids.push_back(std::stoi(number));
    return ids;
  }
  // [tokens, vocabulary], from a .npy file of version 1.
  std::vector<float> logits() const {
    const std::string bytes = read_file(std::string(QWEN_TEST_DATA) + "/golden/" + model + ".npy");
    const auto header = static_cast<std::size_t>(static_cast<unsigned char>(bytes[8]) |
                                                 static_cast<unsigned char>(bytes[9]) << 8);
    REQUIRE(bytes.substr(1, 5) == "NUMPY");
    REQUIRE(bytes.substr(10, header).find("'<f4', 'fortran_order': False") != std::string::npos);
    std::vector<float> values((bytes.size() - 10 - header) / sizeof(float));
    std::memcpy(values.data(), bytes.data() + 10 + header, values.size() * sizeof(float));
    return values;
  }
};

const Golden kGolden[] = {{"gqa224-q4_0", "gqa224.tokens", 4.187e-4},
                          {"qwen3-q4_k_m", "qwen3.tokens", 1.335e-3}};

Model load(const Golden& golden, bool exact) {
  LoadOptions options;
  options.threads = 2;
  options.reference = exact;
  return Model::load(golden.path(), options);
}

// The logits of all tokens, [tokens, vocabulary].
std::vector<float> all_logits(const Model& model, std::span<const Token> ids) {
  std::vector<float> found;
  Session session(model);
  session.forward_all_logits(
      ids, [&](int, std::span<const float> row) { found.insert(found.end(), row.begin(), row.end()); });
  return found;
}

double nmse(const std::vector<float>& expected, const std::vector<float>& found) {
  REQUIRE(expected.size() == found.size());
  double error = 0, total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = expected[i], d = e - found[i];
    error += d * d, total += e * e;
  }
  return error / total;
}

std::vector<Token> greedy(const Model& model, std::span<const Token> prompt, int n) {
  Session session(model);
  std::vector<Token> out;
  std::span<const float> logits = session.forward(prompt);
  for (int i = 0; i < n; ++i) {
    out.push_back(static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    logits = session.forward({&out.back(), 1});
  }
  return out;
}

}  // namespace

TEST_CASE("golden checkpoints: the exact path equals float64 to 1e-9", "[model][engine]") {
  for (const Golden& golden : kGolden) {
    INFO(golden.model);
    CHECK(nmse(golden.logits(), all_logits(load(golden, true), golden.ids())) <= 1e-9);
  }
}

TEST_CASE("golden checkpoints: the fast path's error is within 1.1 times the peer's", "[model][engine]") {
  for (const Golden& golden : kGolden) {
    const Model model = load(golden, false);
    INFO(golden.model << " on " << model.isa());
    CHECK(nmse(golden.logits(), all_logits(model, golden.ids())) <= 1.1 * golden.peer_error);
  }
}

TEST_CASE("all levels agree on the golden checkpoints", "[model][engine]") {
  for (const Golden& golden : kGolden) {
    const std::vector<Token> ids = golden.ids();
    std::vector<float> scalar, vector;
    std::vector<Token> text;
    for (const Isa isa : kAllIsas) {
      std::optional<Model> model;
      {
        const WithIsa forced(to_string(isa));
        try {
          kernels::kernels_for(isa);
        } catch (const Error&) {
          continue;  // not on this CPU
        }
        model = load(golden, false);
      }
      INFO(golden.model << " on " << to_string(isa));
      REQUIRE(model->isa() == to_string(isa));
      const std::vector<float> found = all_logits(*model, ids);
      const std::vector<Token> answer = greedy(*model, std::span<const Token>(ids).first(8), 24);
      if (text.empty()) text = answer;
      CHECK(answer == text);
      if (isa == Isa::scalar) {
        scalar = found;
        continue;
      }
      if (vector.empty()) vector = found;
      CHECK(same_bits(found, vector));
      // The scalar level lacks the fused operations of the float kernels; an int8 code at a tie may then
      // differ.
      CHECK(nmse(scalar, found) <= 0.1 * golden.peer_error);
    }
  }
}
