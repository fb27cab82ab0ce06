// A session's results depend on its own tokens alone: not on how they came in, nor on who else was there.
#include <catch2/catch.hpp>
#include <cmath>
#include <thread>

#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// Every case is a section of its own name.
template <class Check>
void for_each_case(const Check& check) {
  for (const ModelCase& model_case : model_cases()) DYNAMIC_SECTION(model_case.name) {
      const Model model = load_case(model_case);
      check(model);
    }
}

}  // namespace

TEST_CASE("prefill, decode and any chunking give the same bits", "[runtime][engine]") {
  for_each_case([](const Model& model) {
    const std::vector<Token> ids = random_ids(model, 45);
    const Logits expected = fresh_logits(model, ids);
    for (const float x : expected) REQUIRE(std::isfinite(x));

    Session single = new_session(model);
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) single.forward(part(ids, i, 1));
    CHECK(same_bits(single.forward(part(ids, ids.size() - 1, 1)), expected));
    CHECK(single.position() == 45);
    CHECK(std::vector<Token>(single.tokens().begin(), single.tokens().end()) == ids);

    for (const std::size_t first : {1, 2, 6, 7, 13, 32, 44}) {
      Session session = new_session(model);
      session.prefill(part(ids, 0, first));
      CHECK(same_bits(session.forward(part(ids, first, ids.size() - first)), expected));
    }
    for (const int batch : {1, 2, 5, 6, 16, 45, 46}) {
      Session session = new_session(model, batch);
      INFO("batch " << batch);
      CHECK(same_bits(session.forward(ids), expected));
    }
    Session pieces = new_session(model, 7);
    std::size_t done = 0;
    for (const std::size_t n : {3, 1, 10, 1, 1, 20, 8}) {
      pieces.prefill(part(ids, done, n));
      done += n;
    }
    CHECK(same_bits(pieces.forward(part(ids, done, 1)), expected));
  });
}

TEST_CASE("forward_all_logits gives every token's logits", "[runtime][engine]") {
  for_each_case([](const Model& model) {
    const std::vector<Token> ids = random_ids(model, 20, 2);
    std::vector<Logits> expected;
    Session single = new_session(model);
    for (std::size_t i = 0; i < ids.size(); ++i) expected.push_back(copy_of(single.forward(part(ids, i, 1))));
    for (const int batch : {1, 6, 512}) {
      Session session = new_session(model, batch);
      int next = 0;
      session.forward_all_logits(ids, [&](int index, std::span<const float> logits) {
        REQUIRE(index == next++);
        REQUIRE(same_bits(logits, expected[static_cast<std::size_t>(index)]));
      });
      CHECK(next == 20);
      // And the session goes on from there.
      CHECK(same_bits(session.forward(part(ids, 0, 3)), [&] {
        std::vector<Token> all = ids;
        all.insert(all.end(), ids.begin(), ids.begin() + 3);
        return fresh_logits(model, all);
      }()));
    }
  });
}

TEST_CASE("logits_for gives forward's logits", "[runtime][engine]") {
  for_each_case([](const Model& model) {
    const std::vector<Token> ids = random_ids(model, 9, 3);
    Session session = new_session(model);
    const Logits all = copy_of(session.forward(ids));
    const auto vocab = static_cast<Token>(all.size());
    std::vector<Token> wanted = {0, 1, 15, 16, 17, vocab - 1, 5, 5, vocab / 2};
    std::vector<float> found(wanted.size());
    session.logits_for(wanted, found);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      CHECK(same_bits({&found[i], 1}, {&all[static_cast<std::size_t>(wanted[i])], 1}));
    // After prefill too, where no head has run.
    Session prefilled = new_session(model);
    prefilled.prefill(ids);
    std::vector<float> again(wanted.size());
    prefilled.logits_for(wanted, again);
    CHECK(same_bits(again, found));

    check_error(ErrorCode::invalid_argument, "expected an id from 0 to", [&] {
      const std::vector<Token> bad = {vocab};
      session.logits_for(bad, found);
    });
    check_error(ErrorCode::invalid_argument, "expected an id from 0 to", [&] {
      const std::vector<Token> bad = {-1};
      session.logits_for(bad, found);
    });
    check_error(ErrorCode::invalid_argument, "logits_for: expected room for 9 logits, found 3",
                [&] { session.logits_for(wanted, std::span<float>(found).first(3)); });
    session.rewind(4);
    check_error(ErrorCode::invalid_argument, "logits_for: no token was computed",
                [&] { session.logits_for(wanted, found); });
    Session fresh = new_session(model);
    check_error(ErrorCode::invalid_argument, "logits_for: no token was computed",
                [&] { fresh.logits_for(wanted, found); });
  });
}

