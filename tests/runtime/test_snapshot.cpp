// Snapshots share pages until one side writes; session files are bound to their model and checked to the last
// byte.
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "base/atomic_file.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

Logits after(const Model& model, std::vector<Token> ids, std::span<const Token> more) {
  ids.insert(ids.end(), more.begin(), more.end());
  return fresh_logits(model, ids);
}

}  // namespace

TEST_CASE("a snapshot is independent of the session it came from", "[runtime][engine]") {
  for (const TensorType type : {TensorType::q8_0, TensorType::f32}) {
    const Model model = load_tiny(odd_shape(type), {});
    const std::vector<Token> ids = random_ids(model, 300, 1), others = random_ids(model, 40, 2);
    Session session = new_session(model);
    session.prefill(ids);
    const Snapshot snapshot = session.snapshot();
    CHECK(snapshot.length() == 300);
    CHECK(std::vector<Token>(snapshot.tokens().begin(), snapshot.tokens().end()) == ids);
    CHECK(snapshot.bytes() > 0);
    CHECK(static_cast<bool>(snapshot));
    // The session writes on the shared page, before and behind the snapshot's end.
    CHECK(same_bits(session.forward(others), after(model, ids, others)));
    session.rewind(260);
    session.prefill(others);
    Session restored = new_session(model);
    restored.prefill(others);
    restored.restore(snapshot);
    CHECK(restored.position() == 300);
    CHECK(same_bits(restored.forward(others), after(model, ids, others)));
    // Two sessions that share pages with the snapshot write different things.
    Session a = new_session(model), b = new_session(model);
    a.restore(snapshot);
    b.restore(snapshot);
    CHECK(same_bits(a.forward(part(others, 0, 3)), after(model, ids, part(others, 0, 3))));
    CHECK(same_bits(b.forward(part(others, 5, 3)), after(model, ids, part(others, 5, 3))));
    CHECK(same_bits(a.forward(part(others, 3, 2)), after(model, ids, part(others, 0, 5))));
    // A snapshot outlives its session, and can be restored again.
    Snapshot copy;
    {
      Session gone = new_session(model);
      gone.prefill(part(ids, 0, 20));
      copy = gone.snapshot();
    }
    Session last = new_session(model);
    for (int round = 0; round < 2; ++round) {
      last.restore(copy);
      CHECK(same_bits(last.forward(part(ids, 20, 10)), fresh_logits(model, part(ids, 0, 30))));
    }
  }
}

TEST_CASE("threads share a snapshot and let go of it in any order", "[runtime][engine]") {
  LoadOptions options;
  options.threads = 2;
  const Model model = load_tiny(odd_shape(TensorType::q8_0), options);
  const std::vector<Token> ids = random_ids(model, 30, 7);
  const Logits expected = after(model, ids, part(ids, 0, 2));
  for (int round = 0; round < 10; ++round) {
    Session origin = new_session(model);
    origin.prefill(ids);
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < wrong.size(); ++i)
      threads.emplace_back([&, i, snapshot = origin.snapshot()]() mutable {
        Session session = new_session(model);
        session.restore(snapshot);
        snapshot = Snapshot();
        if (!same_bits(session.forward(part(ids, 0, 2)), expected)) ++wrong[i];
      });
    // The origin goes on writing to the page that it shares with those that still have it.
    if (!same_bits(origin.forward(part(ids, 0, 2)), expected)) ++wrong[0];
    for (std::thread& thread : threads) thread.join();
    for (const int n : wrong) CHECK(n == 0);
  }
}

