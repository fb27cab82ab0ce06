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

// Describe everything (set, add_tensor), then begin(), then the tensors' bytes in the order of add_tensor,
// then finish(). The file takes its name in finish(): nothing that goes wrong before (an error, a full disk,
// a kill) leaves anything under it. The same calls give the same bytes. Used by one thread at a time.
class GgufWriter {
 public:
  // Error(invalid_argument) where `path` exists and `overwrite` is false, or where it is no regular file.
  GgufWriter(std::string path, bool overwrite);
  // Into an open, empty file (a memfd) that stays the caller's.
  explicit GgufWriter(int file) : path_(std::to_string(file)), out_(file) {}

  // Adds a key or replaces its value in place; the value is copied. "general.alignment" sets the alignment of
  // the tensors (else 32).
  void set(std::string_view key, const MetaValue& value);
  // All keys of `source` but those that describe how it is cut into files (split.*).
  void copy_metadata(const ModelFile& source);
  // `shape` slowest first, as in Tensor.
  void add_tensor(std::string_view name, TensorType type, std::span<const std::size_t> shape);

  // Writes the header. Error(io) at once where the disk has no room for the whole file.
  void begin();
  // The next bytes of the tensors, in any pieces: a whole tensor, one row, or several tensors' worth.
  void write(std::span<const std::byte> bytes);
  // Syncs and renames. Error(invalid_argument) where bytes of a tensor are missing.
  void finish();

  // Size of the whole file; valid after begin().
  std::uint64_t file_bytes() const noexcept { return file_bytes_; }
  // Bytes that write() takes for tensor `index`.
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
  std::vector<std::pair<std::string, std::string>> metadata_;  // key, value as in the file
  std::unordered_map<std::string, std::size_t> key_index_, tensor_index_;
  std::vector<Entry> tensors_;
  std::uint64_t written_ = 0;       // bytes of the file
  std::size_t current_ = 0;         // the tensor whose bytes come next
  std::uint64_t current_done_ = 0;  // bytes of it that are written
  std::uint64_t file_bytes_ = 0;
};

}  // namespace qwen::formats
