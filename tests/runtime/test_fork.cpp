// A forked process has none of the library's threads: errors instead of hangs.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>

#include "runtime/engine_model.h"

using namespace qwen;
using namespace qwen::test;

namespace {

bool refuses(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == ErrorCode::unsupported;
  }
  return false;
}

// What the child finds: 0, or the number of the first check that failed.
int in_child(const std::function<int()>& check) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // a hang is a failure
    ::_exit(check());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a forked process gets errors at once and can end", "[runtime]") {
  auto model = std::make_unique<Model>(random_model(3));
  auto session = std::make_unique<Session>(*model);
  auto engine = std::make_unique<Engine>(*model);
  const std::vector<Token> prompt = some_prompt(9, 1);
  session->prefill(prompt);
  EngineJob job = engine->submit(request_of(prompt, greedy_options(1 << 30)));
  EngineJob copy = job;
  CHECK(in_child([&] {
          if (!refuses([&] { session->forward(prompt); })) return 1;
          if (!refuses([&] { generate(*session, prompt); })) return 2;
          if (!refuses([&] { engine->submit(request_of(prompt, greedy_options(1))); })) return 3;
          if (!refuses([&] { job.result(); })) return 4;
          if (!refuses([&] { job.next(); })) return 5;
          if (!refuses([&] { engine->drain(); })) return 6;
          if (!refuses([&] { engine->pin(prompt); })) return 7;
          if (!refuses([&] {
                Engine(*model, {.background = false}).submit(request_of(prompt, greedy_options(1))).result();
              }))
            return 8;
          job = copy = {};
          engine.reset();
          session.reset();
          model.reset();
#if defined(__SANITIZE_THREAD__)
          return 0;  // the thread sanitizer ends a forked process that starts threads
#endif
          // A model of the child's own works.
          const Model own = random_model(2);
          Session fresh(own);
          return fresh.forward(prompt).empty() ? 9 : 0;
        }) == 0);
  job.cancel();
  CHECK(job.result().generation.finish != FinishReason::length);
}
