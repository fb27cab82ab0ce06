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
  const float* q_bias = nullptr;     // [heads * head_dim]; biases are null if the model has none
  const float* k_bias = nullptr;     // [kv_heads * head_dim]
  const float* v_bias = nullptr;
  const float* q_norm = nullptr;  // [head_dim]; null unless the model is a Qwen3
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
  kernels::Matrix lm_head;             // [vocab, hidden]; the embedding itself if they are tied

  bool float32_source = false;  // the file's key projections are F32
  std::uint64_t bytes = 0;      // of all the above, without the pages of the mapped file

  // The memory that the pointers above point to. `file` is null unless matrices are read from it in place.
  std::vector<AlignedBuffer> buffers;
  std::shared_ptr<const formats::ModelFile> file;
  // To be called before each pass. Throws io if a file that is read in place has been changed or truncated.
  void check_file() const {
    if (file) file->check_unchanged();
  }
};

struct BindOptions {
  bool reference = false;  // keep the file's rows instead of packing panels
  // Find and check all tensors and count their bytes, but allocate nothing and leave all pointers null. Whether F32
  // weights are bfloat16 is then judged by the first of them.
  bool plan_only = false;
  // The type of a matrix in memory; empty keeps the file's.
  std::function<TensorType(const formats::Tensor&)> type_of;
  // Called with the fraction of weights packed; returning false makes bind_weights throw cancelled.
  std::function<bool(double fraction)> on_progress;
};

// Finds, checks and packs every tensor of the model. All errors but that of a NaN are found before packing starts.
// Throws not_found if a tensor is missing.
// Throws bad_format if a tensor has the wrong shape or type, or a value that is not finite where it must be.
// Throws unsupported if the file has a tensor that the model does not use (formats/harmless_tensors.h).
// Throws io if the file changed, cancelled if on_progress returned false.
std::shared_ptr<const Weights> bind_weights(std::shared_ptr<const formats::ModelFile> file,
                                            const ModelShape& shape, ThreadPool& pool,
                                            const BindOptions& options);

}  // namespace qwen::model
