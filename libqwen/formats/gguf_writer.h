// Writes GGUF version 3.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "formats/model_file.h"

namespace qwen::formats {

// Call set and add_tensor for everything, then begin(), write() with the tensors in the order of add_tensor,
// and finish(). The file appears under its name only in finish(): an error, a full disk or a kill before that
// leaves nothing. The same calls write the same bytes. One thread at a time.
class GgufWriter {
 public:
  // Throws invalid_argument if `path` exists and `overwrite` is false, or if it is not a regular file.
  GgufWriter(std::string path, bool overwrite);
  // Writes to an open, empty file (a memfd), which the caller owns.
  explicit GgufWriter(int file) : path_(std::to_string(file)), out_(file) {}

  // Adds a key or replaces its value in place; the value is copied. "general.alignment" sets the alignment of
  // the tensors (else 32).
  void set(std::string_view key, const MetaValue& value);
  // Copies all keys of `source` except split.*.
  void copy_metadata(const ModelFile& source);
  // `shape` slowest first, as in Tensor.
  void add_tensor(std::string_view name, TensorType type, std::span<const std::size_t> shape);

  // Writes the header.
  // Throws io if the disk has no room for the whole file.
  void begin();
  // Writes the next bytes of the tensors, in pieces of any size.
  void write(std::span<const std::byte> bytes);
  // Syncs and renames.
  // Throws invalid_argument if bytes of a tensor are missing.
  void finish();

  // Size of the whole file; valid after begin().
  std::uint64_t file_bytes() const noexcept { return file_bytes_; }
  // Size of tensor `index`.
  std::uint64_t tensor_bytes(std::size_t index) const { return tensors_.at(index).bytes; }

 private:
  struct Entry {
    std::string name;
    TensorType type;
    std::vector<std::size_t> shape;
    std::uint64_t bytes, offset;
  };
  enum class Stage { describing, writing, finished };
  std::string header() const;
  void put(const void* data, std::size_t size);
  void pad();
  void expect(Stage stage, const char* what) const;

  std::string path_;
  AtomicFile out_;
  Stage stage_ = Stage::describing;
  std::uint64_t alignment_ = 32;
  std::vector<std::pair<std::string, std::string>> metadata_;  // key, encoded value
  std::unordered_map<std::string, std::size_t> key_index_, tensor_index_;
  std::vector<Entry> tensors_;
  std::uint64_t written_ = 0;       // bytes of the file
  std::size_t current_ = 0;         // index of the tensor being written
  std::uint64_t current_done_ = 0;  // bytes of it written so far
  std::uint64_t file_bytes_ = 0;
};

}  // namespace qwen::formats
