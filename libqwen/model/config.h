// The shape of the transformer, read from a model file's metadata.
#pragma once
#include <string>
#include <vector>

#include "formats/model_file.h"
#include "qwen/model.h"

namespace qwen::model {

// Architectures: "qwen2" (Qwen1.5, Qwen2, Qwen2.5) and "qwen3". `rope` overrides the file's values. Appends to
// `warnings`, if it is not null, what a user should know: assumed defaults and unknown keys.
// Throws not_found if a key is missing.
// Throws bad_format if a value is out of range or inconsistent (limits are in config.cpp).
// Throws invalid_argument if `rope` is inconsistent.
// Throws unsupported, by name, for another architecture and for a key that changes the result in a way that is
// not implemented.
ModelShape read_shape(const formats::ModelFile& file, const RopeOptions& rope = {},
                      std::vector<std::string>* warnings = nullptr);

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
