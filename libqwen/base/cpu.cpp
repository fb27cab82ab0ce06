#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <cstdlib>
#include <string>

#include "base/fail.h"

namespace qwen {

const char* to_string(Isa isa) noexcept {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avxvnni: return "avxvnni";
    case Isa::avx512: return "avx512";
    case Isa::neon: return "neon";
    case Isa::dotprod: return "dotprod";
    case Isa::i8mm: return "i8mm";
  }
  return "scalar";
}

Isa parse_isa(std::string_view name) {
  for (const Isa isa : kAllIsas)
    if (name == to_string(isa)) return isa;
  fail(ErrorCode::invalid_argument, "unknown instruction set ", quoted(name),
       ": expected scalar, avx2, avxvnni, avx512, neon, dotprod or i8mm");
}

#if defined(__x86_64__)
namespace {

// Clang 14 has no names for these two. They use the registers of AVX2, whose probe includes the operating system's
// support.
bool has_f16c() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & (1u << 29)) != 0;
}
bool has_avxvnni() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 4)) != 0;
}

}  // namespace
#elif defined(__aarch64__)
namespace {

#if defined(__APPLE__)
bool has_feature(const char* name) noexcept {
  int value = 0;
  std::size_t size = sizeof value;
  return ::sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
bool has_dotprod() noexcept {
  return has_feature("hw.optional.arm.FEAT_DotProd");
}
bool has_i8mm() noexcept {
  return has_feature("hw.optional.arm.FEAT_I8MM");
}
#else
// Linux and Android; the bits are part of the kernel's ABI (asm/hwcap.h), which old C libraries do not name.
bool has_dotprod() noexcept {
  return (::getauxval(AT_HWCAP) >> 20 & 1) != 0;
}
bool has_i8mm() noexcept {
  return (::getauxval(AT_HWCAP2) >> 13 & 1) != 0;
}
#endif

}  // namespace
#endif

bool isa_supported(Isa isa) noexcept {
#if defined(__x86_64__)
  // The compiler's probe reads XCR0 too: it does not report registers that the operating system does not save.
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  switch (isa) {
    case Isa::scalar: return true;
    case Isa::avx2: return avx2;
    case Isa::avxvnni: return avx2 && has_avxvnni();
    case Isa::avx512:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
    default: return false;
  }
#elif defined(__aarch64__)
  switch (isa) {
    case Isa::scalar:
    case Isa::neon: return true;
    case Isa::dotprod: return has_dotprod();
    case Isa::i8mm: return has_dotprod() && has_i8mm();
    default: return false;
  }
#else
  return isa == Isa::scalar;
#endif
}

std::optional<Isa> requested_isa() {
  const char* wanted = std::getenv("LIBQWEN_ISA");
  if (wanted == nullptr || *wanted == '\0') return std::nullopt;
  return parse_isa(wanted);
}

}  // namespace qwen
