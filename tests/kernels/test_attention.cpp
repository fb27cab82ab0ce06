// Attention over paged keys and values against float64, and what must not matter to it.
#include <catch2/catch.hpp>
#include <limits>

#include "kernels/kernel_data.h"

using namespace qwen;
using namespace qwen::kernels;

namespace {

constexpr double kHalfUlp = 0x1p-24;

// One KV head of random keys and values in pages; everything that attention must not look at is NaN.
template <class T>
class Head {
 public:
  Head(int length, int head_dim, unsigned seed) : length_(length), dim_(static_cast<std::size_t>(head_dim)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 1);
    const std::size_t part = kPageTokens * dim_;
    const int pages = ceil_div(length, kPageTokens);
    // The keys and values of other heads would lie before and between; those before are NaN too.
    for (int p = 0; p < pages; ++p) {
      pages_.push_back(std::make_unique<GuardedBuffer<T>>(kBefore + 2 * part));
      for (std::size_t i = 0; i < pages_.back()->size(); ++i) (*pages_.back())[i] = store(nan_);
      pointers_.push_back(reinterpret_cast<const std::byte*>(pages_.back()->data()));
    }
    keys_.resize(static_cast<std::size_t>(length) * dim_);
    values_.resize(keys_.size());
    for (std::size_t t = 0; t < static_cast<std::size_t>(length); ++t) {
      T* page = pages_[t / kPageTokens]->data() + kBefore;
      const std::size_t slot = t % kPageTokens;
      for (std::size_t d = 0; d < dim_; ++d) {
        T& key = page[slot / 16 * dim_ * 16 + d * 16 + slot % 16];
        T& value = page[part + slot * dim_ + d];
        key = store(normal(random)), value = store(normal(random));
        keys_[t * dim_ + d] = load(key), values_[t * dim_ + d] = load(value);
      }
    }
    kv_ = {pointers_.data(), kBefore * sizeof(T), (kBefore + part) * sizeof(T), sizeof(T) == 2};
  }

  const KvPages& kv() const { return kv_; }

  // Sets all elements of one token's key and value; reference() does not follow.
  void overwrite(int token, float x) {
    const auto t = static_cast<std::size_t>(token);
    T* page = pages_[t / kPageTokens]->data() + kBefore;
    const std::size_t slot = t % kPageTokens;
    for (std::size_t d = 0; d < dim_; ++d) {
      page[slot / 16 * dim_ * 16 + d * 16 + slot % 16] = store(x);
      page[kPageTokens * dim_ + slot * dim_ + d] = store(x);
    }
  }

  struct Expected {
    std::vector<double> out, tolerance;
  };
  // The attention of one query in float64, and how far a float one may be off.
  Expected reference(const float* q, int length) const {
    std::vector<double> score(static_cast<std::size_t>(length));
    double top = -1e300, products = 0;
    for (std::size_t t = 0; t < score.size(); ++t) {
      double size = 0;
      for (std::size_t d = 0; d < dim_; ++d) {
        score[t] += static_cast<double>(q[d]) * keys_[t * dim_ + d];
        size += std::fabs(static_cast<double>(q[d]) * keys_[t * dim_ + d]);
      }
      top = std::max(top, score[t]);
      products = std::max(products, size);
    }
    double sum = 0;
    for (double& s : score) sum += s = std::exp(s - top);
    Expected expected{std::vector<double>(dim_), std::vector<double>(dim_)};
    // A score is off by (dim + 1) roundings of its products (unfused: twice as many), a difference of two
    // scores by twice that; e^x adds three, the sums of weights and of values one a step.
    const double n = static_cast<double>(length);
    const double relative =
        (2 * (2 * static_cast<double>(dim_) + 2) * products + 2 * n + n / 16 + 16) * kHalfUlp;
    for (std::size_t d = 0; d < dim_; ++d) {
      double size = 0;
      for (std::size_t t = 0; t < score.size(); ++t) {
        expected.out[d] += score[t] / sum * values_[t * dim_ + d];
        size += score[t] / sum * std::fabs(values_[t * dim_ + d]);
      }
      expected.tolerance[d] = relative * size;
    }
    return expected;
  }

