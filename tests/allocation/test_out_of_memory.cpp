// Memory ends, and threads are refused, at every place where they can be: each call ends in an error that
// says so, and what was there before goes on to work.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "allocation/failing_memory.h"
#include "qwen/qwen.h"

using namespace qwen;

namespace {

int g_failures = 0;

void complain(const std::string& what, long n, const std::string& found) {
  std::printf("%s, call %ld for memory: %s\n", what.c_str(), n, found.c_str());
  ++g_failures;
}

// Runs `work` with its n-th call for memory refused, for n = 1, 2, ... until it gets by with fewer, in larger
// steps as n grows. `still_works` says after each whether all is well.
void try_all(const std::string& what, const std::function<void()>& work,
             const std::function<bool()>& still_works = {}) {
  work();  // what is made once and kept is not part of it
  int errors = 0, survived = 0;
  const int failures_before = g_failures;
  for (const long more : {0L, 1L << 20}) {  // one call, and all from there on
    for (long n = 1; g_failures < failures_before + 5; n += 1 + n / 50) {
      bool failed = false;
      std::string found;
      test::fail_allocation(n, more);
      try {
        work();
      } catch (const Error& error) {
        failed = true;
        test::fail_allocation(0);
        if (error.code() != ErrorCode::out_of_memory)
          found = std::string(to_string(error.code())) + ": " + error.what();
      } catch (const std::bad_alloc&) {
        failed = true;
        test::fail_allocation(0);
      } catch (const std::exception& error) {
        failed = true;
        test::fail_allocation(0);
        found = error.what();
      }
      const bool reached = test::allocation_failed();
      test::fail_allocation(0);
      if (!found.empty()) complain(what, n, "expected out_of_memory, found " + found);
      if (still_works && !still_works()) complain(what, n, "it does not work any more");
      if (!reached) break;
      ++(failed ? errors : survived);
    }
  }
  std::printf("%-40s %d errors, %d times it did without\n", what.c_str(), errors, survived);
  if (errors == 0) complain(what, 0, "no call was refused");
}

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("qwen-memory-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return (path_ / name).string(); }
  // Names that hold `part`.
  int count(const std::string& part) const {
    int n = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      n += entry.path().filename().string().find(part) != std::string::npos;
    return n;
  }

 private:
  std::filesystem::path path_;
};

std::vector<float> logits_for(Session& session, std::span<const Token> tokens) {
  const std::span<const float> logits = session.forward(tokens);
  return {logits.begin(), logits.end()};
}

void check_session(const Model& model, const Folder& folder) {
  const std::vector<Token> ids =
      model.tokenizer().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZ 你好 and the rest of it");
  SessionOptions options;
  options.context = 512;
  Session fresh(model, options);
  const std::vector<float> expected = logits_for(fresh, ids);
  std::optional<Session> session;
  try_all(
      "a session's first pass",
      [&] {
        session.reset();
        session.emplace(model, options);
        session->forward(ids);
      },
      [&] {  // the same session, after the error
        if (!session) return true;
        session->rewind(0);
        return logits_for(*session, ids) == expected;
      });
  try_all(
      "the largest logits",
      [&] {
        session.reset();
        session.emplace(model, options);
        session->forward_top_k(ids, 20, {ids.data(), 3});
      },
      [&] {
        if (!session) return true;
        session->rewind(0);
        const std::span<const float> top = session->forward_top_k(ids, 20);
        int known = 0;
        for (std::size_t i = 0; i < top.size(); ++i) known += top[i] == expected[i];
        return known >= 20;
      });
  std::optional<Session> other;
  try_all(
      "a batch of two",
      [&] {
        session.reset(), other.reset();
        session.emplace(model, options), other.emplace(model, options);
        Session::BatchItem items[] = {{&*session, ids, true, {}}, {&*other, ids, true, {}}};
        Session::forward_batch(items);
      },
      [&] {
        if (!session || !other) return true;
        session->rewind(0), other->rewind(0);
        Session::BatchItem items[] = {{&*session, ids, true, {}}, {&*other, ids, true, {}}};
        Session::forward_batch(items);
        return std::memcmp(items[1].logits.data(), expected.data(), expected.size() * sizeof(float)) == 0;
      });
  const std::string path = folder / "session";
  fresh.save(path);
  try_all(
      "saving a session", [&] { fresh.save(path); }, [&] { return folder.count("session") == 1; });
  session.emplace(model, options);
  try_all(
      "reading a session", [&] { session->load(path); },
      [&] {
        session->rewind(0);
        return logits_for(*session, ids) == expected;
      });
}

void check_answers(const Model& model) {
  SessionOptions options;
  options.context = 512;
  Session session(model, options);
  const std::vector<Message> messages = {{"user", "你好"}};
  const std::vector<Token> prompt = model.chat_template().render(messages);
  GenerateOptions generating;
  generating.max_new_tokens = 20;
  generating.sampling = SamplingOptions{.temperature = 0};
  const std::string answer = generate(session, prompt, generating).text;
  try_all(
      "an answer", [&] { session.rewind(0), generate(session, prompt, generating); },
      [&] { return session.rewind(0), generate(session, prompt, generating).text == answer; });
  const TaskRegistry registry;
  std::optional<Classifier> classifier;
  const auto probabilities = [&] { return classifier->classify("ABC").probabilities; };
  classifier.emplace(model, registry.get("sentiment"));
  const std::vector<double> expected = probabilities();
  try_all(
      "a classifier",
      [&] {
        classifier.reset();
        classifier.emplace(model, registry.get("sentiment"));
        probabilities();
      },
      [&] { return !classifier || probabilities() == expected; });
}

}  // namespace

int main() {
  const Folder folder;
  const std::string tiny = QWEN_TEST_DATA "/tiny.gguf";
  LoadOptions load;
  load.threads = 3;
  try_all("loading a model", [&] { Model::load(tiny, load); });
  load.reference = true;
  try_all("loading it for the exact path", [&] { Model::load(tiny, load); });
  load.reference = false;
  const Model model = Model::load(tiny, load);
  check_session(model, folder);
  check_answers(model);
  try_all("tokens of a text", [&] { model.tokenizer().encode("e\xCC\x81 the 你好 \n\n 12345 x"); });
  try_all("built-in tasks", [] { TaskRegistry registry; });
  const std::string out = folder / "quantized.gguf";
  QuantizeOptions quantize;
  quantize.type = "Q4_0";
  quantize.threads = 2;
  quantize.overwrite = true;
  try_all(
      "quantizing a file", [&] { quantize_file(tiny, out, quantize); },
      [&] { return folder.count("quantized.gguf") == 1; });
  return g_failures == 0 ? 0 : 1;
}
