#include "formats/gguf_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "formats/gguf_reader.h"

namespace qwen::formats {
namespace {

template <class T>
void append(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void append_string(std::string& out, std::string_view text) {
  append<std::uint64_t>(out, text.size());
  out += text;
}

// The encoded value: type number, then content.
std::string encode(std::string_view key, const MetaValue& value) {
  std::string out;
  append(out, static_cast<std::uint32_t>(value.type));
  switch (value.type) {
    case MetaType::f32: append(out, static_cast<float>(value.real)); break;
    case MetaType::f64: append(out, value.real); break;
    case MetaType::string: append_string(out, value.string); break;
    case MetaType::array:
      append(out, static_cast<std::uint32_t>(value.element));
      append<std::uint64_t>(out, value.count);
      if (value.element == MetaType::string) {
        if (value.strings.size() != value.count)
          fail(ErrorCode::invalid_argument, "key ", key, ": ", value.count, " strings expected, found ",
               value.strings.size());
        for (const auto text : value.strings) append_string(out, text);
      } else {
        const std::size_t size = meta_type_bytes(value.element);
        if (size == 0 || value.numbers.size() / size != value.count || value.numbers.size() % size != 0)
          fail(ErrorCode::invalid_argument, "key ", key, ": not an array of ", value.count,
               " values of type ", name_of(value.element));
        out.append(reinterpret_cast<const char*>(value.numbers.data()), value.numbers.size());
      }
      break;
    default: {
      const std::size_t size = meta_type_bytes(value.type);  // little-endian: the low bytes come first
      if (size == 0) fail(ErrorCode::invalid_argument, "key ", key, ": not a GGUF value type");
      char bytes[sizeof value.integer];
      std::memcpy(bytes, &value.integer, sizeof bytes);
      out.append(bytes, size);
    }
  }
  return out;
}

}  // namespace

GgufWriter::GgufWriter(std::string path, bool overwrite)
    : path_(std::move(path)),
      out_(path_, overwrite ? AtomicFile::Existing::replace : AtomicFile::Existing::keep) {}

void GgufWriter::expect(Stage stage, const char* what) const {
  if (stage_ != stage) fail(ErrorCode::internal, "GgufWriter: ", what, " at the wrong time");
}

void GgufWriter::set(std::string_view key, const MetaValue& value) {
  expect(Stage::describing, "set");
  if (key.empty() || key.size() > kGgufMaxKey ||
      !std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c <= 0x7e; }))
    fail(ErrorCode::invalid_argument, "the metadata key ", quoted(key), " is not ASCII of 1 to ", kGgufMaxKey,
         " bytes");
  std::string bytes = encode(key, value);
  if (key == "general.alignment") {
    const auto alignment = static_cast<std::uint64_t>(value.integer);
    if (value.type != MetaType::u32 || !std::has_single_bit(alignment) || alignment % 8 != 0)
      fail(ErrorCode::invalid_argument, "general.alignment: expected a power of two of at least 8 as u32");
    alignment_ = alignment;
  }
  const auto [at, added] = key_index_.emplace(key, metadata_.size());
  if (added) {
    metadata_.emplace_back(key, std::move(bytes));
  } else {
    metadata_[at->second].second = std::move(bytes);
  }
}

void GgufWriter::copy_metadata(const ModelFile& source) {
  for (const auto& [key, value] : source.metadata())
    if (!key.starts_with("split.")) set(key, value);
}

void GgufWriter::add_tensor(std::string_view name, TensorType type, std::span<const std::size_t> shape) {
  expect(Stage::describing, "add_tensor");
  if (name.empty() || name.size() > kGgufMaxTensorName)
    fail(ErrorCode::invalid_argument, "the tensor name ", quoted(name), " is not of 1 to ",
         kGgufMaxTensorName, " bytes");
  if (shape.empty() || shape.size() > kGgufMaxDimensions || std::count(shape.begin(), shape.end(), 0u) > 0)
    fail(ErrorCode::invalid_argument, "tensor ", quoted(name), ": expected 1 to ", kGgufMaxDimensions,
         " dimensions of at least 1");
  std::size_t bytes = row_bytes(type, shape.back());
  for (const std::size_t n : shape.first(shape.size() - 1)) bytes = checked_mul(bytes, n, name);
  if (!tensor_index_.emplace(name, tensors_.size()).second)
    fail(ErrorCode::invalid_argument, "duplicate tensor ", quoted(name));
  tensors_.push_back({std::string(name), type, {shape.begin(), shape.end()}, bytes, 0});
}

std::string GgufWriter::header() const {
  std::string out;
  append(out, kGgufMagic);
  append<std::uint32_t>(out, 3);
  append<std::uint64_t>(out, tensors_.size());
  append<std::uint64_t>(out, metadata_.size());
  for (const auto& [key, value] : metadata_) {
    append_string(out, key);
    out += value;
  }
  for (const Entry& tensor : tensors_) {
    append_string(out, tensor.name);
    append(out, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto n = tensor.shape.rbegin(); n != tensor.shape.rend(); ++n) append<std::uint64_t>(out, *n);
    append(out, static_cast<std::uint32_t>(tensor.type));
    append(out, tensor.offset);
  }
  return out;
}

void GgufWriter::begin() {
  expect(Stage::describing, "begin");
  std::uint64_t data = 0;
  for (Entry& tensor : tensors_) {
    tensor.offset = data;
    data = round_up(checked_add(data, tensor.bytes, "size of the file"), alignment_);
  }
  const std::string head = header();
  file_bytes_ = tensors_.empty() ? head.size()
                                 : checked_add(round_up(head.size(), alignment_), data, "size of the file");
  out_.reserve(file_bytes_);
  stage_ = Stage::writing;
  put(head.data(), head.size());
  if (!tensors_.empty()) pad();
}

void GgufWriter::put(const void* data, std::size_t size) {
  out_.write(data, size);
  written_ += size;
}

void GgufWriter::pad() {
  static constexpr std::array<char, 4096> kZeros{};
  for (std::uint64_t left = (0 - written_) & (alignment_ - 1); left > 0;) {
    const auto n = std::min<std::uint64_t>(left, kZeros.size());
    put(kZeros.data(), n);
    left -= n;
  }
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  expect(Stage::writing, "write");
  while (!bytes.empty()) {
    if (current_ == tensors_.size())
      fail(ErrorCode::invalid_argument, path_, ": ", bytes.size(), " bytes after the last tensor");
    const std::uint64_t left = tensors_[current_].bytes - current_done_;
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size()));
    put(bytes.data(), n);
    bytes = bytes.subspan(n);
    current_done_ += n;
    if (n == left) {
      pad();
      ++current_;
      current_done_ = 0;
    }
  }
}

void GgufWriter::finish() {
  expect(Stage::writing, "finish");
  if (current_ != tensors_.size())
    fail(ErrorCode::invalid_argument, path_, ": tensor ", quoted(tensors_[current_].name), " has ",
         current_done_, " of its ", tensors_[current_].bytes, " bytes");
  out_.commit();
  stage_ = Stage::finished;
}

}  // namespace qwen::formats
