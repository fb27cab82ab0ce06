#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>

#include "base/cpu.h"
#include "qwen/error.h"

// Catch2's own, but for LIBQWEN_ISA: a level that this CPU lacks is reported as "skipped" (77), not as failures.
int main(int argc, char** argv) {
  try {
    const auto isa = qwen::requested_isa();
    if (isa && !qwen::isa_supported(*isa)) {
      std::printf("skipped: this CPU cannot run %s\n", qwen::to_string(*isa));
      return 77;
    }
  } catch (const qwen::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return Catch::Session().run(argc, argv);
}
