// No allocation inside a forward pass after the first: counts every call of the process for memory.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "allocation/failing_memory.h"
#include "qwen/sampler.h"
#include "qwen/session.h"
#include "support/tiny_model.h"

namespace {

using namespace qwen;

int g_failures = 0;

// Runs `work` once to warm up, then counts.
void expect_none(const char* what, const std::function<void()>& work) {
  work();
  const long before = test::allocations();
  for (int i = 0; i < 3; ++i) work();
  const long found = test::allocations() - before;
  std::printf("%-45s %ld allocations\n", what, found);
  if (found != 0) ++g_failures;
}

void check_model(const test::TinyModel& tiny, bool exact) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("qwen-allocation-" + std::to_string(::getpid()) + ".gguf");
  test::write_tiny_model(tiny, path);
  LoadOptions load;
  load.threads = 2;
  load.reference = exact;
  const Model model = Model::load(path, load);
  std::filesystem::remove(path);
  std::vector<Token> prompt(40);
  for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<Token>(i * 7 % 200);

  SessionOptions options;
  options.prefill_chunk = 16;
  Session session(model, options);
  session.prefill(prompt);
  expect_none("prompt and 30 tokens, again and again", [&] {
    session.rewind(1);  // the page of the cache stays
    session.forward(prompt);
    for (int i = 0; i < 30; ++i) session.forward({&prompt[static_cast<std::size_t>(i)], 1});
  });
  expect_none("single tokens up to a page's end", [&] {
    session.rewind(1);
    for (int i = 1; i < 256; ++i) session.prefill({&prompt[static_cast<std::size_t>(i % 40)], 1});
  });
  expect_none("a token behind a page's end, again and again", [&] {
    while (session.position() < 257) session.prefill({&prompt[0], 1});
    for (int i = 0; i < 5; ++i) {
      session.rewind(256);
      session.forward({&prompt[static_cast<std::size_t>(i)], 1});
    }
  });
  SamplingOptions sampling;
  sampling.temperature = 0.7f;
  sampling.top_k = 20;
  sampling.top_p = 0.8f;
  Sampler sampler(sampling), greedy([] {
    SamplingOptions options;
    options.temperature = 0;
    return options;
  }());
  expect_none("sampled tokens", [&] {
    session.rewind(1);
    for (int i = 0; i < 30; ++i) {
      const std::span<const float> logits = session.forward({&prompt[static_cast<std::size_t>(i)], 1});
      sampler.sample(logits);
      greedy.sample(logits);
    }
  });
  const std::vector<Token> ids = {1, 17, 200};
  expect_none("the largest logits only", [&] {
    session.rewind(1);
    for (int i = 0; i < 30; ++i) session.forward_top_k({&prompt[static_cast<std::size_t>(i)], 1}, 40, ids);
  });
  float logits[3];
  expect_none("logits of some tokens", [&] { session.logits_for(ids, logits); });

  std::vector<Session> sessions;
  for (int i = 0; i < 4; ++i) sessions.emplace_back(model, options);
  std::vector<Session::BatchItem> items;
  for (Session& s : sessions) {
    s.prefill(prompt);
    items.push_back({&s, {prompt.data(), 1}, true, {}});
  }
  expect_none("a batch of four sequences", [&] {
    for (Session& s : sessions) s.rewind(1);
    for (int i = 0; i < 20; ++i) Session::forward_batch(items);
  });
}

}  // namespace

int main() {
  // The counter must see what it is there to see.
  const long before = test::allocations();
  delete[] new char[100];
  std::vector<float>(1000).swap(*std::make_unique<std::vector<float>>());
  if (test::allocations() - before < 2) {
    std::printf("allocations are not counted\n");
    return 1;
  }
  for (const TensorType type : {TensorType::q4_0, TensorType::q8_0, TensorType::f32}) {
    test::TinyModel tiny;
    tiny.type = type;
    check_model(tiny, false);
    check_model(tiny, true);
  }
  return g_failures == 0 ? 0 : 1;
}
