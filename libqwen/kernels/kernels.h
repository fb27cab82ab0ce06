// The kernels of each ISA level, as function pointers. All are noexcept and re-entrant. Pointers need only the
// alignment of their element type, except Activations::q (that of a dword) and the scratch memory of matmul. Every
// output has one f32 accumulator, filled in the order of the input, so results do not depend on tiles, threads or
// batches; docs/kernels.md says what is bit-equal across levels.
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

using QuantizedMatmul = void (*)(const Matrix& matrix, const Activations& input, int row_begin, int row_end,
                                 float* out, std::size_t out_stride, std::byte* scratch) noexcept;

struct FloatKernels {
  // out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]
  void (*rms_norm)(const float* x, const float* weight, float eps, int n, float* out) noexcept;
  void (*add)(float* x, const float* y, int n) noexcept;  // x += y
  // gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i]
  void (*silu_mul)(float* gate, const float* up, int n) noexcept;
  // NeoX RoPE in place: pairs (x[i], x[i + dim/2]); angles [dim/2] cosines, then [dim/2] sines.
  void (*rope)(float* x, const float* angles, int dim) noexcept;
  void (*attention)(const AttentionArgs& args) noexcept;
  // Quantizes 32 values into block `block` of token `token`: scale = max|x| / 127, q = round to even.
  void (*quantize_block)(const float* x, int token, int block, const Activations& out) noexcept;
  // matmul for f32, f16 and bf16 weights in panels.
  void (*float_matmul)(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                       std::size_t out_stride) noexcept;
};

struct BlockKernels {
  QuantizedMatmul block_matmul;  // matmul for types with blocks of 32 weights
  // For a kQ8TwoPlane matrix and one token: logits of the 16 rows from `row` (a multiple of 16) on, computed
  // from the high nibbles, with 7.5 for each low nibble. |out[i] - exact logit| is at most
  // matrix.low_norm[row + i] * activation_norm(input) (pack.h). high_sums [cols / 32][16] is for complete_logits.
  void (*approx_logits)(const Matrix& matrix, const Activations& input, int row, float* out,
                        std::int32_t* high_sums) noexcept;
  // The exact logits, bit-equal to matmul's, of those rows of the panel whose bit is set in `lanes`; out [16] is
  // unspecified for the others. `sums` is what approx_logits left, and is overwritten.
  void (*complete_logits)(const Matrix& matrix, const Activations& input, int row, unsigned lanes,
                          std::int32_t* sums, float* out) noexcept;
};

// All kernels of one ISA level.
struct Kernels : FloatKernels, BlockKernels {
  QuantizedMatmul super_block_matmul;  // matmul for types with super-blocks of 256 weights
  Isa isa;

  // out[token * out_stride + row - row_begin] for rows [row_begin, row_end) of the matrix and all tokens of the
  // input. Panels: row_begin is a multiple of 16; up to 15 values after row_end may be written too. `scratch` is
  // aligned to 64 bytes and has matmul_scratch_bytes(matrix).
  void matmul(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
              std::size_t out_stride, std::byte* scratch) const noexcept;
};

// The kernels of a level. Throws unsupported if this CPU or this build cannot run it.
const Kernels& kernels_for(Isa isa);
// The kernels of the level that LIBQWEN_ISA names, else of the best level that this CPU can run. Throws
// unsupported if LIBQWEN_ISA names one that it cannot run.
const Kernels& choose_kernels();

std::size_t matmul_scratch_bytes(const Matrix& matrix) noexcept;

// For a matrix in rows layout: Kernels::matmul with Activations::rows, the same on every ISA level.
void reference_matmul(const Matrix& matrix, const Activations& input, int row_begin, int row_end, float* out,
                      std::size_t out_stride, std::byte* scratch) noexcept;

// Defined by the ISA files of the target architecture.
extern const FloatKernels* const kScalarFloat;
extern const FloatKernels* const kAvx2Float;
extern const FloatKernels* const kAvx512Float;
extern const FloatKernels* const kNeonFloat;
extern const BlockKernels* const kScalarBlocks;
extern const QuantizedMatmul kScalarSuperBlocks;
extern const BlockKernels* const kAvx2Blocks;
extern const QuantizedMatmul kAvx2SuperBlocks;
extern const BlockKernels* const kAvxVnniBlocks;
extern const QuantizedMatmul kAvxVnniSuperBlocks;
extern const BlockKernels* const kAvx512Blocks;
extern const QuantizedMatmul kAvx512SuperBlocks;
extern const BlockKernels* const kNeonBlocks;
extern const QuantizedMatmul kNeonSuperBlocks;
extern const BlockKernels* const kDotProdBlocks;
extern const QuantizedMatmul kDotProdSuperBlocks;
extern const BlockKernels* const kI8mmBlocks;
extern const QuantizedMatmul kI8mmSuperBlocks;

}  // namespace qwen::kernels
