// Converts a model file to smaller (or larger) storage types.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qwen/error.h"
#include "qwen/export.h"
#include "qwen/model.h"

namespace qwen {

// How far a conversion has come.
struct QuantizeProgress {
  std::string_view tensor;  // the tensor that is being converted; "" in the last call
  double fraction = 0;      // of all weights, 0 to 1
};

// Which types the tensors get.
struct QuantizeOptions {
  // A name of quantize_types(): a storage type or a preset such as Q4_K_M, in any letter case.
  std::string type = "Q4_K_M";
  // Storage type ("Q8_0") of the output head; "" leaves the choice to `type`.
  std::string output_type;
  // The same for the token embedding. If it is also the output head (tied), this type applies to both.
  std::string embedding_type;
  // (pattern, storage type) for matrices: the first match decides, before all of the above. In a pattern
  // '*' matches any text and '?' one character; a pattern without either matches every name that contains it.
  std::vector<std::pair<std::string, std::string>> tensor_types;
  bool pure = false;       // every matrix in the type that the preset is named for
  int threads = 0;         // 0: physical cores that affinity and the cgroup quota allow
  bool overwrite = false;  // the target may exist
  // Called in the calling thread; returning false stops with Error(cancelled) and removes the partial file.
  std::function<bool(const QuantizeProgress&)> on_progress;
};

// Source and target type of one tensor.
struct QuantizedTensor {
  std::string name;    // in GGUF: "blk.0.attn_q.weight"
  std::string from;    // storage type in the source
  std::string to;      // storage type written
  std::string wanted;  // what the options asked for; differs from `to` if its blocks do not divide the rows
  std::uint64_t weights = 0;  // elements
  std::uint64_t bytes = 0;    // written
};

// What quantize_file() wrote.
struct QuantizeReport {
  std::string type;                      // of the file: "Q4_K_M"
  std::vector<QuantizedTensor> tensors;  // in file order
  std::vector<TensorSummary> types;      // what was written, by type, the largest first
  std::vector<std::string> notes;        // one line for each deviation from the options or loss of quality
  std::uint64_t parameters = 0;          // weights in all tensors
  std::uint64_t source_bytes = 0;        // of the tensors
  std::uint64_t tensor_bytes = 0;        // of the tensors written
  std::uint64_t file_bytes = 0;          // of the whole file
  double bits_per_weight = 0;            // tensor_bytes * 8 / parameters
  double seconds = 0;                    // from the call to the finished file
};

// A storage type or preset.
struct QuantizeType {
  std::string name;         // as QuantizeOptions::type takes it
  std::string description;  // one line for people
};
// The storage types and presets that QuantizeOptions::type accepts.
QWEN_API std::vector<QuantizeType> quantize_types();

// Reads `in` (a GGUF file or a Hugging Face directory) and writes the GGUF file `out`, tensor by tensor, on
// several threads. The file appears under its name when it is complete. Vectors (norms, biases) are written as F32.
// Memory: a few million weights besides the mapped source.
// Throws as Model::inspect() for `in`.
// Throws Error(invalid_argument) for an unknown type, a pattern that matches no matrix, or an existing `out` without
// `overwrite`.
// Throws Error(io) if `out` cannot be written.
// Throws Error(bad_format) if weights cannot be stored in the type.
QWEN_API QuantizeReport quantize_file(const std::string& in, const std::string& out,
                                      const QuantizeOptions& options = {});

}  // namespace qwen
