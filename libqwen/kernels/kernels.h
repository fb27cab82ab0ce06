// One table of function pointers for each ISA level. All functions are noexcept and re-entrant; pointers need
// only the alignment of their element type, but Input::q that of a dword. Every output has one f32
// accumulator, filled in the order of the input, so that results do not depend on tiles, threads or batches;
// docs/kernels.md says what is bit-equal across levels.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/cpu.h"
#include "kernels/matrix.h"

namespace qwen::kernels {

// Where the keys and values of one KV head live: pages of kPageTokens tokens.
//   keys   [kPageTokens/16][head_dim][16]: 16 tokens side by side, so that a lane is a key
//   values [kPageTokens][head_dim]
// Elements are f16 or f32.
inline constexpr int kPageTokens = 256;

struct KvPages {
  const std::byte* const* pages = nullptr;  // the sequence's pages
  std::size_t key_offset = 0;               // bytes from a page's start to this head's keys
  std::size_t value_offset = 0;
  bool f16 = true;
};

// Attention of `queries` query rows over the first lengths[i] tokens of one KV head.
struct AttentionArgs {
  KvPages kv;
  int head_dim = 0;
  int queries = 0;                  // at most kMaxQueries
  const float* const* q = nullptr;  // [queries] -> [head_dim], already scaled by 1 / sqrt(head_dim)
  float* const* out = nullptr;      // [queries] -> [head_dim]
  const int* lengths = nullptr;     // [queries], ascending, each at least 1
  float* scores = nullptr;          // scratch [queries][round_up(lengths[queries - 1], 16)]
};
inline constexpr int kMaxQueries = 32;

struct Kernels {
  Isa isa;

  // out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]
  void (*rms_norm)(const float* x, const float* weight, float eps, int n, float* out) noexcept;
  void (*add)(float* x, const float* y, int n) noexcept;  // x += y
  // gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i]
  void (*silu_mul)(float* gate, const float* up, int n) noexcept;
  // NeoX RoPE in place: pairs (x[i], x[i + dim/2]); angles [dim/2] cosines, then [dim/2] sines.
  void (*rope)(float* x, const float* angles, int dim) noexcept;
  void (*attention)(const AttentionArgs& task) noexcept;

  // Quantises 32 values into block `block` of token `token`: scale = max|x| / 127, q = round to even.
  void (*quantize_block)(const float* x, int token, int block, const Activations& out) noexcept;

  // out[token * out_stride + row - row_begin] for rows [row_begin, row_end) of the matrix and all tokens of
  // the input. Panels: row_begin is a multiple of 16; up to 15 values after row_end may be written too.
  // `scratch` has matmul_scratch_bytes(matrix).
  void (*matmul)(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                 std::size_t out_stride, std::byte* scratch) noexcept;

  // For a matrix of type kQ8TwoPlane and one token: estimates of the products of rows [row_begin, row_end) from
  // the upper halves of the codes alone, the lower halves taken as 7.5, and margin[row] = square root of the
  // sum over blocks of scale^2 * energy[block]: what the estimate may be off by. row_begin is a multiple of
  // 16; up to 15 values after row_end may be written too.
  void (*estimate)(const Matrix& matrix, const Activations& input, const float* energy, int row_begin,
                   int row_end, float* out, float* margin) noexcept;
};

// The table of a level; Error(unsupported) where this CPU cannot run it.
const Kernels& kernels_for(Isa isa);
// The table that LIBQWEN_ISA asks for (an error where it cannot run), else the best one for this CPU.
const Kernels& choose_kernels();

std::size_t matmul_scratch_bytes(const Matrix& matrix) noexcept;

// For a matrix in rows layout: Kernels::matmul with Activations::rows, the same on every ISA level.
void reference_matmul(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                      std::size_t out_stride, std::byte* scratch) noexcept;

// Defined by the ISA files; null if the build leaves a level out.
extern const Kernels* const kScalarKernels;
extern const Kernels* const kAvx2Kernels;
extern const Kernels* const kAvxVnniKernels;
extern const Kernels* const kAvx512Kernels;

}  // namespace qwen::kernels
