// The weights of a model: each tensor bound once, with its name, type and shape checked.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "formats/model_file.h"
#include "kernels/matrix.h"
#include "model/rope.h"
#include "qwen/model.h"

namespace qwen::model {

struct LayerWeights {
  const float* attn_norm = nullptr;  // [hidden]
  kernels::Matrix q;                 // [heads * head_dim, hidden]
  kernels::Matrix k, v;              // [kv_heads * head_dim, hidden]
  const float* q_bias = nullptr;     // [heads * head_dim], null where the model has none
  const float* k_bias = nullptr;     // [kv_heads * head_dim]
  const float* v_bias = nullptr;
  const float* q_norm = nullptr;  // [head_dim], null where the model has none (Qwen3 has)
  const float* k_norm = nullptr;
  kernels::Matrix o;                // [hidden, heads * head_dim]
  const float* ffn_norm = nullptr;  // [hidden]
  kernels::Matrix gate, up;         // [ffn, hidden]
  kernels::Matrix down;             // [hidden, ffn]
};

// Immutable after bind_weights; shared by all sessions.
struct Weights {
  ModelShape shape;
  RopeTable rope;
  kernels::Matrix embedding;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  const float* output_norm = nullptr;  // [hidden]
  kernels::Matrix lm_head;             // [vocab, hidden]; the embedding itself where they are tied

  bool float32_source = false;  // the file's key projections are F32
  std::uint64_t bytes =
      0;  // held in memory for all of the above; the mapped file's own pages are not counted

  // Where the pointers above point to. `file` is kept only where matrices are read in place from it.
  std::vector<AlignedBuffer> buffers;
  std::shared_ptr<const formats::ModelFile> file;
  // Called before each pass. Error(io) where the file that is read in place was changed or truncated since.
  void check_file() const {
    if (file) file->check_unchanged();
  }
};

struct BindOptions {
  bool reference = false;  // keep the file's rows instead of packing panels
  // Find and check everything and count its bytes, but take no memory and leave all pointers null. Of F32
  // weights only the first ones are looked at to tell whether they are bfloat16.
  bool plan_only = false;
  // The type in which a matrix is kept in memory; empty keeps the file's.
  std::function<TensorType(const formats::Tensor&)> type_of;
  // Weights packed so far, 0 to 1; returning false stops with Error(cancelled).
  std::function<bool(double fraction)> on_progress;
};

// Finds, checks and packs every tensor of the shape. All errors but that of a NaN are found before packing starts.
// Throws not_found if a tensor is missing.
// Throws bad_format if a tensor has the wrong shape or type.
// Throws unsupported if the file has a tensor that the model does not use (formats/harmless_tensors.h).
std::shared_ptr<const Weights> bind_weights(std::shared_ptr<const formats::ModelFile> file,
                                            const ModelShape& shape, ThreadPool& pool,
                                            const BindOptions& options);

}  // namespace qwen::model
