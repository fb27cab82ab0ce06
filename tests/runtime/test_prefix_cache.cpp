#include "runtime/prefix_cache.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/executor.h"
#include "tasks/task_model.h"

using namespace qwen;
using namespace qwen::test;
using runtime::PrefixCache;
using runtime::Sequence;

namespace {

std::vector<Token> some_tokens(int count, int salt = 0) {
  std::vector<Token> out;
  for (int i = 0; i < count; ++i) out.push_back((i * 37 + i / 7 + salt) % 200);
  return out;
}

EngineOptions cache_options() {
  EngineOptions options;
  options.context = 1024;
  return options;
}

Sequence new_sequence(const Model& model) {
  return Sequence(runtime::state_of(model), 1024, KvType::automatic);
}

void append(Sequence& sequence, std::span<const Token> tokens) {
  runtime::Executor executor(*sequence.model);
  runtime::StepItem item;
  item.sequence = &sequence;
  item.tokens = tokens;
  executor.step({&item, 1});
}

Sequence sequence_of(const Model& model, std::span<const Token> tokens) {
  Sequence out = new_sequence(model);
  append(out, tokens);
  return out;
}

}  // namespace

TEST_CASE("the longest known prefix is found and changes no bit", "[runtime]") {
  const Model model = task_model();
  PrefixCache cache(runtime::state_of(model), cache_options());
  const std::vector<Token> a = some_tokens(100);
  for (const std::size_t length : {20, 70, 50}) cache.pin(sequence_of(model, std::span(a).first(length)));
  CHECK(cache.pinned() == 2);  // the last one is a beginning of the second
  std::vector<Token> b(a.begin(), a.begin() + 60);
  b.insert(b.end(), {1, 2, 3});
  for (const auto& [prompt, length] : {std::pair{a, 70}, {b, 60}, {some_tokens(10, 5), 0}}) {
    Sequence sequence = new_sequence(model);
    CHECK(cache.restore_longest_prefix(sequence, prompt) == length);
    CHECK(sequence.position() == length);
    append(sequence, std::span(prompt).subspan(static_cast<std::size_t>(length)));
    CHECK(sequence.hidden == sequence_of(model, prompt).hidden);
  }
}

TEST_CASE("a prompt that is a pinned prefix leaves its last token to compute", "[runtime]") {
  const Model model = task_model();
  PrefixCache cache(runtime::state_of(model), cache_options());
  const std::vector<Token> a = some_tokens(30);
  cache.pin(sequence_of(model, a));
  Sequence sequence = new_sequence(model);
  CHECK(cache.restore_longest_prefix(sequence, a) == 29);
  CHECK(cache.restore_longest_prefix(sequence, std::span(a).first(10)) == 9);
  CHECK(cache.restore_longest_prefix(sequence, std::span(a).first(1)) == 0);
}

TEST_CASE("the sequence's own tokens count as a known prefix", "[runtime]") {
  const Model model = task_model();
  PrefixCache cache(runtime::state_of(model), cache_options());
  const std::vector<Token> a = some_tokens(80);
  cache.pin(sequence_of(model, std::span(a).first(20)));
  Sequence sequence = sequence_of(model, std::span(a).first(60));
  CHECK(cache.restore_longest_prefix(sequence, a) == 60);
  CHECK(cache.restore_longest_prefix(sequence, some_tokens(40, 3)) == 0);
  CHECK(sequence.position() == 0);
}

TEST_CASE("an exact prompt needs no computation; the oldest is evicted", "[runtime]") {
  const Model model = task_model();
  PrefixCache cache(runtime::state_of(model), cache_options());
  for (int i = 0; i < 5; ++i) cache.insert_exact(sequence_of(model, some_tokens(40, i)));
  Sequence sequence = new_sequence(model);
  CHECK(cache.restore_longest_prefix(sequence, some_tokens(40, 0)) == 0);
  CHECK(cache.restore_longest_prefix(sequence, some_tokens(40, 4)) == 40);
  CHECK(sequence.hidden == sequence_of(model, some_tokens(40, 4)).hidden);
}

TEST_CASE("prefix files are bound to model and tokens, replaced if damaged, and bounded in size",
          "[runtime]") {
  const TestFolder folder("prefix-cache");
  const Model model = task_model(TensorType::q8_0, 1);
  EngineOptions options = cache_options();
  options.prefix_folder = folder / "kv";  // created if missing
  const std::vector<Token> a = some_tokens(90);
  const auto loads = [&](const Model& m) {
    PrefixCache cache(runtime::state_of(m), options);
    if (!cache.find_pinned(a)) cache.pin(sequence_of(m, a));
    Sequence sequence = new_sequence(m);
    CHECK(cache.restore_longest_prefix(sequence, a) == 89);
    append(sequence, std::span(a).subspan(89));
    CHECK(sequence.hidden == sequence_of(m, a).hidden);
    return cache.loaded();
  };
  CHECK(loads(model) == 0);
  CHECK(loads(model) == 1);
  const TestFolder other_folder("prefix-cache-other");
  TinyModel tiny;
  tiny.type = TensorType::q8_0;
  tiny.seed = 2;
  CHECK(loads(Model::load(write_tiny_model(tiny, other_folder / "other.gguf"))) == 0);
  for (const auto& entry : std::filesystem::directory_iterator(options.prefix_folder)) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('!');
  }
  CHECK(loads(model) == 0);
  CHECK(loads(model) == 1);
  for (const auto& entry : std::filesystem::directory_iterator(options.prefix_folder))
    std::filesystem::resize_file(entry.path(), 10);
  CHECK(loads(model) == 0);

  // Room for one file only: the newest stays.
  options.prefix_folder_bytes = 1;
  PrefixCache small(runtime::state_of(model), options);
  for (int i = 0; i < 5; ++i) small.pin(sequence_of(model, some_tokens(30, i)));
  const auto files = std::filesystem::directory_iterator(options.prefix_folder);
  CHECK(std::distance(begin(files), end(files)) == 1);
  CHECK(PrefixCache(runtime::state_of(model), options).find_pinned(some_tokens(30, 4)));

  folder.write("file", "");
  options.prefix_folder = folder / "file/below";
  CHECK_THROWS_AS(PrefixCache(runtime::state_of(model), options), Error);
}
