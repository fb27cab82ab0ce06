// Instruction sets.
#include <catch2/catch.hpp>

#include "base/cpu.h"
#include "support/model_cases.h"

using namespace qwen;
using test::check_error;
using test::WithIsa;

TEST_CASE("names of instruction sets", "[base]") {
  for (const Isa isa : kAllIsas) {
    CHECK(parse_isa(to_string(isa)) == isa);
    const WithIsa forced(to_string(isa));
    CHECK(requested_isa() == isa);
  }
  CHECK(isa_supported(Isa::scalar));
  // Each level includes those below it (AVX-512 machines without AVX-VNNI exist).
  if (isa_supported(Isa::avx512) || isa_supported(Isa::avxvnni)) CHECK(isa_supported(Isa::avx2));
  for (const char* name : {"AVX2", "avx", "avx2 ", "", "sse"})
    check_error(ErrorCode::invalid_argument, "expected scalar, avx2, avxvnni, avx512, neon, dotprod or i8mm",
                [&] { parse_isa(name); });
  const WithIsa empty("");
  CHECK(requested_isa() == std::nullopt);
}
