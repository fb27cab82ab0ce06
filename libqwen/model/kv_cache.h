// Keys and values of one sequence.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/kernels.h"
#include "qwen/session.h"

namespace qwen::model {

// Layout of a page of kernels::kPageTokens tokens: for each layer and KV head its keys, then its values
// (layouts in kernels/kernels.h).
struct KvLayout {
  int layers = 0, kv_heads = 0, head_dim = 0;
  bool f16 = true;

  std::size_t element() const { return f16 ? 2 : 4; }
  std::size_t part_bytes() const {  // keys, or values, of one layer and head
    return static_cast<std::size_t>(kernels::kPageTokens) * static_cast<std::size_t>(head_dim) * element();
  }
  std::size_t key_offset(int layer, int head) const {
    return static_cast<std::size_t>(layer * kv_heads + head) * 2 * part_bytes();
  }
  std::size_t value_offset(int layer, int head) const { return key_offset(layer, head) + part_bytes(); }
  std::size_t page_bytes() const { return key_offset(layers, 0); }
  std::size_t token_bytes() const { return page_bytes() / kernels::kPageTokens; }
  bool operator==(const KvLayout&) const = default;
};

KvLayout kv_layout(const ModelShape& shape, KvType type);

// A sequence's cache: pages that are added as it grows. Copies share pages, and a shared page is copied before it
// is written, so copies are cheap and independent. One thread at a time per object; copies may be used by
// different threads.
class KvCache {
 public:
  explicit KvCache(const KvLayout& layout) : layout_(layout) {}

  const KvLayout& layout() const noexcept { return layout_; }
  // Makes tokens [from, to) writable: adds pages and copies shared ones. Throws out_of_memory without a change of
  // the contents.
  void prepare(int from, int to);
  // Frees the pages beyond the first `length` tokens.
  void truncate(int length);
  // The same, but keeps the page of the next token if no other cache shares it: repeatedly rewinding to the end
  // of a page and going on does not allocate.
  void rewind(int length);
  std::size_t bytes() const noexcept;  // of its pages, shared ones included
  // Addresses of the pages, layout().page_bytes() each. Two caches share a page if both have its address.
  const std::vector<const std::byte*>& pages() const noexcept { return pointers_; }

  kernels::KvPages head(int layer, int head) const noexcept {
    return {pointers_.data(), layout_.key_offset(layer, head), layout_.value_offset(layer, head),
            layout_.f16};
  }
  // Stores one token's key or value vector [head_dim] of one layer and head. prepare() must have covered the
  // position.
  void store_key(int layer, int head, int position, const float* key) noexcept;
  void store_value(int layer, int head, int position, const float* value) noexcept;
  // Copies one token's key and then value of one layer and head, [2][head_dim] elements as stored: for session
  // files.
  void export_token(int layer, int head, int position, std::byte* out) const noexcept;
  void import_token(int layer, int head, int position, const std::byte* in) noexcept;

 private:
  void keep_pages(std::size_t count);

  KvLayout layout_;
  std::vector<std::shared_ptr<AlignedBuffer>> pages_;
  std::vector<const std::byte*> pointers_;  // of pages_, for the kernels
};

}  // namespace qwen::model
