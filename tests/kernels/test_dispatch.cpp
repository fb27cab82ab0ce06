// The list of tables, and choosing one.
#include <catch2/catch.hpp>

#include "kernels/kernel_data.h"
#include "qwen/error.h"
#include "support/with_isa.h"

using namespace qwen;
using namespace qwen::kernels;
using qwen::test::WithIsa;

// Runs first in the runs with a forced level: what it says there is that the force works.
TEST_CASE("LIBQWEN_ISA decides which table runs", "[kernels][forced-isa]") {
  if (const auto forced = requested_isa()) CHECK(choose_kernels().isa == *forced);
  for (const Kernels* table : available_kernels()) {
    const WithIsa isa(to_string(table->isa));
    CHECK(&choose_kernels() == table);
    CHECK(&kernels_for(table->isa) == table);
  }
  {
    const WithIsa none(nullptr);
    CHECK(&choose_kernels() == available_kernels().back());
  }
  {
    const WithIsa empty("");
    CHECK(&choose_kernels() == available_kernels().back());
  }
}

TEST_CASE("a level that cannot run is a clear error", "[kernels]") {
  {
    const WithIsa unknown("sse9\n");
    try {
      choose_kernels();
      FAIL("an unknown level was taken");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::invalid_argument);
      CHECK(std::string(error.what()) ==
            "unknown instruction set \"sse9\\x0a\": expected scalar, avx2, avxvnni, avx512, neon, "
            "dotprod or i8mm");
    }
  }
  const auto available = available_kernels();
  for (const Isa isa : kAllIsas) {
    if (std::any_of(available.begin(), available.end(), [&](const Kernels* t) { return t->isa == isa; }))
      continue;
    const WithIsa forced(to_string(isa));
    try {
      choose_kernels();
      FAIL("a level that cannot run was taken");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::unsupported);
      CHECK(std::string(error.what()).find(to_string(isa)) != std::string::npos);
    }
  }
}

TEST_CASE("each level is complete and has its own name", "[kernels]") {
  REQUIRE(available_kernels().front()->isa == Isa::scalar);
  for (const Kernels* k : available_kernels()) {
    CHECK(&kernels_for(k->isa) == k);
    CHECK((k->rms_norm != nullptr && k->add != nullptr && k->silu_mul != nullptr && k->rope != nullptr));
    CHECK((k->attention != nullptr && k->quantize_block != nullptr && k->float_matmul != nullptr));
    CHECK((k->block_matmul != nullptr && k->super_block_matmul != nullptr));
    CHECK((k->approx_logits != nullptr && k->complete_logits != nullptr));
  }
}
