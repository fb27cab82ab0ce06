// What the float and the quantized kernels share. Included inside an anonymous namespace; no include guard.

#define UNROLL _Pragma("GCC unroll 16")
#define FOR_1_TO_8(action) action(1) action(2) action(3) action(4) action(5) action(6) action(7) action(8)

// Prefetch distance of streamed weights: about what a core reads during the 100 to 200 ns of a memory access.
// The hardware prefetcher alone leaves memory idle while the products are computed.
constexpr int kPrefetchBytes = 6144;

template <int kBytes>
inline void prefetch_ahead(const void* at) noexcept {
  // As an integer: the address may be behind the end of the matrix.
  const auto p = reinterpret_cast<std::uintptr_t>(at) + kPrefetchBytes;
  UNROLL for (int i = 0; i < kBytes; i += 64)
      __builtin_prefetch(reinterpret_cast<const void*>(p + static_cast<std::uintptr_t>(i)), 0, 3);
}