TEST_CASE("parts of a snapshot, and the state of the last token", "[runtime][engine]") {
  const Model model = load_tiny(odd_shape(TensorType::q4_0), {});
  const std::vector<Token> ids = random_ids(model, 40, 3), some = {3, 70};
  Session session = new_session(model);
  const Logits logits = copy_of(session.forward(ids));
  const Snapshot whole = session.snapshot(), beginning = session.snapshot(12);
  CHECK(beginning.length() == 12);
  Session other = new_session(model);
  other.restore(whole);
  float found[2];
  other.logits_for(some, found);  // the last token's state came along
  CHECK(same_bits(found, Logits{logits[3], logits[70]}));
  other.restore(whole, 25);
  CHECK(other.position() == 25);
  check_error(ErrorCode::invalid_argument, "logits_for", [&] { other.logits_for(some, found); });
  CHECK(same_bits(other.forward(part(ids, 25, 15)), logits));
  other.restore(beginning);
  CHECK(same_bits(other.forward(part(ids, 12, 28)), logits));
  other.restore(beginning, 0);
  CHECK(other.position() == 0);
  CHECK(same_bits(other.forward(ids), logits));
  CHECK(Session(model).snapshot().length() == 0);
}

TEST_CASE("what snapshot and restore refuse", "[runtime][engine]") {
  const Model model = load_tiny(odd_shape(TensorType::q4_0), {});
  TinyModel different = odd_shape(TensorType::q4_0);
  different.seed = 2;
  const Model other_model = load_tiny(different, {});
  const std::vector<Token> ids = random_ids(model, 10);
  Session session = new_session(model);
  session.prefill(ids);
  check_error(ErrorCode::invalid_argument, "snapshot: expected -1 to 10, found 11",
              [&] { session.snapshot(11); });
  check_error(ErrorCode::invalid_argument, "snapshot: expected -1 to 10, found -2",
              [&] { session.snapshot(-2); });
  check_error(ErrorCode::invalid_argument, "restore: the snapshot is empty",
              [&] { session.restore(Snapshot()); });
  CHECK(Snapshot().length() == 0);
  CHECK(Snapshot().tokens().empty());
  CHECK(Snapshot().bytes() == 0);
  CHECK_FALSE(static_cast<bool>(Snapshot()));
  const Snapshot snapshot = session.snapshot();
  check_error(ErrorCode::invalid_argument, "restore: expected -1 to 10, found 11",
              [&] { session.restore(snapshot, 11); });
  Session other(other_model);
  check_error(ErrorCode::invalid_argument, "another model", [&] { other.restore(snapshot); });
  SessionOptions options;
  options.kv_type = KvType::f32;
  Session wide(model, options);
  check_error(ErrorCode::invalid_argument, "KV type", [&] { wide.restore(snapshot); });
  options = {};
  options.context = 9;
  Session small(model, options);
  check_error(ErrorCode::context_full, "10 tokens do not fit into a context of 9",
              [&] { small.restore(snapshot); });
  small.restore(snapshot, 9);
  CHECK(small.position() == 9);
}

TEST_CASE("a session saved and loaded goes on with the same bits", "[runtime][engine]") {
  const TestFolder folder("session");
  for (const ModelCase& model_case : model_cases()) {
    const Model model = load_case(model_case);
    INFO(model_case.name);
    const std::size_t length = model_case.name == "q8_0" ? 270 : 20;  // one case with two pages
    const std::vector<Token> ids = random_ids(model, length, 4), more = random_ids(model, 6, 5),
                             some = {1, 44};
    Session session = new_session(model);
    const Logits logits = copy_of(session.forward(ids));
    session.save(folder / "s.kv");
    Session loaded = new_session(model);
    loaded.prefill(more);
    loaded.load(folder / "s.kv");
    CHECK(loaded.position() == static_cast<int>(length));
    CHECK(std::vector<Token>(loaded.tokens().begin(), loaded.tokens().end()) == ids);
    float found[2];
    loaded.logits_for(some, found);
    CHECK(same_bits(found, Logits{logits[1], logits[44]}));
    CHECK(same_bits(loaded.forward(more), session.forward(more)));
    // The same content gives the same file, whatever lay in the pages before.
    loaded.rewind(static_cast<int>(length));
    session.rewind(static_cast<int>(length));
    loaded.save(folder / "a.kv");
    session.save(folder / "b.kv");
    CHECK(folder.read("a.kv") == folder.read("b.kv"));
  }
  CHECK(folder.files() == std::vector<std::string>{"a.kv", "b.kv", "s.kv"});
  const Model model = load_tiny(odd_shape(TensorType::q8_0), {});
  Session empty = new_session(model);
  empty.save(folder / "empty.kv");
  Session loaded = new_session(model);
  loaded.prefill(random_ids(model, 3));
  loaded.load(folder / "empty.kv");
  CHECK(loaded.position() == 0);
}

