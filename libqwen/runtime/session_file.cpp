#include "runtime/session_file.h"

#include <cstring>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/mapped_file.h"
#include "runtime/state.h"

namespace qwen::runtime {
namespace {

constexpr char kMagic[8] = {'Q', 'W', 'E', 'N', 'K', 'V', '0', '1'};

struct Header {
  char magic[8];
  std::uint64_t fingerprint;
  std::uint32_t layers, kv_heads, head_dim, f16, tokens, hidden;
};
static_assert(sizeof(Header) == 40);

Header header_of(const Sequence& s) {
  const model::KvLayout& kv = s.cache.layout();
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.fingerprint = s.model->fingerprint;
  header.layers = static_cast<std::uint32_t>(kv.layers);
  header.kv_heads = static_cast<std::uint32_t>(kv.kv_heads);
  header.head_dim = static_cast<std::uint32_t>(kv.head_dim);
  header.f16 = kv.f16 ? 1 : 0;
  header.tokens = static_cast<std::uint32_t>(s.tokens.size());
  header.hidden = static_cast<std::uint32_t>(s.hidden.size());
  return header;
}

// Writes and hashes.
class Writer {
 public:
  explicit Writer(const std::string& path) : file_(path) {}
  void put(const void* data, std::size_t size) {
    hash_ = fnv1a(data, size, hash_);
    file_.write(data, size);
  }
  void finish() {
    file_.write(&hash_, sizeof hash_);
    file_.commit();
  }

 private:
  AtomicFile file_;
  std::uint64_t hash_ = kFnvStart;
};

// Bytes of the vectors of one layer and head, keys and values, for n tokens.
std::size_t vector_bytes(const model::KvLayout& kv) {
  return static_cast<std::size_t>(kv.head_dim) * kv.element();
}

}  // namespace

void save_sequence(const Sequence& s, const std::string& path) {
  Writer out(path);
  const Header header = header_of(s);
  out.put(&header, sizeof header);
  out.put(s.tokens.data(), s.tokens.size() * sizeof(Token));
  out.put(s.hidden.data(), s.hidden.size() * sizeof(float));
  const model::KvLayout& kv = s.cache.layout();
  std::vector<std::byte> both(2 * vector_bytes(kv) * s.tokens.size());
  for (int layer = 0; layer < kv.layers; ++layer)
    for (int head = 0; head < kv.kv_heads; ++head) {
      for (int t = 0; t < s.position(); ++t)
        s.cache.export_token(layer, head, t,
                             both.data() + static_cast<std::size_t>(t) * 2 * vector_bytes(kv));
      out.put(both.data(), both.size());
    }
  out.finish();
}

void load_sequence(Sequence& s, const std::string& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  const auto bad = [&](const auto&... parts) { fail(ErrorCode::bad_format, path, ": ", parts...); };
  Header header;
  if (bytes.size() < sizeof header + sizeof(std::uint64_t))
    bad("not a session file: only ", bytes.size(), " bytes");
  std::memcpy(&header, bytes.data(), sizeof header);
  const Header own = header_of(s);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) bad("not a session file of version 01");
  if (header.fingerprint != own.fingerprint) bad("the session was saved with another model");
  if (header.layers != own.layers || header.kv_heads != own.kv_heads || header.head_dim != own.head_dim ||
      header.f16 != own.f16)
    bad("the session was saved with another KV cache type");
  const auto width = static_cast<std::uint32_t>(s.model->info.shape.hidden);
  if (header.hidden != 0 && header.hidden != width)
    bad("expected a state of ", width, " floats, found ", header.hidden);
  const model::KvLayout& kv = s.cache.layout();
  const std::size_t per_token =
      static_cast<std::size_t>(kv.layers * kv.kv_heads) * 2 * vector_bytes(kv) + sizeof(Token);
  const std::size_t expected = sizeof header + checked_mul(per_token, header.tokens, path) +
                               header.hidden * sizeof(float) + sizeof(std::uint64_t);
  if (bytes.size() != expected)
    bad("expected ", expected, " bytes for ", header.tokens, " tokens, found ", bytes.size());
  std::uint64_t hash;
  std::memcpy(&hash, bytes.data() + bytes.size() - sizeof hash, sizeof hash);
  if (hash != fnv1a(bytes.data(), bytes.size() - sizeof hash))
    bad("the content is damaged (its hash differs)");
  if (header.tokens > static_cast<std::uint32_t>(s.context))
    fail(ErrorCode::context_full, path, ": ", header.tokens, " tokens do not fit into a context of ",
         s.context);

  const std::byte* at = bytes.data() + sizeof header;
  const auto take = [&]<class T>(std::vector<T>& out) {
    if (!out.empty()) std::memcpy(out.data(), at, out.size() * sizeof(T));
    at += out.size() * sizeof(T);
  };
  std::vector<Token> tokens(header.tokens);
  take(tokens);
  for (const Token token : tokens)
    if (token < 0 || token >= s.model->info.shape.embedding_rows) bad("token id ", token, " is out of range");
  std::vector<float> hidden(header.hidden);
  take(hidden);
  model::KvCache cache(kv);
  cache.prepare(0, static_cast<int>(header.tokens));
  for (int layer = 0; layer < kv.layers; ++layer)
    for (int head = 0; head < kv.kv_heads; ++head)
      for (int t = 0; t < static_cast<int>(header.tokens); ++t, at += 2 * vector_bytes(kv))
        cache.import_token(layer, head, t, at);
  s.cache = std::move(cache);
  s.tokens = std::move(tokens);
  s.hidden = std::move(hidden);
}

}  // namespace qwen::runtime