TEST_CASE("rewind and feed again equals a fresh session", "[runtime][engine]") {
  for_each_case([](const Model& model) {
    const std::vector<Token> ids = random_ids(model, 40, 4), others = random_ids(model, 30, 5);
    const Logits expected = fresh_logits(model, ids);
    Session session = new_session(model);
    session.forward(ids);
    session.forward(others);
    session.rewind(40);
    session.rewind(17);
    CHECK(session.position() == 17);
    session.prefill(others);
    session.rewind(17);
    CHECK(same_bits(session.forward(part(ids, 17, 23)), expected));
    session.rewind(0);
    CHECK(session.tokens().empty());
    CHECK(same_bits(session.forward(ids), expected));
    check_error(ErrorCode::invalid_argument, "rewind: expected 0 to 40, found 41",
                [&] { session.rewind(41); });
    check_error(ErrorCode::invalid_argument, "rewind: expected 0 to 40, found -1",
                [&] { session.rewind(-1); });
    CHECK(session.position() == 40);
  });
}

TEST_CASE("contexts longer than a page of the cache", "[runtime][engine]") {
  for (const KvType kv : {KvType::f16, KvType::f32})
    for (const TensorType type : {TensorType::q8_0, TensorType::f32}) {
      const Model model = load_tiny(odd_shape(type), {});
      const std::vector<Token> ids = random_ids(model, 600, 6);
      SessionOptions options;
      options.kv_type = kv;
      options.context = 700;
      Session whole(model, options);
      const Logits expected = copy_of(whole.forward(ids));
      options.prefill_chunk = 100;
      Session pieces(model, options);
      pieces.prefill(part(ids, 0, 255));
      for (std::size_t i = 255; i < 258; ++i) pieces.forward(part(ids, i, 1));
      pieces.prefill(part(ids, 258, 341));
      CHECK(same_bits(pieces.forward(part(ids, 599, 1)), expected));
      // Back over a page border.
      pieces.rewind(250);
      CHECK(same_bits(pieces.forward(part(ids, 250, 350)), expected));
    }
}

TEST_CASE("a batch of sequences equals each alone", "[runtime][engine]") {
  for_each_case([](const Model& model) {
    const std::size_t lengths[] = {1, 30, 7, 2, 13};
    for (const std::size_t count : {1, 2, 5}) {
      std::vector<std::vector<Token>> prompts;
      std::vector<Session> sessions;
      for (std::size_t i = 0; i < count; ++i) {
        prompts.push_back(random_ids(model, lengths[i], static_cast<unsigned>(10 + i)));
        sessions.push_back(new_session(model));
      }
      // A batch of prompts; then one of single tokens; then a mix of both.
      std::vector<std::vector<Token>> fed(count);
      for (int round = 0; round < 3; ++round) {
        std::vector<Session::BatchItem> items;
        std::vector<std::vector<Token>> inputs;
        for (std::size_t i = 0; i < count; ++i) {
          const bool prompt = round == 0 || (round == 2 && i % 2 == 0);
          inputs.push_back(prompt ? prompts[i] : std::vector<Token>{static_cast<Token>(i + 3)});
          fed[i].insert(fed[i].end(), inputs[i].begin(), inputs[i].end());
        }
        for (std::size_t i = 0; i < count; ++i)
          items.push_back({&sessions[i], inputs[i], /*want_logits=*/!(round == 1 && i == 1), {}});
        Session::forward_batch(items);
        for (std::size_t i = 0; i < count; ++i) {
          INFO("sequence " << i << " of " << count << ", round " << round);
          CHECK(sessions[i].position() == static_cast<int>(fed[i].size()));
          const Logits alone = fresh_logits(model, fed[i]);
          if (items[i].want_logits) {
            CHECK(same_bits(items[i].logits, alone));
          } else {
            CHECK(items[i].logits.empty());
          }
          // logits_for works after a batch, whether or not logits were wanted.
          const std::vector<Token> some = {3, 200};
          float found[2];
          sessions[i].logits_for(some, found);
          CHECK(same_bits(found, Logits{alone[3], alone[200]}));
        }
      }
      // Each goes on alone.
      for (std::size_t i = 0; i < count; ++i) {
        fed[i].push_back(9);
        CHECK(
            same_bits(sessions[i].forward(part(fed[i], fed[i].size() - 1, 1)), fresh_logits(model, fed[i])));
      }
    }
  });
}

