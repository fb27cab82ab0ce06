#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/half.h"

namespace qwen::model {
namespace {

using kernels::kPageTokens;

// Stores n elements `stride` apart: 16 for keys, 1 for values.
void store_elements(std::byte* page_part, std::size_t first, std::size_t stride, bool f16, int n,
                    const float* in) {
  if (f16) {
    auto* out = reinterpret_cast<std::uint16_t*>(page_part);
    // Saturates: a single value beyond half precision would make every later token's output infinite or NaN.
    constexpr float kLargest = 65504.0f;
    for (int i = 0; i < n; ++i)
      out[first + static_cast<std::size_t>(i) * stride] = f32_to_f16(std::clamp(in[i], -kLargest, kLargest));
  } else {
    auto* out = reinterpret_cast<float*>(page_part);
    for (int i = 0; i < n; ++i) out[first + static_cast<std::size_t>(i) * stride] = in[i];
  }
}

// Moves n elements between a page, where they lie `stride` apart, and a packed vector.
template <class T>
void copy_out(const std::byte* page_part, std::size_t first, std::size_t stride, int n, std::byte* out) {
  const T* in = reinterpret_cast<const T*>(page_part) + first;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
    std::memcpy(out + i * sizeof(T), in + i * stride, sizeof(T));
}
template <class T>
void copy_in(std::byte* page_part, std::size_t first, std::size_t stride, int n, const std::byte* in) {
  T* out = reinterpret_cast<T*>(page_part) + first;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
    std::memcpy(out + i * stride, in + i * sizeof(T), sizeof(T));
}

std::size_t first_key_element(int position, int head_dim) {
  const int slot = position % kPageTokens;
  return static_cast<std::size_t>(slot / 16) * static_cast<std::size_t>(head_dim) * 16 +
         static_cast<std::size_t>(slot % 16);
}

std::size_t first_value_element(int position, int head_dim) {
  return static_cast<std::size_t>(position % kPageTokens) * static_cast<std::size_t>(head_dim);
}

}  // namespace

KvLayout kv_layout(const ModelShape& shape, KvType type) {
  return {shape.layers, shape.kv_heads, shape.head_dim, type == KvType::f16};
}

void KvCache::prepare(int from, int to) {
  if (from >= to) return;
  const auto first = static_cast<std::size_t>(from / kPageTokens);
  const auto count = static_cast<std::size_t>(ceil_div(to, kPageTokens));
  for (std::size_t i = first; i < count; ++i) {
    if (i < pages_.size() && pages_[i].use_count() == 1) {
      // use_count() is a relaxed load. Another thread may have dropped the last other reference just now, and
      // its reads of the page must come before our writes: taking and dropping a reference is a
      // read-modify-write of the count, which synchronizes with that drop.
      std::shared_ptr<AlignedBuffer>(pages_[i]).reset();
      continue;
    }
    auto page = std::make_shared<AlignedBuffer>(layout_.page_bytes());
    if (i < pages_.size()) {
      std::memcpy(page->data(), pages_[i]->data(), page->size());
      pages_[i] = std::move(page);
    } else {
      pages_.reserve(i + 1);
      pointers_.reserve(i + 1);
      pages_.push_back(std::move(page));
      pointers_.push_back(nullptr);
    }
    pointers_[i] = pages_[i]->data();
  }
}

void KvCache::truncate(int length) {
  keep_pages(static_cast<std::size_t>(ceil_div(length, kPageTokens)));
}

void KvCache::rewind(int length) {
  const auto next = static_cast<std::size_t>(length / kPageTokens);
  if (next < pages_.size() && pages_[next].use_count() == 1)
    keep_pages(next + 1);
  else
    truncate(length);
}

void KvCache::keep_pages(std::size_t count) {
  if (count < pages_.size()) {
    pages_.resize(count);
    pointers_.resize(count);
  }
}

std::size_t KvCache::bytes() const noexcept {
  return pages_.size() * layout_.page_bytes();
}

void KvCache::store_key(int layer, int head, int position, const float* key) noexcept {
  std::byte* page = pages_[static_cast<std::size_t>(position / kPageTokens)]->data();
  store_elements(page + layout_.key_offset(layer, head), first_key_element(position, layout_.head_dim), 16,
                 layout_.f16, layout_.head_dim, key);
}

void KvCache::store_value(int layer, int head, int position, const float* value) noexcept {
  std::byte* page = pages_[static_cast<std::size_t>(position / kPageTokens)]->data();
  store_elements(page + layout_.value_offset(layer, head), first_value_element(position, layout_.head_dim), 1,
                 layout_.f16, layout_.head_dim, value);
}

void KvCache::export_token(int layer, int head, int position, std::byte* out) const noexcept {
  const std::byte* page = pages_[static_cast<std::size_t>(position / kPageTokens)]->data();
  const int dim = layout_.head_dim;
  const auto copy = layout_.f16 ? copy_out<std::uint16_t> : copy_out<float>;
  copy(page + layout_.key_offset(layer, head), first_key_element(position, dim), 16, dim, out);
  copy(page + layout_.value_offset(layer, head), first_value_element(position, dim), 1, dim,
       out + static_cast<std::size_t>(dim) * layout_.element());
}

void KvCache::import_token(int layer, int head, int position, const std::byte* in) noexcept {
  std::byte* page = pages_[static_cast<std::size_t>(position / kPageTokens)]->data();
  const int dim = layout_.head_dim;
  const auto copy = layout_.f16 ? copy_in<std::uint16_t> : copy_in<float>;
  copy(page + layout_.key_offset(layer, head), first_key_element(position, dim), 16, dim, in);
  copy(page + layout_.value_offset(layer, head), first_value_element(position, dim), 1, dim,
       in + static_cast<std::size_t>(dim) * layout_.element());
}

}  // namespace qwen::model
