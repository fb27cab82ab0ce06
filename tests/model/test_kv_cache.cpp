// The cache of one sequence: pages, copies that share them, and every element in its place.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "model/kv_cache.h"

using namespace qwen;
using namespace qwen::model;

namespace {

constexpr int kDim = 48, kPage = kernels::kPageTokens;

std::vector<float> vector_of(int layer, int head, int position, bool key) {
  std::vector<float> v(kDim);
  for (int i = 0; i < kDim; ++i)  // exact in half precision
    v[static_cast<std::size_t>(i)] =
        static_cast<float>((layer * 7 + head * 3 + position * 5 + i + (key ? 0 : 1)) % 1024);
  return v;
}

void fill(KvCache& cache, int from, int to, int shift = 0) {
  cache.prepare(from, to);
  const KvLayout& kv = cache.layout();
  for (int layer = 0; layer < kv.layers; ++layer)
    for (int head = 0; head < kv.kv_heads; ++head)
      for (int t = from; t < to; ++t) {
        cache.store_key(layer, head, t, vector_of(layer, head, t + shift, true).data());
        cache.store_value(layer, head, t, vector_of(layer, head, t + shift, false).data());
      }
}

// One token's key and value, as floats, read by the layout that kernels/kernels.h describes.
std::vector<float> read(const KvCache& cache, int layer, int head, int t, bool key) {
  const kernels::KvPages pages = cache.head(layer, head);
  const std::byte* part = pages.pages[t / kPage] + (key ? pages.key_offset : pages.value_offset);
  const auto slot = static_cast<std::size_t>(t % kPage);
  std::vector<float> v(kDim);
  for (std::size_t d = 0; d < kDim; ++d) {
    const std::size_t at = key ? (slot / 16 * kDim + d) * 16 + slot % 16 : slot * kDim + d;
    if (pages.f16) {
      std::uint16_t half;
      std::memcpy(&half, part + at * 2, 2);
      v[d] = f16_to_f32(half);
    } else {
      std::memcpy(&v[d], part + at * 4, 4);
    }
  }
  return v;
}

bool holds(const KvCache& cache, int from, int to, int shift = 0) {
  const KvLayout& kv = cache.layout();
  for (int layer = 0; layer < kv.layers; ++layer)
    for (int head = 0; head < kv.kv_heads; ++head)
      for (int t = from; t < to; ++t)
        for (const bool key : {true, false})
          if (read(cache, layer, head, t, key) != vector_of(layer, head, t + shift, key)) return false;
  return true;
}

}  // namespace

TEST_CASE("keys and values lie where the kernels look", "[model]") {
  for (const bool f16 : {true, false}) {
    KvCache cache({2, 3, kDim, f16});
    CHECK(cache.bytes() == 0);
    fill(cache, 0, 300);
    CHECK(cache.bytes() == 2 * cache.layout().page_bytes());
    CHECK(cache.layout().token_bytes() == 2u * 3 * 2 * kDim * (f16 ? 2 : 4));
    CHECK(holds(cache, 0, 300));
    // Exported and imported tokens are the same.
    KvCache other({2, 3, kDim, f16});
    other.prepare(0, 300);
    std::vector<std::byte> both(2 * kDim * cache.layout().element());
    for (int layer = 0; layer < 2; ++layer)
      for (int head = 0; head < 3; ++head)
        for (int t = 0; t < 300; ++t) {
          cache.export_token(layer, head, t, both.data());
          other.import_token(layer, head, t, both.data());
        }
    CHECK(holds(other, 0, 300));
  }
}

TEST_CASE("copies of a cache share pages until one of them writes", "[model]") {
  KvCache cache({1, 2, kDim, true});
  fill(cache, 0, 600);
  KvCache copy = cache;
  const auto page = [](const KvCache& c, int i) { return c.head(0, 0).pages[i]; };
  for (int i = 0; i < 3; ++i) CHECK(page(cache, i) == page(copy, i));
  fill(copy, 520, 610, 1);  // on the third page
  CHECK(page(cache, 0) == page(copy, 0));
  CHECK(page(cache, 1) == page(copy, 1));
  CHECK(page(cache, 2) != page(copy, 2));
  CHECK(holds(cache, 0, 600));
  CHECK(holds(copy, 0, 520));
  CHECK(holds(copy, 520, 610, 1));
  // The original writes too: it owns its last page alone by now, and shares the first two.
  const std::byte* own = page(cache, 2);
  fill(cache, 590, 620, 2);
  CHECK(page(cache, 2) == own);
  fill(cache, 10, 20, 3);
  CHECK(page(cache, 0) != page(copy, 0));
  CHECK(holds(copy, 0, 520));
  CHECK(holds(copy, 520, 610, 1));
  CHECK(holds(cache, 0, 10));
  CHECK(holds(cache, 10, 20, 3));
  CHECK(holds(cache, 20, 590));
}

TEST_CASE("values beyond half precision are kept as its largest", "[model]") {
  KvCache cache(KvLayout{1, 1, kDim, true});
  cache.prepare(0, 1);
  std::vector<float> wide(kDim, 1.0f);
  wide[0] = 1e30f, wide[1] = -INFINITY, wide[2] = 65519.0f, wide[3] = -65504.0f;
  cache.store_key(0, 0, 0, wide.data());
  cache.store_value(0, 0, 0, wide.data());
  for (const bool key : {true, false}) {
    const std::vector<float> kept = read(cache, 0, 0, 0, key);
    CHECK(std::vector(kept.begin(), kept.begin() + 5) ==
          std::vector{65504.0f, -65504.0f, 65504.0f, -65504.0f, 1.0f});
  }
}

TEST_CASE("truncating a cache gives back whole pages", "[model]") {
  KvCache cache({1, 1, kDim, false});
  fill(cache, 0, 700);
  const std::size_t page = cache.layout().page_bytes();
  CHECK(cache.bytes() == 3 * page);
  cache.truncate(513);
  CHECK(cache.bytes() == 3 * page);
  cache.truncate(512);
  CHECK(cache.bytes() == 2 * page);
  CHECK(holds(cache, 0, 512));
  cache.truncate(1);
  CHECK(cache.bytes() == page);
  cache.prepare(5, 5);
  CHECK(cache.bytes() == page);
  fill(cache, 1, 260);
  CHECK(holds(cache, 0, 260));
  cache.truncate(0);
  CHECK(cache.bytes() == 0);
}
