#include "formats/gguf_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "formats/byte_reader.h"

namespace qwen::formats {
namespace {

// Far above any vocabulary: bounds the memory that a file of zeros (empty strings) can take.
constexpr std::uint64_t kMaxStrings = std::uint64_t{1} << 24;
// Far above any model: an entry takes more memory than its bytes in the file.
constexpr std::uint64_t kMaxPairs = 1 << 16, kMaxTensors = 1 << 16;
// Smallest size in the file of a key with its value, and of a tensor's entry.
constexpr std::size_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr std::size_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

struct Header {
  std::uint64_t tensors = 0;
  std::uint64_t pairs = 0;
};

Header read_header(ByteReader& in) {
  const auto magic = in.text(4, "the magic number");
  if (magic != "GGUF") {
    if (magic == "FUGG")
      in.refuse(ErrorCode::unsupported, "a big-endian GGUF file; only little-endian ones are supported");
    in.bad("not a GGUF file: expected \"GGUF\", found ", quoted(magic));
  }
  const auto version = in.number<std::uint32_t>("the version");
  if (version == 1)
    in.refuse(ErrorCode::unsupported,
              "GGUF version 1 is not supported, expected 2 or 3: convert the model again");
  // The magic number reads the same in both byte orders; the version shows which it is.
  if (version == 0x02000000u || version == 0x03000000u)
    in.refuse(ErrorCode::unsupported, "a big-endian GGUF file; only little-endian ones are supported");
  if (version != 2 && version != 3) in.bad("GGUF version: expected 2 or 3, found ", version);
  Header header;
  header.tensors = in.number<std::uint64_t>("the number of tensors");
  header.pairs = in.number<std::uint64_t>("the number of metadata keys");
  if (header.pairs > in.remaining() / kMinPairBytes)
    in.bad("the number of metadata keys is ", header.pairs, ", more than the file's ", in.remaining(),
           " bytes can hold");
  if (header.tensors > in.remaining() / kMinTensorBytes)
    in.bad("the number of tensors is ", header.tensors, ", more than the file's ", in.remaining(),
           " bytes can hold");
  if (header.pairs > kMaxPairs || header.tensors > kMaxTensors)
    in.bad("expected at most ", kMaxPairs, " metadata keys and ", kMaxTensors, " tensors, found ",
           header.pairs, " and ", header.tensors);
  return header;
}

void check_booleans(const ByteReader& in, std::span<const std::byte> bytes, std::string_view key) {
  for (const std::byte b : bytes)
    if (std::to_integer<unsigned>(b) > 1)
      in.bad("key ", key, ": a boolean must be 0 or 1, found ", std::to_integer<unsigned>(b));
}

std::string_view read_string(ByteReader& in, std::string_view key) {
  const auto length = in.number<std::uint64_t>(key);
  return in.text(length, key);
}

void read_array(ByteReader& in, std::string_view key, MetaValue& value) {
  value.element = static_cast<MetaType>(in.number<std::uint32_t>(key));
  const auto count = in.number<std::uint64_t>(key);
  if (value.element == MetaType::array)
    in.refuse(ErrorCode::unsupported, "key ", key, ": arrays of arrays are not supported");
  if (value.element != MetaType::string) {
    const std::size_t size = meta_type_bytes(value.element);
    if (size == 0)
      in.bad("key ", key, ": ", static_cast<std::uint32_t>(value.element),
             " is not a GGUF value type (0 to 12)");
    value.numbers = in.take(count, size, key);
    value.count = static_cast<std::size_t>(count);
    if (value.element == MetaType::boolean) check_booleans(in, value.numbers, key);
    return;
  }
  // Each string takes its 8 bytes of length at least.
  if (count > in.remaining() / 8 || count > kMaxStrings)
    in.bad("key ", key, ": an array of ", count, " strings, expected at most ",
           std::min<std::uint64_t>(in.remaining() / 8, kMaxStrings));
  value.count = static_cast<std::size_t>(count);
  value.strings.reserve(std::min<std::size_t>(value.count, std::size_t{1} << 20));
  for (std::size_t i = 0; i < value.count; ++i) value.strings.push_back(read_string(in, key));
}

MetaValue read_value(ByteReader& in, std::string_view key) {
  MetaValue value;
  value.type = static_cast<MetaType>(in.number<std::uint32_t>(key));
  switch (value.type) {
    case MetaType::u8: value.integer = in.number<std::uint8_t>(key); break;
    case MetaType::i8: value.integer = in.number<std::int8_t>(key); break;
    case MetaType::u16: value.integer = in.number<std::uint16_t>(key); break;
    case MetaType::i16: value.integer = in.number<std::int16_t>(key); break;
    case MetaType::u32: value.integer = in.number<std::uint32_t>(key); break;
    case MetaType::i32: value.integer = in.number<std::int32_t>(key); break;
    case MetaType::u64: value.integer = static_cast<std::int64_t>(in.number<std::uint64_t>(key)); break;
    case MetaType::i64: value.integer = in.number<std::int64_t>(key); break;
    case MetaType::f32: value.real = in.number<float>(key); break;
    case MetaType::f64: value.real = in.number<double>(key); break;
    case MetaType::boolean: {
      const auto byte = in.take(1, key);
      check_booleans(in, byte, key);
      value.integer = std::to_integer<int>(byte[0]);
      break;
    }
    case MetaType::string: value.string = read_string(in, key); break;
    case MetaType::array: read_array(in, key, value); break;
    default:
      in.bad("key ", key, ": ", static_cast<std::uint32_t>(value.type),
             " is not a GGUF value type (0 to 12)");
  }
  return value;
}

std::string_view read_key(ByteReader& in) {
  const auto length = in.number<std::uint64_t>("the length of a metadata key");
  if (length == 0 || length > kGgufMaxKey)
    in.bad("the length of a metadata key: expected 1 to ", kGgufMaxKey, ", found ", length);
  const auto key = in.text(length, "a metadata key");
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c <= 0x7e; }))
    in.bad("the metadata key ", quoted(key), " is not ASCII");
  return key;
}

