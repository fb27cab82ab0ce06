#include "formats/safetensors.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_set>

#include "base/checked.h"
#include "formats/byte_reader.h"
#include "formats/json_reader.h"

namespace qwen::formats {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the limit of the format's own implementation
constexpr std::size_t kMaxDimensions = 8;
constexpr std::size_t kMaxHeaderTensors = 1 << 16;  // per file; far above any model
constexpr std::int64_t kMaxOffset = std::numeric_limits<std::int64_t>::max();

struct Entry {
  SafeTensor tensor;
  std::size_t begin, end;  // in the data
};

std::optional<TensorType> find_type(std::string_view dtype) {
  if (dtype == "F32") return TensorType::f32;
  if (dtype == "F16") return TensorType::f16;
  if (dtype == "BF16") return TensorType::bf16;
  return std::nullopt;
}

Entry read_entry(JsonReader& in, std::string_view name, std::string_view shown) {
  Entry entry{};
  entry.tensor.name = name;
  bool has_type = false, has_shape = false;
  std::vector<std::size_t> offsets;
  in.object([&](std::string_view key) {
    if (key == "dtype") {
      const auto dtype = in.string();
      const auto type = find_type(dtype);
      if (!type)
        in.refuse(ErrorCode::unsupported, "tensor ", shown, " has type ", quoted(dtype),
                  "; only F32, F16 and BF16 are supported");
      entry.tensor.type = *type;
      has_type = true;
    } else if (key == "shape") {
      if (has_shape) in.bad("tensor ", shown, " has two shapes");
      has_shape = true;
      in.array([&] {
        if (entry.tensor.shape.size() == kMaxDimensions)
          in.bad("tensor ", shown, " has more than ", kMaxDimensions, " dimensions");
        entry.tensor.shape.push_back(static_cast<std::size_t>(in.integer(0, kMaxOffset)));
      });
    } else if (key == "data_offsets") {
      in.array([&] {
        if (offsets.size() == 2) in.bad("tensor ", shown, ": expected two data_offsets, found more");
        offsets.push_back(static_cast<std::size_t>(in.integer(0, kMaxOffset)));
      });
    } else {
      in.skip();
    }
  });
  if (!has_type || !has_shape || offsets.size() != 2)
    in.bad("tensor ", shown, " has no ", !has_type ? "dtype" : !has_shape ? "shape" : "data_offsets");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end)
    in.bad("tensor ", shown, ": data_offsets ", entry.begin, " to ", entry.end, " run backwards");
  std::size_t bytes = info_of(entry.tensor.type).block_bytes;
  for (const std::size_t n : entry.tensor.shape)
    if (__builtin_mul_overflow(bytes, n, &bytes))
      in.bad("tensor ", shown, ": the product of its shape is too large");
  if (bytes != entry.end - entry.begin)
    in.bad("tensor ", shown, ": its shape and type need ", bytes, " bytes, its data_offsets hold ",
           entry.end - entry.begin);
  return entry;
}

std::vector<Entry> read_header(std::string_view text, const std::string& file, ModelFile& owner) {
  JsonReader in(text, file + " (header)");
  std::vector<Entry> entries;
  std::unordered_set<std::string_view> names;
  in.object([&](std::string_view key) {
    if (key == "__metadata__") {
      in.object([&](std::string_view) { in.string(); });
      return;
    }
    const std::string_view name = in.stable(key) ? key : owner.own(std::string(key));
    const std::string shown = quoted(name);
    if (names.size() == kMaxHeaderTensors) in.bad("more than ", kMaxHeaderTensors, " tensors");
    if (!names.insert(name).second) in.bad("duplicate tensor ", shown);
    entries.push_back(read_entry(in, name, shown));
  });
  in.finish();
  return entries;
}

}  // namespace

std::vector<SafeTensor> read_safetensors(std::span<const std::byte> bytes, const std::string& file,
                                         ModelFile& owner) {
  refuse_lfs_pointer({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file);
  ByteReader in(bytes, file);
  const auto size = in.number<std::uint64_t>("the header's length");
  if (size > kMaxHeader || size > in.remaining())
    in.bad("not a safetensors file, or a truncated one: the header's length is ", size, ", expected at most ",
           std::min<std::uint64_t>(kMaxHeader, in.remaining()));
  const auto text = in.text(size, "the header");
  if (!text.starts_with('{')) in.bad("not a safetensors file: the header does not begin with {");
  std::vector<Entry> entries = read_header(text, file, owner);
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  const auto data = bytes.subspan(in.position());
  std::size_t covered = 0;
  std::vector<SafeTensor> tensors;
  tensors.reserve(entries.size());
  for (Entry& entry : entries) {
    const auto name = [&] { return quoted(entry.tensor.name); };
    if (entry.begin < covered) in.bad("tensor ", name(), " overlaps the one before it");
    if (entry.begin > covered) in.bad("a hole of ", entry.begin - covered, " bytes before tensor ", name());
    if (entry.end > data.size())
      in.bad("tensor ", name(), " ends at byte ", entry.end, " of the data, the file has ", data.size(),
             ": it is truncated");
    covered = entry.end;
    entry.tensor.data = data.subspan(entry.begin, entry.end - entry.begin);
    tensors.push_back(std::move(entry.tensor));
  }
  if (covered != data.size()) in.bad(data.size() - covered, " trailing bytes after the last tensor");
  return tensors;
}

}  // namespace qwen::formats