TEST_CASE("what a batch refuses", "[runtime][engine]") {
  const Model model = load_tiny(odd_shape(TensorType::q8_0), {});
  const Model other = load_tiny(odd_shape(TensorType::q8_0), {});
  Session a = new_session(model), b = new_session(model), c = new_session(other);
  const std::vector<Token> ids = {1, 2, 3}, none, bad = {5, model.shape().embedding_rows};
  using Item = Session::BatchItem;
  const auto refuse = [&](ErrorCode code, const std::string& text, std::vector<Item> items) {
    check_error(code, text, [&] { Session::forward_batch(items); });
    CHECK(a.position() == 0);
    CHECK(b.position() == 0);
  };
  refuse(ErrorCode::invalid_argument, "duplicate session",
         {Item{&a, ids, true, {}}, Item{&b, ids, true, {}}, Item{&a, ids, true, {}}});
  refuse(ErrorCode::invalid_argument, "all sessions must belong to one model",
         {Item{&a, ids, true, {}}, Item{&c, ids, true, {}}});
  refuse(ErrorCode::invalid_argument, "no tokens to compute",
         {Item{&a, ids, true, {}}, Item{&b, none, true, {}}});
  refuse(ErrorCode::invalid_argument, "expected an id from 0 to",
         {Item{&a, ids, true, {}}, Item{&b, bad, true, {}}});
  const std::vector<Token> many(1025, 1);
  refuse(ErrorCode::context_full, "context full", {Item{&a, ids, true, {}}, Item{&b, many, true, {}}});
  refuse(ErrorCode::invalid_argument, "a session is null",
         {Item{&a, ids, true, {}}, Item{nullptr, ids, true, {}}});
  Session::forward_batch({});
}

TEST_CASE("the number of threads does not matter", "[runtime][engine]") {
  for (const ModelCase& model_case : model_cases()) DYNAMIC_SECTION(model_case.name) {
      std::vector<Logits> expected;
      for (const int threads : {1, 2, 3, 5}) {
        const Model model = load_case(model_case, threads);
        REQUIRE(model.threads() == threads);
        const std::vector<Token> ids = random_ids(model, 30, 7);
        Session session = new_session(model);
        std::vector<Logits> found = {copy_of(session.forward(ids))};
        for (std::size_t i = 0; i < 5; ++i) found.push_back(copy_of(session.forward(part(ids, i, 1))));
        if (expected.empty()) expected = found;
        for (std::size_t i = 0; i < found.size(); ++i) {
          INFO(threads << " threads, result " << i);
          CHECK(same_bits(found[i], expected[i]));
        }
      }
    }
}

TEST_CASE("eight sessions of two models on eight threads", "[runtime][engine]") {
  const Model models[] = {load_tiny(odd_shape(TensorType::q4_0), {}),
                          load_tiny(qwen3_shape(TensorType::f32), {})};
  constexpr std::size_t kSessions = 8;
  std::vector<std::vector<Token>> ids;
  std::vector<Logits> expected;
  for (std::size_t i = 0; i < kSessions; ++i) {
    ids.push_back(random_ids(models[i % 2], 12 + i, static_cast<unsigned>(i)));
    expected.push_back(fresh_logits(models[i % 2], ids[i]));
  }
  std::vector<int> wrong(kSessions, 0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kSessions; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 5; ++round) {
        Session session = new_session(models[i % 2]);
        session.prefill(part(ids[i], 0, 5));
        for (std::size_t t = 5; t + 1 < ids[i].size(); ++t) session.forward(part(ids[i], t, 1));
        if (!same_bits(session.forward(part(ids[i], ids[i].size() - 1, 1)), expected[i])) ++wrong[i];
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < kSessions; ++i) CHECK(wrong[i] == 0);
}

