// A model file after its format was read: metadata and named tensors.
//
// Keys and names are GGUF's. The reader of Hugging Face directories translates config.json and its tensor
// names to them ("qwen2.block_count", "blk.0.attn_q.weight"), so no other folder depends on the format.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
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

// One value. Strings and numbers point into memory that the ModelFile owns.
struct MetaValue {
  MetaType type = MetaType::u32;
  MetaType element = MetaType::u32;  // arrays: the type of the elements; never array
  // Scalars. A u64 is stored as its 64 bits.
  std::int64_t integer = 0;  // integers and booleans
  double real = 0;
  std::string_view string;
  // Arrays.
  std::size_t count = 0;
  std::vector<std::string_view> strings;
  std::span<const std::byte> numbers;  // little-endian elements, packed, at any address
};

struct Tensor {
  std::string_view name;  // "blk.0.attn_q.weight"
  TensorType type = TensorType::f32;
  // Row-major, slowest first: a matrix is {rows, cols} = {out_dim, in_dim}; a vector is {n}.
  std::vector<std::size_t> shape;
  std::span<const std::byte> data;  // [rows][row_bytes(type, cols)]
  int shard = 0;                    // index of the mapped file that holds `data`; -1: memory of the ModelFile

  std::size_t cols() const { return shape.back(); }
  std::size_t rows() const {
    std::size_t n = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    return n;
  }
};

// Immutable and thread-safe after it was opened.
class ModelFile {
 public:
  const MetaValue* find(std::string_view key) const noexcept;  // null if the key is missing
  // Scalars. Errors name file and key.
  // Throws not_found if the key is missing; the optional_ forms return nullopt instead.
  // Throws bad_format if the value has another type.
  std::int64_t integer(std::string_view key) const;
  double real(std::string_view key) const;  // any number
  std::string_view string(std::string_view key) const;
  std::optional<std::int64_t> optional_integer(std::string_view key) const;
  std::optional<double> optional_real(std::string_view key) const;
  std::optional<std::string_view> optional_string(std::string_view key) const;
  std::optional<bool> optional_boolean(std::string_view key) const;
  // Arrays: null or empty if the key is missing.
  // Throws bad_format if the value is not an array of that kind, or if an integer does not fit into 32 bits.
  const std::vector<std::string_view>* strings(std::string_view key) const;
  std::vector<std::int32_t> integers(std::string_view key) const;
  std::vector<float> floats(std::string_view key) const;
  // In file order.
  const std::vector<std::pair<std::string_view, MetaValue>>& metadata() const noexcept { return metadata_; }

  const std::vector<Tensor>& tensors() const noexcept { return tensors_; }
  const Tensor* find_tensor(std::string_view name) const noexcept;  // null if it is missing

  const std::string& path() const noexcept { return path_; }  // as given to open_model_file
  // Throws io if a mapped file has changed on disk since it was opened.
  void check_unchanged() const;
  void check_unchanged(const Tensor& tensor) const;  // only the file that holds this tensor
  // Returns the resident pages of a part of the tensor's data to the kernel; the bytes stay readable.
  void release(const Tensor& tensor, std::span<const std::byte> bytes) const noexcept;
  void prefetch(const Tensor& tensor) const noexcept;

  // The rest is for the readers of this folder and for tests.
  explicit ModelFile(std::string path) : path_(std::move(path)) {}
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;
  // Both throw bad_format for a duplicate.
  void add(std::string_view key, MetaValue value);
  void add_tensor(Tensor tensor);
  int add_shard(MappedFile file);  // returns its index
  const MappedFile& shard(int index) const { return shards_[static_cast<std::size_t>(index)]; }
  // Moves data into the ModelFile; the result is valid for its lifetime.
  std::string_view own(std::string text);
  std::span<const std::byte> own(std::vector<std::byte> bytes);

 private:
  std::string path_;
  std::deque<MappedFile> shards_;
  std::deque<std::string> owned_strings_;
  std::deque<std::vector<std::byte>> owned_bytes_;
  std::vector<std::pair<std::string_view, MetaValue>> metadata_;
  std::unordered_map<std::string_view, std::size_t> key_index_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> tensor_index_;
};

// How an added token matches in text: bits of the key qwen.tokenizer.added_token_flags, an i32 array of id, flags,
// id, flags, ...
enum AddedTokenFlag : std::int32_t {
  kStripLeft = 1,   // lstrip: white space before the token belongs to it
  kStripRight = 2,  // rstrip: white space after the token belongs to it
  kSingleWord = 4,  // single_word: not next to a letter, digit or underscore
};

// Opens a GGUF file (the first file of a split model) or a Hugging Face directory.
std::shared_ptr<const ModelFile> open_model_file(const std::string& path);
// Reads a GGUF file in memory (the bundled model). `bytes` must outlive the result.
// Throws invalid_argument if their address is not a multiple of 64.
std::shared_ptr<const ModelFile> open_gguf_memory(std::span<const std::byte> bytes, const std::string& name);

// Values for ModelFile::add and GgufWriter::set; they refer to the strings and numbers given here.
inline MetaValue meta_integer(MetaType type, std::int64_t value) {
  MetaValue out;
  out.type = type;
  out.integer = value;
  return out;
}
inline MetaValue meta_u32(std::uint32_t value) {
  return meta_integer(MetaType::u32, value);
}
inline MetaValue meta_boolean(bool value) {
  return meta_integer(MetaType::boolean, value ? 1 : 0);
}
inline MetaValue meta_f32(float value) {
  MetaValue out;
  out.type = MetaType::f32;
  out.real = value;
  return out;
}
inline MetaValue meta_string(std::string_view value) {
  MetaValue out;
  out.type = MetaType::string;
  out.string = value;
  return out;
}
inline MetaValue meta_strings(std::vector<std::string_view> values) {
  MetaValue out;
  out.type = MetaType::array;
  out.element = MetaType::string;
  out.count = values.size();
  out.strings = std::move(values);
  return out;
}
// T must be the C++ type of `element`.
template <class T>
MetaValue meta_numbers(MetaType element, std::span<const T> values) {
  MetaValue out;
  out.type = MetaType::array;
  out.element = element;
  out.count = values.size();
  out.numbers = std::as_bytes(values);
  return out;
}

}  // namespace qwen::formats
