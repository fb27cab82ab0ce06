// The loops behind probe.h. Includes only these two headers: ISA files must not define shared inline functions.
#pragma once
#include <cstddef>
#include <cstdint>

namespace qwen::bench {

// Register-only loops and a streaming read, in the instructions of one ISA level. One table for each ISA
// file.
struct ProbeLoops {
  // Reads `bytes` (a multiple of 1024) once, with the level's widest loads.
  std::uint64_t (*read)(const std::byte* data, std::size_t bytes) noexcept;
  // Multiply-adds done by `rounds` rounds: int8 x uint8 into integer sums, and float.
  double (*int8_macs)(std::uint64_t rounds) noexcept;
  double (*float_macs)(std::uint64_t rounds) noexcept;
};
extern const ProbeLoops kProbeScalar, kProbeAvx2, kProbeAvxVnni, kProbeAvx512;

}  // namespace qwen::bench