TEST_CASE("what a session refuses, and that it is unchanged then", "[runtime][engine]") {
  const Model model = load_tiny(odd_shape(TensorType::q4_0), {});
  SessionOptions options;
  options.context = 20;
  Session session(model, options);
  CHECK(session.context() == 20);
  const std::vector<Token> ids = random_ids(model, 20, 8);
  const Logits expected = fresh_logits(model, ids);
  check_error(ErrorCode::invalid_argument, "the prompt is empty", [&] { session.forward({}); });
  check_error(ErrorCode::invalid_argument, "the prompt is empty", [&] { session.prefill({}); });
  session.prefill(part(ids, 0, 15));
  const std::vector<Token> negative = {1, -1}, large = {1, 2, model.shape().embedding_rows};
  const std::string last = std::to_string(model.shape().embedding_rows - 1);
  check_error(ErrorCode::invalid_argument, "token 1: expected an id from 0 to " + last + ", found -1",
              [&] { session.forward(negative); });
  check_error(ErrorCode::invalid_argument, "token 2: expected an id from 0 to " + last,
              [&] { session.forward_all_logits(large, [](int, std::span<const float>) {}); });
  check_error(ErrorCode::context_full, "context full: 15 of 20 tokens used, 6 more",
              [&] { session.forward(part(ids, 0, 6)); });
  CHECK(session.position() == 15);
  CHECK(same_bits(session.forward(part(ids, 15, 5)), expected));
  check_error(ErrorCode::context_full, "context full: 20 of 20 tokens used, 1 more",
              [&] { session.forward(part(ids, 0, 1)); });
  session.rewind(19);
  CHECK(same_bits(session.forward(part(ids, 19, 1)), expected));

  options.context = 1025;
  check_error(ErrorCode::invalid_argument, "context: expected 1 to 1024", [&] { Session(model, options); });
  options.context = -1;
  check_error(ErrorCode::invalid_argument, "context: expected 1 to 1024", [&] { Session(model, options); });
  options.context = 0;
  CHECK(Session(model, options).context() == 1024);
  for (const int batch : {0, -5, 65537}) {
    options.prefill_chunk = batch;
    check_error(ErrorCode::invalid_argument, "prefill_chunk: expected 1 to 65536",
                [&] { Session(model, options); });
  }
}

TEST_CASE("a prompt is cancelled between batches", "[runtime][engine]") {
  const Model model = load_tiny(odd_shape(TensorType::q8_0), {});
  const std::vector<Token> ids = random_ids(model, 30, 9);
  const Logits expected = fresh_logits(model, ids);
  Session session = new_session(model, 8);
  std::vector<std::pair<int, int>> calls;
  session.set_prefill_callback([&](int done, int total) {
    calls.emplace_back(done, total);
    return done < 16;
  });
  check_error(ErrorCode::cancelled, "cancelled after 16 of 30 tokens", [&] { session.forward(ids); });
  CHECK(calls == std::vector<std::pair<int, int>>{{8, 30}, {16, 30}});
  CHECK(session.position() == 16);
  float x;
  const std::vector<Token> some = {1};
  check_error(ErrorCode::invalid_argument, "logits_for", [&] { session.logits_for(some, {&x, 1}); });
  // What was done stays, and the session goes on.
  CHECK(session.set_prefill_callback(nullptr));
  CHECK(same_bits(session.forward(part(ids, 16, 14)), expected));
  CHECK(calls.size() == 2);
}

TEST_CASE("memory of a session grows with its tokens", "[runtime][engine]") {
  const Model model = load_tiny(odd_shape(TensorType::q8_0), {});
  Session session = new_session(model);
  CHECK(session.kv_bytes() == 0);
  session.prefill(random_ids(model, 10));
  const std::size_t page = session.kv_bytes();
  CHECK(page == 2u * 2 * 2 * 256 * 16 * 2);  // layers, heads, keys and values, tokens, dimension, bytes
  session.prefill(random_ids(model, 300));
  CHECK(session.kv_bytes() == 2 * page);
  CHECK(session.scratch_bytes() > 0);
  session.rewind(5);
  CHECK(session.kv_bytes() == page);
}

TEST_CASE("moving a session keeps its content", "[runtime][engine]") {
  const Model model = load_tiny(odd_shape(TensorType::q8_0), {});
  const std::vector<Token> ids = random_ids(model, 12);
  Session a = new_session(model);
  a.prefill(part(ids, 0, 6));
  Session b = std::move(a);
  Session c = new_session(model);
  c = std::move(b);
  CHECK(c.position() == 6);
  CHECK(same_bits(c.forward(part(ids, 6, 6)), fresh_logits(model, ids)));
}
