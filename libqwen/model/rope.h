// Rotary position embedding: the angles of a model, with linear or YaRN scaling.
#pragma once
#include <vector>

#include "formats/model_file.h"
#include "qwen/model.h"

namespace qwen::model {

inline constexpr int kMaxContext = 1 << 24;  // positions; far above any model of the family

// Pair i of a head's features at position p is rotated by p * frequencies[i] and multiplied by `magnitude`.
struct RopeTable {
  std::vector<double> frequencies;  // [head_dim / 2], in radians per position
  double magnitude = 1;
};

RopeTable make_rope_table(const ModelShape& shape);

// Reads <architecture>.rope.* and applies `options`: sets the rope_ and yarn_ fields of `shape` and raises
// shape.max_context. Errors as read_shape.
void read_rope(const formats::ModelFile& file, const std::string& architecture, const RopeOptions& options,
               std::vector<std::string>& warnings, ModelShape& shape);

}  // namespace qwen::model