struct TensorEntry {
  Tensor tensor;
  std::uint64_t offset;  // from the start of the tensor data
  std::size_t bytes;
};

TensorEntry read_tensor_info(ByteReader& in) {
  const auto length = in.number<std::uint64_t>("the length of a tensor's name");
  if (length == 0 || length > kGgufMaxTensorName)
    in.bad("the length of a tensor's name: expected 1 to ", kGgufMaxTensorName, ", found ", length);
  TensorEntry entry{};
  Tensor& tensor = entry.tensor;
  tensor.name = in.text(length, "a tensor's name");
  const std::string name = quoted(tensor.name);
  const auto dimensions = in.number<std::uint32_t>(name);
  if (dimensions == 0 || dimensions > kGgufMaxDimensions)
    in.bad("tensor ", name, ": expected 1 to ", kGgufMaxDimensions, " dimensions, found ", dimensions);
  std::size_t weights = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto size = in.number<std::uint64_t>(name);
    if (size == 0) in.bad("tensor ", name, ": dimension ", i, " is 0");
    if (__builtin_mul_overflow(weights, static_cast<std::size_t>(size), &weights))
      in.bad("tensor ", name, ": the product of its dimensions is too large");
    tensor.shape.push_back(static_cast<std::size_t>(size));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());  // GGUF stores the fastest dimension first
  const auto number = in.number<std::uint32_t>(name);
  const TensorTypeInfo* type = find_tensor_type(number);
  if (type == nullptr)
    in.refuse(ErrorCode::unsupported, "tensor ", name, " has type ", number, ", which is not supported");
  tensor.type = type->type;
  const auto block = static_cast<std::size_t>(type->block_weights);
  if (tensor.cols() % block != 0)
    in.bad("tensor ", name, ": rows of ", tensor.cols(), " weights cannot be ", type->name,
           ": expected a multiple of ", block);
  if (__builtin_mul_overflow(weights / block, type->block_bytes, &entry.bytes))
    in.bad("tensor ", name, ": its size in bytes is too large");
  entry.offset = in.number<std::uint64_t>(name);
  return entry;
}

