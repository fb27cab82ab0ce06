// What every model file looks like once its format is behind us: metadata and named tensors.
//
// GGUF's vocabulary is the house's: the reader of Hugging Face directories translates config.json and tensor
// names into GGUF's keys ("qwen2.block_count") and names ("blk.0.attn_q.weight"), so that nothing after this
// folder knows where a model came from.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "base/tensor_type.h"

namespace qwen::formats {

// GGUF's metadata value types, by their numbers in the format.
enum class MetaType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// One value; arrays hold elements of one scalar type. Strings point into memory that the ModelFile owns.
struct MetaValue {
  MetaType type = MetaType::u32;     // array for arrays
  MetaType element = MetaType::u32;  // element type of an array
  // Scalars: integers and booleans in `integer` (u64 as its bits), floats in `real`, strings in `string`.
  std::int64_t integer = 0;
  double real = 0;
  std::string_view string;
  // Arrays: strings in `strings`, all others in `numbers` as in the file (little-endian elements, packed).
  std::vector<std::string_view> strings;
  std::span<const std::byte> numbers;
  std::size_t count = 0;  // elements of an array
};

struct Tensor {
  std::string_view name;  // "blk.0.attn_q.weight"
  TensorType type = TensorType::f32;
  // Row-major, slowest first: a matrix is {rows, cols} = {out_dim, in_dim}; a vector is {n}.
  std::vector<std::size_t> shape;
  std::span<const std::byte> data;  // rows * row_bytes(type, cols), in the mapped file
  int part = 0;                     // which of the mapped files

  std::size_t cols() const { return shape.back(); }
  std::size_t rows() const {
    std::size_t n = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    return n;
  }
};

// Immutable once opened; thread-safe.
class ModelFile {
 public:
  // --- metadata
  // -----------------------------------------------------------------------------------------------
  const MetaValue* find(std::string_view key) const noexcept;
  // The value, checked for type; Error(not_found) where it is missing, Error(bad_format) for another type,
  // both naming key and file. The optional_ forms give nullopt where it is missing.
  std::int64_t integer(std::string_view key) const;
  double real(std::string_view key) const;  // integers count as reals
  std::string_view string(std::string_view key) const;
  std::optional<std::int64_t> optional_integer(std::string_view key) const;
  std::optional<double> optional_real(std::string_view key) const;
  std::optional<std::string_view> optional_string(std::string_view key) const;
  std::optional<bool> optional_boolean(std::string_view key) const;
  // Arrays; null / empty where missing.
  const std::vector<std::string_view>* strings(std::string_view key) const;
  std::vector<std::int32_t> integers(std::string_view key) const;  // any integer element type that fits
  std::vector<float> reals(std::string_view key) const;
  // In file order.
  const std::vector<std::pair<std::string_view, MetaValue>>& metadata() const noexcept { return metadata_; }

  // --- tensors
  // ------------------------------------------------------------------------------------------------
  const std::vector<Tensor>& tensors() const noexcept { return tensors_; }
  const Tensor* find_tensor(std::string_view name) const noexcept;

  const std::string& path() const noexcept { return path_; }  // as given to open_model_file
  // Error(io) where a mapped file has changed on disk since it was opened.
  void check_unchanged() const;
  // The same for the file that holds this tensor.
  void check_unchanged(const Tensor& tensor) const;
  // Gives the resident pages of a part of the tensor's data back to the kernel; the bytes stay readable.
  void release(const Tensor& tensor, std::span<const std::byte> bytes) const noexcept;
  void prefetch(const Tensor& tensor) const noexcept;

  // --- building: used by the readers of this folder and by tests
  // -------------------------------------------------
  explicit ModelFile(std::string path) : path_(std::move(path)) {}
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;
  // Error(bad_format) for a key or name that is there already.
  void add(std::string_view key, MetaValue value);
  void add_tensor(Tensor tensor);
  int add_part(MappedFile file);  // returns its index
  const MappedFile& part(int index) const { return parts_[static_cast<std::size_t>(index)]; }
  // Keeps the text for the life of the object.
  std::string_view keep(std::string text);
  // Keeps bytes (converted numbers, synthetic tensors) for the life of the object.
  std::span<const std::byte> keep(std::vector<std::byte> bytes);

 private:
  std::string path_;
  std::deque<MappedFile> parts_;
  std::deque<std::string> texts_;
  std::deque<std::vector<std::byte>> blobs_;
  std::vector<std::pair<std::string_view, MetaValue>> metadata_;
  std::unordered_map<std::string_view, std::size_t> key_index_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> tensor_index_;
};

// Opens a GGUF file (the first part of a split one) or a Hugging Face directory.
std::shared_ptr<const ModelFile> open_model_file(const std::string& path);
// A GGUF file that is in memory already (the bundled model); the bytes must outlive the result and start at
// an address that is a multiple of 64.
std::shared_ptr<const ModelFile> open_gguf_memory(std::span<const std::byte> bytes, const std::string& name);

}  // namespace qwen::formats
