#define CATCH_CONFIG_RUNNER
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "base/cpu.h"
#include "qwen/error.h"

// Catch2's own, but for LIBQWEN_ISA: a level that this CPU lacks is reported as "skipped" (77), not as failures. With
// QWEN_SKIP_OWN_LEVEL set so is the level that runs without LIBQWEN_ISA: the tests of the folders cover it.
int main(int argc, char** argv) {
  try {
    const auto isa = qwen::requested_isa();
    if (isa && !qwen::isa_supported(*isa)) {
      std::printf("skipped: this CPU cannot run %s\n", qwen::to_string(*isa));
      return 77;
    }
    const auto* own =
        std::find_if(std::rbegin(qwen::kAllIsas), std::rend(qwen::kAllIsas), qwen::isa_supported).base() - 1;
    if (isa == *own && std::getenv("QWEN_SKIP_OWN_LEVEL") != nullptr) {
      std::printf("skipped: %s runs in the other tests\n", qwen::to_string(*isa));
      return 77;
    }
  } catch (const qwen::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return Catch::Session().run(argc, argv);
}
