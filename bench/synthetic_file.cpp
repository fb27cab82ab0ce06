// The bytes of a synthetic model.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>

#include "base/fail.h"
#include "base/utf8.h"
#include "builtin/builtin.h"
#include "formats/gguf_writer.h"
#include "formats/model_file.h"
#include "process.h"
#include "quant/quant.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

// SplitMix64: small, fast, the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  // Of standard deviation about 1: twelve uniform numbers, with no libm in it that could differ.
  float normal() {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  // Mostly normal, one in a hundred five times as far out: the tails of real weights.
  float heavy() { return normal() * (next() % 100 == 0 ? 5.0f : 1.0f); }

 private:
  std::uint64_t state_;
};

// Stocks of quantized blocks: rows are assembled from them, so that a gigabyte takes no longer than
// copying it.
class BlockStock {
 public:
  BlockStock(TensorType type, int cols, Random& random) : info_(info_of(type)) {
    // Plain floats: pieces of 32.
    piece_weights_ = info_.block_weights > 1 ? info_.block_weights : 32;
    piece_bytes_ = info_.block_bytes * static_cast<std::size_t>(piece_weights_ / info_.block_weights);
    const int pieces = kClasses * kPieces;
    std::vector<float> weights(static_cast<std::size_t>(pieces) * static_cast<std::size_t>(piece_weights_));
    const float deviation = 0.6f / std::sqrt(static_cast<float>(cols));
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::size_t row_class =
          i / (static_cast<std::size_t>(kPieces) * static_cast<std::size_t>(piece_weights_));
      weights[i] = deviation * kSpread[row_class] * random.heavy();
    }
    bytes_.resize(static_cast<std::size_t>(pieces) * piece_bytes_);
    quant::quantize(type, weights, bytes_.data());
  }

  // A row is long or short as a whole: the output head's rows differ in norm, and so do its logits.
  void fill_row(std::span<std::byte> row, Random& random) const {
    const std::uint64_t pick = random.next() % 64;
    const std::size_t row_class = pick == 0 ? 3 : pick < 4 ? 2 : pick < 20 ? 1 : 0;
    const std::byte* stock = bytes_.data() + row_class * kPieces * piece_bytes_;
    std::uint64_t bits = 0;
    for (std::size_t at = 0, i = 0; at < row.size(); at += piece_bytes_, ++i) {
      if (i % 6 == 0) bits = random.next();
      std::memcpy(row.data() + at, stock + (bits % kPieces) * piece_bytes_,
                  std::min(piece_bytes_, row.size() - at));
      bits /= kPieces;
    }
  }

 private:
  static constexpr std::size_t kPieces = 1024;
  static constexpr std::array<float, 4> kSpread = {0.9f, 1.2f, 1.8f, 3.0f};
  static constexpr int kClasses = 4;
  const TensorTypeInfo& info_;
  int piece_weights_ = 0;
  std::size_t piece_bytes_ = 0;
  std::vector<std::byte> bytes_;
};

struct Vocabulary {
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> types;
  int end_of_text = 0, im_end = 0;
};

// All bytes, then pairs and triples of letters until 293 rows are left (or 3, in a small one): control tokens
// and padding, in the numbers of the real vocabulary.
Vocabulary make_vocabulary(int size) {
  Vocabulary v;
  const int normal = size > 100'000 ? size - 293 : size - 3;
  int next_spelling = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    std::string text;
    append_utf8(text, printable ? byte : next_spelling++);
    v.tokens.push_back(text);
  }
  const std::string space = v.tokens[' '];  // as byte-level BPE spells it
  std::vector<std::string> letters = {space};
  for (char c = 'a'; c <= 'z'; ++c) letters.emplace_back(1, c);
  for (char c = 'A'; c <= 'Z'; ++c) letters.emplace_back(1, c);
  const auto room = [&] { return static_cast<int>(v.tokens.size()) < normal; };
  const auto merge = [&](const std::string& left, const std::string& right) {
    v.tokens.push_back(left + right);
    v.merges.push_back(left + " " + right);
  };
  for (const auto& a : letters)
    for (const auto& b : letters)
      if (room()) merge(a, b);
  for (const auto& a : letters)
    for (const auto& b : letters)
      for (const auto& c : letters)
        if (room()) merge(a + b, c);
  v.types.assign(v.tokens.size(), 1);
  v.end_of_text = static_cast<int>(v.tokens.size());
  v.im_end = v.end_of_text + 2;
  for (const char* control : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    v.tokens.emplace_back(control);
    v.types.push_back(3);
  }
  while (static_cast<int>(v.tokens.size()) < size) {
    v.tokens.push_back(cat("[PAD", v.tokens.size(), "]"));
    v.types.push_back(5);
  }
  return v;
}