TEST_CASE("damaged and foreign session files are refused and change nothing", "[runtime][engine]") {
  const TestFolder folder("damage");
  TinyModel tiny = odd_shape(TensorType::q4_0);
  tiny.layers = 1;
  const Model model = load_tiny(tiny, {});
  const std::vector<Token> ids = random_ids(model, 5, 6);
  Session session = new_session(model);
  session.forward(ids);
  session.save(folder / "good.kv");
  const std::string good = folder.read("good.kv");
  Session target = new_session(model);
  target.prefill(std::span<const Token>(ids).first(2));
  const auto refuse = [&](const std::string& bytes) {
    folder.write("bad.kv", bytes);
    try {
      target.load(folder / "bad.kv");
      return false;
    } catch (const Error& error) {
      return error.code() == ErrorCode::bad_format && target.position() == 2;
    }
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    INFO("byte " << i << " of " << good.size());
    REQUIRE(refuse(bytes));
  }
  for (std::size_t size = 0; size < good.size(); size += size < 64 || size + 16 > good.size() ? 1 : 13) {
    INFO("cut to " << size << " bytes of " << good.size());
    REQUIRE(refuse(good.substr(0, size)));
  }
  CHECK(refuse(good + "x"));
  // Sizes that would overflow, in a file whose hash is right.
  for (const std::size_t field : {16, 20, 24, 28, 32, 36})
    for (const std::uint32_t value : {0u, 1u, 7u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
      std::string bytes = good;
      std::uint32_t before;
      std::memcpy(&before, bytes.data() + field, sizeof before);
      if (before == value) continue;
      std::memcpy(bytes.data() + field, &value, sizeof value);
      const std::uint64_t hash = fnv1a(bytes.data(), bytes.size() - 8);
      std::memcpy(bytes.data() + bytes.size() - 8, &hash, sizeof hash);
      INFO("field at " << field << " set to " << value);
      REQUIRE(refuse(bytes));
    }
  {  // A token id out of range, in a file whose hash is right.
    std::string bytes = good;
    const std::int32_t bad = -7;
    std::memcpy(bytes.data() + 44, &bad, sizeof bad);
    const std::uint64_t hash = fnv1a(bytes.data(), bytes.size() - 8);
    std::memcpy(bytes.data() + bytes.size() - 8, &hash, sizeof hash);
    folder.write("bad.kv", bytes);
    check_error(ErrorCode::bad_format, "token id -7 is out of range",
                [&] { target.load(folder / "bad.kv"); });
  }
  TinyModel different = tiny;
  different.seed = 2;
  Session other(load_tiny(different, {}));
  check_error(ErrorCode::bad_format, "saved with another model", [&] { other.load(folder / "good.kv"); });
  SessionOptions options;
  options.kv_type = KvType::f32;
  Session wide(model, options);
  check_error(ErrorCode::bad_format, "another KV cache type", [&] { wide.load(folder / "good.kv"); });
  options = {};
  options.context = 4;
  Session small(model, options);
  check_error(ErrorCode::context_full, "5 tokens do not fit into a context of 4",
              [&] { small.load(folder / "good.kv"); });
  check_error(ErrorCode::not_found, "missing.kv", [&] { target.load(folder / "missing.kv"); });
  check_error(ErrorCode::io, "it is a directory", [&] { target.load(folder.path()); });
  check_error(ErrorCode::io, "no-such-folder", [&] { session.save(folder / "no-such-folder/s.kv"); });
  CHECK(target.position() == 2);
  CHECK(same_bits(target.forward(std::span<const Token>(ids).subspan(2)), fresh_logits(model, ids)));
}
