// The shape of the transformer, read from a model file's metadata.
#pragma once
#include <string>

#include "formats/model_file.h"
#include "qwen/model.h"

namespace qwen::model {

// Architectures: "qwen2" (Qwen1.5, Qwen2, Qwen2.5) and "qwen3". Error(unsupported) names any other one;
// Error(bad_format) for missing, inconsistent or absurd values (limits are in config.cpp).
ModelShape read_shape(const formats::ModelFile& file);

// Query features [heads * head_dim] and key or value features [kv_heads * head_dim] of one token.
inline int query_dim(const ModelShape& shape) {
  return shape.heads * shape.head_dim;
}
inline int kv_dim(const ModelShape& shape) {
  return shape.kv_heads * shape.head_dim;
}
// Query heads that share one key/value head (GQA).
inline int group_size(const ModelShape& shape) {
  return shape.heads / shape.kv_heads;
}

}  // namespace qwen::model