std::size_t read_alignment(const ByteReader& in, const MetaValue* value) {
  if (value == nullptr) return kGgufDefaultAlignment;
  const auto alignment = static_cast<std::uint64_t>(value->integer);
  const bool integer = value->type != MetaType::array && meta_type_bytes(value->type) != 0 &&
                       value->type != MetaType::f32 && value->type != MetaType::f64 &&
                       value->type != MetaType::boolean;
  if (!integer || !std::has_single_bit(alignment) || alignment % 8 != 0)
    in.bad("general.alignment: expected a power of two of at least 8, found ",
           integer ? cat(alignment) : cat("a value of type ", name_of(value->type)));
  return static_cast<std::size_t>(alignment);
}

// Points each tensor at its bytes. `data`: all bytes from the aligned end of the header on.
void locate_tensors(const ByteReader& in, std::vector<TensorEntry>& all, std::span<const std::byte> data,
                    std::size_t alignment) {
  for (TensorEntry& entry : all) {
    const auto name = [&] { return quoted(entry.tensor.name); };
    if (entry.offset % alignment != 0)
      in.bad("tensor ", name(), ": offset ", entry.offset, " is not a multiple of the alignment ", alignment);
    if (entry.offset > data.size() || entry.bytes > data.size() - entry.offset)
      in.bad("tensor ", name(), " needs ", entry.bytes, " bytes at offset ", entry.offset, ", the file has ",
             data.size(), " bytes of tensor data: it is truncated or damaged");
    entry.tensor.data = data.subspan(static_cast<std::size_t>(entry.offset), entry.bytes);
  }
  std::vector<const TensorEntry*> order;
  order.reserve(all.size());
  for (const TensorEntry& entry : all) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const TensorEntry* a, const TensorEntry* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i]->offset - order[i - 1]->offset < order[i - 1]->bytes)
      in.bad("tensors ", quoted(order[i - 1]->tensor.name), " and ", quoted(order[i]->tensor.name),
             " overlap");
}