 private:
  static constexpr std::size_t kBefore = 24;
  static constexpr float nan_ = std::numeric_limits<float>::quiet_NaN();
  static T store(float x) {
    if constexpr (sizeof(T) == 2) {
      return f32_to_f16(x);
    } else {
      return x;
    }
  }
  static float load(T x) {
    if constexpr (sizeof(T) == 2) {
      return f16_to_f32(x);
    } else {
      return x;
    }
  }

  int length_;
  std::size_t dim_;
  std::vector<std::unique_ptr<GuardedBuffer<T>>> pages_;
  std::vector<const std::byte*> pointers_;
  std::vector<float> keys_, values_;  // [length][dim]
  KvPages kv_;
};

struct Queries {
  Queries(int count, int head_dim, unsigned seed) : dim(static_cast<std::size_t>(head_dim)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 1);
    for (int i = 0; i < count; ++i) {
      rows.push_back(std::make_unique<GuardedBuffer<float>>(dim, 4));
      for (float& x : rows.back()->span()) x = normal(random) / std::sqrt(static_cast<float>(head_dim)) * 2;
    }
  }
  std::size_t dim;
  std::vector<std::unique_ptr<GuardedBuffer<float>>> rows;
};

// Attention of queries [first, first + count) with one table; [count][dim].
std::vector<float> attend(const Kernels& table, const KvPages& kv, const Queries& queries,
                          const std::vector<int>& lengths, std::size_t first, std::size_t count) {
  std::vector<std::unique_ptr<GuardedBuffer<float>>> outs;
  std::vector<const float*> q;
  std::vector<float*> out;
  for (std::size_t i = first; i < first + count; ++i) {
    outs.push_back(std::make_unique<GuardedBuffer<float>>(queries.dim, 4));
    q.push_back(queries.rows[i]->data());
    out.push_back(outs.back()->data());
  }
  const std::size_t longest = static_cast<std::size_t>(lengths[first + count - 1]);
  GuardedBuffer<float> scores(count * round_up(longest, 16));
  AttentionArgs task;
  task.kv = kv;
  task.head_dim = static_cast<int>(queries.dim);
  task.queries = static_cast<int>(count);
  task.q = q.data();
  task.out = out.data();
  task.lengths = lengths.data() + first;
  task.scores = scores.data();
  table.attention(task);
  std::vector<float> result;
  for (const auto& row : outs) {
    REQUIRE(row->intact());
    result.insert(result.end(), row->data(), row->data() + queries.dim);
  }
  REQUIRE(scores.intact());
  return result;
}

// Queries of consecutive tokens, `heads` of each, the last of them at `length`.
template <class T>
void check(int length, int head_dim, int count, int heads = 1) {
  std::vector<int> lengths;
  for (int i = 0; i < count; ++i) lengths.push_back(std::max(1, length - (count - 1) / heads + i / heads));
  const Head<T> head(lengths.back(), head_dim, static_cast<unsigned>(length * 1000 + head_dim));
  const Queries queries(count, head_dim, static_cast<unsigned>(count));
  std::vector<float> first_level;
  for (const Kernels* table : available_kernels()) {
    INFO(to_string(table->isa) << (sizeof(T) == 2 ? " f16" : " f32") << ", length " << length << ", head_dim "
                               << head_dim << ", " << count << " queries of " << heads << " heads");
    const auto found = attend(*table, head.kv(), queries, lengths, 0, static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const auto expected = head.reference(queries.rows[i]->data(), lengths[i]);
      for (std::size_t d = 0; d < queries.dim; ++d) {
        const float y = found[i * queries.dim + d];
        if (!(std::fabs(y - expected.out[d]) <= expected.tolerance[d]))
          FAIL("query " << i << ", dimension " << d << ": expected " << expected.out[d] << " within "
                        << expected.tolerance[d] << ", found " << y);
      }
      // The other queries in the task must not matter, bit for bit.
      const auto alone = attend(*table, head.kv(), queries, lengths, i, 1);
      if (std::memcmp(alone.data(), found.data() + i * queries.dim, queries.dim * sizeof(float)) != 0)
        FAIL("query " << i << " differs from the same query alone");
    }
    if (table->isa == Isa::scalar) continue;
    if (first_level.empty()) first_level = found;
    if (std::memcmp(first_level.data(), found.data(), found.size() * sizeof(float)) != 0)
      FAIL("differs from the other vector levels");
  }
  SUCCEED();
}

