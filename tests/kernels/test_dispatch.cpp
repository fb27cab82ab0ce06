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
            "unknown instruction set \"sse9\\x0a\": expected scalar, avx2, avxvnni or avx512");
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

TEST_CASE("each table is complete and knows its level", "[kernels]") {
  REQUIRE(kScalarKernels != nullptr);
  const Kernels* const all[] = {kScalarKernels, kAvx2Kernels, kAvxVnniKernels, kAvx512Kernels};
  for (std::size_t i = 0; i < std::size(all); ++i) {
    if (all[i] == nullptr) continue;
    const Kernels& t = *all[i];
    CHECK(t.isa == kAllIsas[i]);
    CHECK((t.rms_norm != nullptr && t.add != nullptr && t.silu_mul != nullptr && t.rope != nullptr));
    CHECK((t.attention != nullptr && t.quantize_block != nullptr && t.matmul != nullptr));
  }
}