void set_made_up_tokenizer(formats::GgufWriter& writer, int size) {
  const Vocabulary v = make_vocabulary(size);
  writer.set("tokenizer.ggml.model", formats::meta_string("gpt2"));
  writer.set("tokenizer.ggml.pre", formats::meta_string("qwen2"));
  const auto views = [](const std::vector<std::string>& texts) {
    return std::vector<std::string_view>(texts.begin(), texts.end());
  };
  writer.set("tokenizer.ggml.tokens", formats::meta_strings(views(v.tokens)));
  writer.set("tokenizer.ggml.token_type",
             formats::meta_numbers<std::int32_t>(formats::MetaType::i32, v.types));
  writer.set("tokenizer.ggml.merges", formats::meta_strings(views(v.merges)));
  writer.set("tokenizer.ggml.eos_token_id", formats::meta_u32(static_cast<std::uint32_t>(v.im_end)));
  writer.set("tokenizer.ggml.padding_token_id", formats::meta_u32(static_cast<std::uint32_t>(v.end_of_text)));
}

void take_tokenizer(formats::GgufWriter& writer, const std::string& path, int size) {
  const auto file = formats::open_model_file(path);
  const auto* tokens = file->strings("tokenizer.ggml.tokens");
  if (tokens == nullptr) fail(ErrorCode::not_found, path, ": tokenizer.ggml.tokens is missing");
  if (tokens->size() > static_cast<std::size_t>(size))
    fail(ErrorCode::invalid_argument, path, ": its ", tokens->size(), " tokens do not fit the shape's ", size,
         " rows");
  for (const auto& [key, value] : file->metadata())
    if (key.starts_with("tokenizer.")) writer.set(key, value);
}

void set_metadata(formats::GgufWriter& writer, const SyntheticSpec& spec) {
  const SyntheticShape& s = spec.shape;
  const std::string name = cat("synthetic ", s.name, ":", spec.type);
  writer.set("general.architecture", formats::meta_string(s.architecture));
  writer.set("general.name", formats::meta_string(name));
  const auto number = [&](const char* key, int value) {
    writer.set(cat(s.architecture, ".", key), formats::meta_u32(static_cast<std::uint32_t>(value)));
  };
  number("block_count", s.layers);
  number("context_length", s.context);
  number("embedding_length", s.hidden);
  number("feed_forward_length", s.ffn);
  number("attention.head_count", s.heads);
  number("attention.head_count_kv", s.kv_heads);
  number("attention.key_length", s.head_dim);
  number("attention.value_length", s.head_dim);
  writer.set(cat(s.architecture, ".rope.freq_base"), formats::meta_f32(1e6f));
  writer.set(cat(s.architecture, ".attention.layer_norm_rms_epsilon"), formats::meta_f32(1e-6f));
  if (spec.vocabulary.empty())
    set_made_up_tokenizer(writer, s.vocab);
  else
    take_tokenizer(writer, spec.vocabulary, s.vocab);
}

