#include "formats/model_file.h"

#include <cstring>
#include <filesystem>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/fail.h"
#include "formats/gguf_reader.h"
#include "formats/hf_directory.h"

namespace qwen::formats {
namespace {

bool is_integer(MetaType type) {
  switch (type) {
    case MetaType::u8:
    case MetaType::i8:
    case MetaType::u16:
    case MetaType::i16:
    case MetaType::u32:
    case MetaType::i32:
    case MetaType::u64:
    case MetaType::i64: return true;
    default: return false;
  }
}

bool is_real(MetaType type) {
  return type == MetaType::f32 || type == MetaType::f64;
}

std::string describe(const MetaValue& value) {
  return value.type == MetaType::array ? cat("an array of ", name_of(value.element))
                                       : std::string(name_of(value.type));
}

[[noreturn]] void wrong_type(const ModelFile& file, std::string_view key, const char* expected,
                             const MetaValue& found) {
  fail(ErrorCode::bad_format, file.path(), ": key ", key, ": expected ", expected, ", found ",
       describe(found));
}

// Calls `use(value)` for each element of an array of numbers, as its own type.
template <class Use>
void for_each_number(const MetaValue& array, Use use) {
  const auto run = [&]<class T>(T) {
    for (std::size_t i = 0; i < array.count; ++i) {
      T value;  // elements may be unaligned
      std::memcpy(&value, array.numbers.data() + i * sizeof(T), sizeof(T));
      use(value);
    }
  };
  switch (array.element) {
    case MetaType::u8: return run(std::uint8_t{});
    case MetaType::i8: return run(std::int8_t{});
    case MetaType::u16: return run(std::uint16_t{});
    case MetaType::i16: return run(std::int16_t{});
    case MetaType::u32: return run(std::uint32_t{});
    case MetaType::i32: return run(std::int32_t{});
    case MetaType::u64: return run(std::uint64_t{});
    case MetaType::i64: return run(std::int64_t{});
    case MetaType::f32: return run(float{});
    case MetaType::f64: return run(double{});
    default: return;
  }
}

template <class T>
T required(const ModelFile& file, std::string_view key, const std::optional<T>& value) {
  if (!value) fail(ErrorCode::not_found, file.path(), ": the metadata key ", key, " is missing");
  return *value;
}

}  // namespace

const MetaValue* ModelFile::find(std::string_view key) const noexcept {
  const auto found = key_index_.find(key);
  return found == key_index_.end() ? nullptr : &metadata_[found->second].second;
}

std::int64_t ModelFile::integer(std::string_view key) const {
  return required(*this, key, optional_integer(key));
}
double ModelFile::real(std::string_view key) const {
  return required(*this, key, optional_real(key));
}
std::string_view ModelFile::string(std::string_view key) const {
  return required(*this, key, optional_string(key));
}

std::optional<std::int64_t> ModelFile::optional_integer(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_integer(value->type)) wrong_type(*this, key, "an integer", *value);
  if (value->type == MetaType::u64 && value->integer < 0)
    fail(ErrorCode::bad_format, path_, ": key ", key, ": ", static_cast<std::uint64_t>(value->integer),
         " is too large");
  return value->integer;
}

std::optional<double> ModelFile::optional_real(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (is_real(value->type)) return value->real;
  if (!is_integer(value->type)) wrong_type(*this, key, "a number", *value);
  return value->type == MetaType::u64 ? static_cast<double>(static_cast<std::uint64_t>(value->integer))
                                      : static_cast<double>(value->integer);
}

std::optional<std::string_view> ModelFile::optional_string(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != MetaType::string) wrong_type(*this, key, "a string", *value);
  return value->string;
}

std::optional<bool> ModelFile::optional_boolean(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != MetaType::boolean) wrong_type(*this, key, "a boolean", *value);
  return value->integer != 0;
}