// Reads one file; `shard` is its index in `tensors`.
void read_gguf(std::span<const std::byte> bytes, const std::string& name, int shard, ModelFile& metadata,
               ModelFile& tensors) {
  refuse_lfs_pointer({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name);
  ByteReader in(bytes, name);
  const Header header = read_header(in);
  for (std::uint64_t i = 0; i < header.pairs; ++i) {
    const auto key = read_key(in);
    if (metadata.find(key) != nullptr) in.bad("duplicate metadata key ", key);
    metadata.add(key, read_value(in, key));
  }
  const std::size_t alignment = read_alignment(in, metadata.find("general.alignment"));
  if (header.tensors == 0) return;  // a vocabulary alone
  std::vector<TensorEntry> entry;
  for (std::uint64_t i = 0; i < header.tensors; ++i) entry.push_back(read_tensor_info(in));
  const std::size_t padding = (0 - in.position()) & (alignment - 1);
  in.take(padding, "the padding before the tensor data");
  locate_tensors(in, entry, bytes.subspan(in.position()), alignment);
  for (TensorEntry& p : entry) {
    if (tensors.find_tensor(p.tensor.name) != nullptr) in.bad("duplicate tensor ", quoted(p.tensor.name));
    p.tensor.shard = shard;
    // Copied: a lookup must not touch the mapping of a file that may have been truncated since.
    p.tensor.name = tensors.own(std::string(p.tensor.name));
    tensors.add_tensor(std::move(p.tensor));
  }
}

struct Split {
  std::int64_t number = 0, count = 1, tensors = -1;
};

Split read_split(const ModelFile& metadata) {
  Split split;
  split.number = metadata.optional_integer("split.no").value_or(0);
  split.count = std::max<std::int64_t>(1, metadata.optional_integer("split.count").value_or(1));
  split.tensors = metadata.optional_integer("split.tensors.count").value_or(-1);
  if (split.count > 99999 || split.number < 0 || split.number >= split.count)
    fail(ErrorCode::bad_format, metadata.path(), ": split.no is ", split.number, " and split.count is ",
         split.count, ": expected split.no < split.count <= 99999");
  return split;
}

// "model-00002-of-00003.gguf"
std::string shard_name(const std::string& prefix, std::int64_t number, std::int64_t count) {
  const auto five = [](std::int64_t n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return prefix + "-" + five(number + 1) + "-of-" + five(count) + ".gguf";
}

constexpr std::size_t kShardSuffix = std::string_view("-00001-of-00001.gguf").size();

void read_other_shards(ModelFile& file, const Split& split) {
  const std::string& path = file.path();
  const std::string prefix = path.size() > kShardSuffix ? path.substr(0, path.size() - kShardSuffix) : "";
  if (prefix.empty() || path != shard_name(prefix, split.number, split.count))
    fail(ErrorCode::bad_format, path, ": file ", split.number + 1, " of a model split into ", split.count,
         "; expected a name that ends in ", shard_name("", split.number, split.count));
  if (split.number != 0)
    fail(ErrorCode::invalid_argument, path, ": file ", split.number + 1, " of ", split.count,
         " of a split model; open the first one: ", shard_name(prefix, 0, split.count));
  for (std::int64_t number = 1; number < split.count; ++number) {
    const std::string name = shard_name(prefix, number, split.count);
    const int shard = file.add_shard(MappedFile(name));
    ModelFile own(name);  // the metadata of later files holds only split.*
    read_gguf(file.shard(shard).bytes(), name, shard, own, file);
    const Split other = read_split(own);
    if (other.number != number || other.count != split.count)
      fail(ErrorCode::bad_format, name, ": expected file ", number + 1, " of ", split.count, ", found ",
           other.number + 1, " of ", other.count);
  }
  if (split.tensors >= 0 && static_cast<std::size_t>(split.tensors) != file.tensors().size())
    fail(ErrorCode::bad_format, path, ": split.tensors.count is ", split.tensors, ", the ", split.count,
         " files have ", file.tensors().size(), " tensors");
}

}  // namespace

std::size_t meta_type_bytes(MetaType type) noexcept {
  switch (type) {
    case MetaType::u8:
    case MetaType::i8:
    case MetaType::boolean: return 1;
    case MetaType::u16:
    case MetaType::i16: return 2;
    case MetaType::u32:
    case MetaType::i32:
    case MetaType::f32: return 4;
    case MetaType::u64:
    case MetaType::i64:
    case MetaType::f64: return 8;
    case MetaType::string:
    case MetaType::array: break;
  }
  return 0;
}

const char* name_of(MetaType type) noexcept {
  static constexpr const char* kNames[] = {"u8",      "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "boolean", "string", "array", "u64", "i64", "f64"};
  const auto number = static_cast<std::uint32_t>(type);
  return number < std::size(kNames) ? kNames[number] : "unknown";
}

std::shared_ptr<const ModelFile> open_gguf_file(const std::string& path) {
  auto file = std::make_shared<ModelFile>(path);
  const int shard = file->add_shard(MappedFile(path));
  read_gguf(file->shard(shard).bytes(), path, shard, *file, *file);
  const Split split = read_split(*file);
  if (split.count > 1) read_other_shards(*file, split);
  return file;
}

std::shared_ptr<const ModelFile> open_gguf_memory(std::span<const std::byte> bytes, const std::string& name) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 64 != 0)
    fail(ErrorCode::invalid_argument, name, ": a GGUF file in memory must start at a multiple of 64");
  auto file = std::make_shared<ModelFile>(name);
  read_gguf(bytes, name, 0, *file, *file);
  if (read_split(*file).count > 1)
    fail(ErrorCode::unsupported, name, ": a split GGUF file cannot be read from memory");
  return file;
}

}  // namespace qwen::formats
