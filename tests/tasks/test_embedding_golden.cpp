// Embeddings and scores of a small checkpoint in the form of Qwen3-Embedding against float64
// (tests/data/embedding/make_embedding.py).
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "formats/hf_files.h"
#include "qwen/embedder.h"
#include "qwen/reranker.h"

using namespace qwen;
using namespace qwen::test;

namespace {

const std::string kFolder = std::string(QWEN_TEST_DATA) + "/embedding/";

// As in make_embedding.py.
const std::vector<std::string> kTexts{"the room is clean", "", "房间很干净", "yes, it has no windows",
                                      "Where is the nearest station?"};
const std::string kInstruction = "Given a question, find its answer";
const std::string kQuery = "Is breakfast included?";
const std::vector<std::string> kDocuments{"Yes, from seven to ten.", "no", "早餐从七点开始",
                                          "The pool is closed on Mondays.", ""};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The values of a .npy file of version 1.
std::vector<double> read_doubles(const std::string& name) {
  const std::string bytes = read_file(kFolder + name);
  const auto header = static_cast<std::size_t>(static_cast<unsigned char>(bytes[8]) |
                                               static_cast<unsigned char>(bytes[9]) << 8);
  REQUIRE(bytes.substr(10, header).find("'<f8', 'fortran_order': False") != std::string::npos);
  std::vector<double> values((bytes.size() - 10 - header) / sizeof(double));
  std::memcpy(values.data(), bytes.data() + 10 + header, values.size() * sizeof(double));
  return values;
}

// The checkpoint in each form that it is published in: the directory with and without "model." before the names of
// tensors, and GGUF.
std::vector<std::string> checkpoints() {
  static const TestFolder folder("embedding-golden");
  const std::string hf = kFolder + "hf/";
  const std::string plain = read_file(hf + "model.safetensors");
  std::uint64_t size = 0;
  std::memcpy(&size, plain.data(), 8);
  const auto header = static_cast<std::size_t>(size);
  const Json tensors = Json::parse(plain.substr(8, header));
  Json prefixed;
  for (const auto& [name, tensor] : tensors.items()) prefixed["model." + name] = tensor;
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"})
    folder.write(name, read_file(hf + name));
  std::string text = prefixed.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  folder.write("model.safetensors", safetensors_bytes(text, plain.substr(8 + header)));
  return {kFolder + "hf", folder / "", kFolder + "model.gguf"};
}

// Computes in the reference mode.
std::shared_ptr<Engine> engine_of(const std::string& path, KvType kv_type) {
  LoadOptions load;
  load.reference = true;
  load.threads = 2;
  EngineOptions options;
  options.background = false;
  options.kv_type = kv_type;
  return std::make_shared<Engine>(Model::load(path, load), options);
}

double nmse(const std::vector<double>& expected, const std::vector<double>& found) {
  REQUIRE(expected.size() == found.size());
  double error = 0, total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += (expected[i] - found[i]) * (expected[i] - found[i]);
    total += expected[i] * expected[i];
  }
  return error / total;
}

}  // namespace

TEST_CASE("golden embeddings: the exact path equals float64 to 1e-9, from every form of checkpoint",
          "[tasks]") {
  const std::vector<double> expected = read_doubles("vectors.npy");
  for (const std::string& path : checkpoints()) {
    INFO(path);
    Embedder embedder(engine_of(path, KvType::f32));
    REQUIRE(expected.size() == (kTexts.size() + 1) * static_cast<std::size_t>(embedder.dimensions()));
    std::vector<Embedding> all = embedder.embed_batch(kTexts);
    all.push_back(embedder.embed(kTexts.back(), {.instruction = kInstruction}));
    std::vector<double> found;
    for (const Embedding& one : all) found.insert(found.end(), one.values.begin(), one.values.end());
    CHECK(nmse(expected, found) <= 1e-9);
    // The bound tells a wrong text from the right one: without the instruction the last vector is another.
    found.resize(kTexts.size() * static_cast<std::size_t>(embedder.dimensions()));
    const Embedding bare = embedder.embed(kTexts.back());
    found.insert(found.end(), bare.values.begin(), bare.values.end());
    CHECK(nmse(expected, found) > 1e-3);
  }
}

TEST_CASE("golden scores of documents: the exact path equals float64 to 1e-9, from every form of checkpoint",
          "[tasks]") {
  const std::vector<double> expected = read_doubles("scores.npy");
  for (const std::string& path : checkpoints()) {
    INFO(path);
    Reranker reranker(engine_of(path, KvType::f32));
    std::vector<double> found;
    for (const Relevance& one : reranker.score_batch(kQuery, kDocuments)) found.push_back(one.score);
    CHECK(nmse(expected, found) <= 1e-9);
    found.clear();
    for (const Relevance& one : reranker.score_batch("Is dinner included?", kDocuments))
      found.push_back(one.score);
    CHECK(nmse(expected, found) > 1e-6);
  }
}
