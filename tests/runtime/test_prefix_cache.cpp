#include <catch2/catch.hpp>
#include <fstream>

#include "tasks/task_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

std::vector<Token> some_tokens(int count, int salt = 0) {
  std::vector<Token> out;
  for (int i = 0; i < count; ++i) out.push_back((i * 37 + i / 7 + salt) % 200);
  return out;
}

std::vector<float> logits_after(Session& session, std::span<const Token> rest) {
  const auto logits = session.forward(rest);
  return {logits.begin(), logits.end()};
}

}  // namespace

TEST_CASE("the longest known prefix is found, and changes no bit", "[runtime]") {
  const Model model = task_model();
  PrefixCache cache(model);
  const std::vector<Token> a = some_tokens(100);
  cache.pin(std::span(a).first(20));
  cache.pin(std::span(a).first(70));
  cache.pin(std::span(a).first(50));  // known already
  CHECK(cache.counters().pinned == 2);
  std::vector<Token> b(a.begin(), a.begin() + 60);
  b.insert(b.end(), {1, 2, 3});
  for (const auto& [prompt, length] : {std::pair{a, 70}, {b, 60}, {some_tokens(10, 5), 0}}) {
    Session session(model), plain(model);
    CHECK(cache.begin(session, prompt) == length);
    CHECK(session.position() == length);
    CHECK(logits_after(session, std::span(prompt).subspan(static_cast<std::size_t>(length))) ==
          logits_after(plain, prompt));
  }
}

TEST_CASE("a prompt that is a pinned prefix leaves its last token to compute", "[runtime]") {
  const Model model = task_model();
  PrefixCache cache(model);
  const std::vector<Token> a = some_tokens(30);
  cache.pin(a);
  Session session(model);
  CHECK(cache.begin(session, a) == 29);
  CHECK(cache.begin(session, std::span(a).first(10)) == 9);
  CHECK(cache.begin(session, std::span(a).first(1)) == 0);
}

TEST_CASE("what the session holds counts too", "[runtime]") {
  const Model model = task_model();
  PrefixCache cache(model);
  const std::vector<Token> a = some_tokens(80);
  cache.pin(std::span(a).first(20));
  Session session(model);
  session.prefill(std::span(a).first(60));
  CHECK(cache.begin(session, a) == 60);
  const std::vector<Token> other = some_tokens(40, 3);
  CHECK(cache.begin(session, other) == 0);
  CHECK(session.position() == 0);
}

TEST_CASE("a remembered prompt needs no computing, the oldest is forgotten", "[runtime]") {
  const Model model = task_model();
  PrefixCacheOptions options;
  options.recent = 2;
  PrefixCache cache(model, options);
  Session session(model);
  const std::vector<Token> ids{1, 2, 3};
  std::vector<float> expected(3), found(3);
  for (int i = 0; i < 3; ++i) {
    session.rewind(0);
    session.prefill(some_tokens(40, i));
    session.logits_for(ids, expected);
    cache.remember(session);
  }
  Session other(model);
  CHECK(cache.begin(other, some_tokens(40, 0)) == 0);
  CHECK(cache.begin(other, some_tokens(40, 2)) == 40);
  other.logits_for(ids, found);
  CHECK(found == expected);
}

TEST_CASE("prefixes are kept in a folder, bound to model and tokens", "[runtime]") {
  const TestFolder folder("prefix-cache");
  const Model model = task_model(TensorType::q8_0, 1);
  PrefixCacheOptions options;
  options.folder = folder / "kv";  // made where it is missing
  const std::vector<Token> a = some_tokens(90);
  const auto begin_with = [&](const Model& m) {
    PrefixCache cache(m, options);
    cache.pin(a);
    Session session(m), plain(m);
    CHECK(cache.begin(session, a) == 89);
    CHECK(logits_after(session, std::span(a).subspan(89)) == logits_after(plain, a));
    return cache.counters().loaded;
  };
  CHECK(begin_with(model) == 0);
  CHECK(begin_with(model) == 1);
  const TestFolder other_folder("prefix-cache-other");
  TinyModel tiny;
  tiny.type = TensorType::q8_0;
  tiny.seed = 2;
  CHECK(begin_with(Model::load(write_tiny_model(tiny, other_folder / "other.gguf"))) == 0);
  // Damaged files are written anew.
  for (const auto& entry : std::filesystem::directory_iterator(options.folder)) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('!');
  }
  CHECK(begin_with(model) == 0);
  CHECK(begin_with(model) == 1);
  for (const auto& entry : std::filesystem::directory_iterator(options.folder))
    std::filesystem::resize_file(entry.path(), 10);
  CHECK(begin_with(model) == 0);
  folder.write("file", "");
  options.folder = folder / "file/below";
  CHECK_THROWS_AS(PrefixCache(model, options), Error);
}