template <class T>
void check_everything() {
  for (int count = 1; count <= kMaxQueries; ++count) check<T>(40, 64, count);
  for (const int length : {1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 511, 512, 513, 530}) {
    check<T>(length, 64, 1);
    check<T>(length, 32, 14, 7);
    check<T>(length, 64, 9);
    check<T>(length, 16, 32, 2);
  }
  for (const int head_dim : {16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 512}) {
    check<T>(37, head_dim, 1);
    check<T>(37, head_dim, 7, 7);
    check<T>(270, head_dim, 8, 2);
    check<T>(21, head_dim, 13);
  }
}

}  // namespace

TEST_CASE("attention over f16 keys and values", "[kernels]") {
  check_everything<std::uint16_t>();
}
TEST_CASE("attention over f32 keys and values", "[kernels]") {
  check_everything<float>();
}

TEST_CASE("attention with large and equal scores", "[kernels]") {
  const int length = 50, dim = 32;
  const Head<float> head(length, dim, 9);
  for (const float factor : {0.0f, 1e-30f, 20.0f}) {
    Queries queries(3, dim, 1);
    for (auto& row : queries.rows)
      for (float& x : row->span()) x *= factor;
    const std::vector<int> lengths = {48, 49, 50};
    for (const Kernels* table : available_kernels()) {
      const auto found = attend(*table, head.kv(), queries, lengths, 0, 3);
      for (std::size_t i = 0; i < 3; ++i) {
        const auto expected = head.reference(queries.rows[i]->data(), lengths[i]);
        for (std::size_t d = 0; d < queries.dim; ++d) {
          INFO(to_string(table->isa) << " factor " << factor << ", query " << i << ", dimension " << d);
          CHECK(std::fabs(found[i * queries.dim + d] - expected.out[d]) <= expected.tolerance[d]);
        }
      }
    }
  }
}

namespace {

// Tokens [first_bad, length) hold `x`; queries that end before them give the bits that they gave before.
template <class T>
void check_later_tokens(int length, int heads, int tokens, float x) {
  const int count = heads * tokens;
  std::vector<int> lengths;
  for (int i = 0; i < count; ++i) lengths.push_back(length - tokens + 1 + i / heads);
  const Queries queries(count, 64, 3);
  for (const Kernels* kernels : available_kernels())
    for (int bad = 1; bad < tokens; ++bad) {
      Head<T> head(length, 64, 11);
      const auto before = attend(*kernels, head.kv(), queries, lengths, 0, static_cast<std::size_t>(count));
      for (int t = length - bad; t < length; ++t) head.overwrite(t, x);
      const auto after = attend(*kernels, head.kv(), queries, lengths, 0, static_cast<std::size_t>(count));
      const std::size_t same = static_cast<std::size_t>((tokens - bad) * heads) * queries.dim;
      INFO(to_string(kernels->isa) << ", length " << length << ", " << heads << " heads, " << bad
                                   << " tokens of " << x);
      CHECK(std::memcmp(before.data(), after.data(), same * sizeof(float)) == 0);
      CHECK(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)) != 0);
    }
}

}  // namespace

TEST_CASE("later tokens never change an earlier token's attention", "[kernels]") {
  for (const float x : {INFINITY, -INFINITY, NAN, 65504.0f})
    for (const int length : {4, 17, 33, 130, 258})
      for (const int heads : {1, 2, 7}) {
        check_later_tokens<float>(length, heads, 4, x);
        check_later_tokens<std::uint16_t>(length, heads, 4, x);
      }
  check_later_tokens<float>(40, 1, 32, 3e38f);
}
