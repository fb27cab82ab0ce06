// Sessions on disk. Format (little-endian), version 1:
//   8 bytes "QWENKV01"; u64 model fingerprint; u32 layers, kv_heads, head_dim, f16 (0 or 1); u32 tokens; u32
//   hidden (the model's width if the last token's state follows, else 0); then tokens (i32 each), the
//   hidden state (f32), for each layer, head and token the key's and then the value's elements, and last a
//   u64 FNV-1a hash of all before.
#pragma once
#include <string>

namespace qwen::runtime {

struct Sequence;

// Writes through a temporary name in the same folder; the final name appears only when all is on disk.
void save_sequence(const Sequence& sequence, const std::string& path);
// If it fails, the sequence is unchanged.
// Throws Error(bad_format) for another model, version or damaged content.
// Throws Error(context_full) if it does not fit.
void load_sequence(Sequence& sequence, const std::string& path);

}  // namespace qwen::runtime