const std::vector<std::string_view>* ModelFile::strings(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return nullptr;
  if (value->type != MetaType::array || value->element != MetaType::string)
    wrong_type(*this, key, "an array of strings", *value);
  return &value->strings;
}

std::vector<std::int32_t> ModelFile::integers(std::string_view key) const {
  std::vector<std::int32_t> out;
  const MetaValue* value = find(key);
  if (value == nullptr) return out;
  if (value->type != MetaType::array || !is_integer(value->element))
    wrong_type(*this, key, "an array of integers", *value);
  out.reserve(value->count);
  for_each_number(*value, [&](auto number) {
    if constexpr (std::is_integral_v<decltype(number)>) {
      if (!std::in_range<std::int32_t>(number))
        fail(ErrorCode::bad_format, path_, ": key ", key, ": element ", out.size(), " is ", +number,
             ", which does not fit into 32 bits");
      out.push_back(static_cast<std::int32_t>(number));
    }
  });
  return out;
}

std::vector<float> ModelFile::floats(std::string_view key) const {
  std::vector<float> out;
  const MetaValue* value = find(key);
  if (value == nullptr) return out;
  if (value->type != MetaType::array || !(is_real(value->element) || is_integer(value->element)))
    wrong_type(*this, key, "an array of numbers", *value);
  out.reserve(value->count);
  for_each_number(*value, [&](auto number) { out.push_back(static_cast<float>(number)); });
  return out;
}

const Tensor* ModelFile::find_tensor(std::string_view name) const noexcept {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

namespace {

void check_shard(const MappedFile& shard) {
  if (shard.changed())
    fail(ErrorCode::io, shard.path(), ": the file has changed on disk since it was opened");
}

}  // namespace

void ModelFile::check_unchanged() const {
  for (const MappedFile& shard : shards_) check_shard(shard);
}

void ModelFile::check_unchanged(const Tensor& tensor) const {
  const auto shard = static_cast<std::size_t>(tensor.shard);
  if (tensor.shard >= 0 && shard < shards_.size()) check_shard(shards_[shard]);
}

void ModelFile::release(const Tensor& tensor, std::span<const std::byte> bytes) const noexcept {
  const auto shard = static_cast<std::size_t>(tensor.shard);
  if (tensor.shard >= 0 && shard < shards_.size()) shards_[shard].release(bytes);
}

void ModelFile::prefetch(const Tensor& tensor) const noexcept {
  const auto shard = static_cast<std::size_t>(tensor.shard);
  if (tensor.shard >= 0 && shard < shards_.size()) shards_[shard].prefetch(tensor.data);
}

void ModelFile::add(std::string_view key, MetaValue value) {
  if (!key_index_.emplace(key, metadata_.size()).second)
    fail(ErrorCode::bad_format, path_, ": duplicate metadata key ", quoted(key));
  metadata_.emplace_back(key, std::move(value));
}

void ModelFile::add_tensor(Tensor tensor) {
  if (!tensor_index_.emplace(tensor.name, tensors_.size()).second)
    fail(ErrorCode::bad_format, path_, ": duplicate tensor ", quoted(tensor.name));
  tensors_.push_back(std::move(tensor));
}

int ModelFile::add_shard(MappedFile file) {
  shards_.push_back(std::move(file));
  return static_cast<int>(shards_.size()) - 1;
}

std::string_view ModelFile::own(std::string text) {
  return owned_strings_.emplace_back(std::move(text));
}

std::span<const std::byte> ModelFile::own(std::vector<std::byte> bytes) {
  return owned_bytes_.emplace_back(std::move(bytes));
}

std::shared_ptr<const ModelFile> open_model_file(const std::string& path) {
  if (path.empty()) fail(ErrorCode::invalid_argument, "the path of the model is empty");
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_hf_directory(path);
  if (path.ends_with(".safetensors"))
    fail(ErrorCode::invalid_argument, path,
         ": expected the directory that contains it (with config.json and the tokenizer) or a GGUF file");
  return open_gguf_file(path);
}

}  // namespace qwen::formats