void write_vector(formats::GgufWriter& writer, const PlannedTensor& tensor, Random& random) {
  std::vector<float> values(tensor.shape[0]);
  const bool norm = tensor.name.ends_with("norm.weight");
  for (float& value : values) value = norm ? 1.0f + 0.1f * random.normal() : 0.2f * random.heavy();
  writer.write(std::as_bytes(std::span<const float>(values)));
}

void write_model(formats::GgufWriter& writer, const SyntheticSpec& spec, std::uint64_t seed) {
  set_metadata(writer, spec);
  const std::vector<PlannedTensor> tensors = plan_tensors(spec);
  for (const PlannedTensor& tensor : tensors) writer.add_tensor(tensor.name, tensor.type, tensor.shape);
  writer.begin();
  Random random(seed);
  std::map<std::pair<TensorType, std::size_t>, BlockStock> stocks;
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  std::vector<std::byte> chunk;
  for (const PlannedTensor& tensor : tensors) {
    if (tensor.shape.size() == 1) {
      write_vector(writer, tensor, random);
      continue;
    }
    const std::size_t rows = tensor.shape[0], cols = tensor.shape[1];
    const BlockStock& stock =
        stocks.try_emplace({tensor.type, cols}, tensor.type, static_cast<int>(cols), random).first->second;
    const std::size_t bytes = row_bytes(tensor.type, cols),
                      at_once = std::max<std::size_t>(1, kChunk / bytes);
    for (std::size_t row = 0; row < rows; row += at_once) {
      const std::size_t count = std::min(at_once, rows - row);
      chunk.resize(count * bytes);
      for (std::size_t i = 0; i < count; ++i)
        stock.fill_row(std::span(chunk).subspan(i * bytes, bytes), random);
      writer.write(chunk);
    }
  }
  writer.finish();
}

// The file in memory and its packed copy stand side by side while it is loaded.
void check_room(const SyntheticSpec& spec) {
  std::uint64_t bytes = 0;
  for (const PlannedTensor& tensor : plan_tensors(spec)) {
    std::size_t rows = 1;
    for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= tensor.shape[i];
    bytes += rows * row_bytes(tensor.type, tensor.shape.back());
  }
  const std::uint64_t available = available_memory();
  if (available > 0 && 2 * bytes > available)
    fail(ErrorCode::out_of_memory, "synthetic ", spec.shape.name, ":", spec.type, " needs ",
         2 * bytes / 1'000'000, " MB while it is loaded, there are ", available / 1'000'000,
         "; `qwen-bench run --keep FILE` writes it to disk instead");
}

}  // namespace

void write_synthetic(const SyntheticSpec& spec, const std::string& path, std::uint64_t seed) {
  formats::GgufWriter writer(path, true);
  write_model(writer, spec, seed);
}

ModelInMemory::ModelInMemory(const char* name) : fd_(::memfd_create(name, MFD_CLOEXEC)) {
  if (fd_ < 0) fail(ErrorCode::io, "cannot make a file in memory: ", std::strerror(errno));
  path_ = cat("/proc/self/fd/", fd_);
}

std::unique_ptr<ModelInMemory> ModelInMemory::bundled() {
  std::span<const std::byte> rest = builtin::model_file();
  if (rest.empty())
    fail(ErrorCode::unsupported, "this build has no bundled model: name one with -m FILE or --synthetic");
  std::unique_ptr<ModelInMemory> file(new ModelInMemory("qwen-bundled"));
  while (!rest.empty()) {
    const ssize_t written = ::write(file->fd_, rest.data(), rest.size());
    if (written < 0) fail(ErrorCode::io, "cannot write a file in memory: ", std::strerror(errno));
    rest = rest.subspan(static_cast<std::size_t>(written));
  }
  return file;
}

ModelInMemory::ModelInMemory(const SyntheticSpec& spec, std::uint64_t seed)
    : ModelInMemory("qwen-synthetic") {
  check_room(spec);
  formats::GgufWriter writer(fd_);
  write_model(writer, spec, seed);
}

ModelInMemory::~ModelInMemory() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace qwen::bench
