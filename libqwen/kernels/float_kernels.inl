// Norm, residual, SiLU, RoPE and attention over Lanes. Included inside an anonymous namespace after lanes.inl;
// no include guard.

void rms_norm(const float* x, const float* weight, float eps, int n, float* out) noexcept {
  Lanes squares = broadcast(0.0f);
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    const Lanes v = load(x + i);
    squares = fma(v, v, squares);
  }
  if (i < n) {
    const Lanes v = load_some(x + i, n - i);
    squares = fma(v, v, squares);
  }
  const float scale = 1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(n) + eps);
  const Lanes s = broadcast(scale);
  for (i = 0; i + 16 <= n; i += 16) store(out + i, load(x + i) * s * load(weight + i));
  if (i < n) store_some(out + i, load_some(x + i, n - i) * s * load_some(weight + i, n - i), n - i);
}

void add(float* x, const float* y, int n) noexcept {
  int i = 0;
  for (; i + 16 <= n; i += 16) store(x + i, load(x + i) + load(y + i));
  for (; i < n; ++i) x[i] += y[i];
}

inline Lanes silu_times(const Lanes& gate, const Lanes& up) noexcept {
  const Lanes one = broadcast(1.0f);
  return gate / (one + exp(broadcast(0.0f) - gate)) * up;
}

void silu_mul(float* gate, const float* up, int n) noexcept {
  int i = 0;
  for (; i + 16 <= n; i += 16) store(gate + i, silu_times(load(gate + i), load(up + i)));
  if (i < n) store_some(gate + i, silu_times(load_some(gate + i, n - i), load_some(up + i, n - i)), n - i);
}

// (a, b) -> (a cos - b sin, b cos + a sin)
void rope(float* x, const float* angles, int dim) noexcept {
  const int half = dim / 2;
  const float* cosines = angles;
  const float* sines = angles + half;
  int i = 0;
  for (; i + 16 <= half; i += 16) {
    const Lanes a = load(x + i), b = load(x + half + i), c = load(cosines + i), s = load(sines + i);
    store(x + i, a * c - b * s);
    store(x + half + i, b * c + a * s);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[half + i];
    x[i] = a * cosines[i] - b * sines[i];
    x[half + i] = b * cosines[i] + a * sines[i];
  }
}

inline Lanes load_element(const float* x) noexcept {
  return load(x);
}
inline Lanes load_element(const std::uint16_t* x) noexcept {
  return load_f16(x);
}

template <class T>
const T* page_keys(const KvPages& kv, int group, int head_dim) noexcept {
  constexpr int kGroups = kPageTokens / 16;
  const auto* base = reinterpret_cast<const T*>(kv.pages[group / kGroups] + kv.key_offset);
  return base + static_cast<std::size_t>(group % kGroups) * static_cast<std::size_t>(head_dim) * 16;
}

template <class T>
const T* page_values(const KvPages& kv, int token, int head_dim) noexcept {
  const auto* base = reinterpret_cast<const T*>(kv.pages[token / kPageTokens] + kv.value_offset);
  return base + static_cast<std::size_t>(token % kPageTokens) * static_cast<std::size_t>(head_dim);
}

// Queries that share a load of keys or values, and groups of 16 keys (or of 16 dimensions of values) per step:
// as many as registers hold accumulators.
constexpr int kQueryRun = kVectorsPerLanes == 1 ? 8 : 4;
constexpr int kGroupsAtOnce = kVectorsPerLanes == 1 ? 2 : 1;

// Prefetch distance, in groups of 16 keys and in values: the cache of a long context comes from memory.
constexpr int kKeysAhead = 8;
constexpr int kValuesAhead = 128;
static_assert(kPageTokens % kValuesAhead == 0);

// scores[query][key] = q . k for kQ queries and kG groups of 16 keys; the sum runs over the head's dimensions
// in order.
template <class T, int kQ, int kG>
void attention_scores_at(const AttentionArgs& args, int first, int group, int groups,
                         std::size_t stride) noexcept {
  const T* keys[kG];
  const T* later[kG];
  for (int g = 0; g < kG; ++g) {
    keys[g] = page_keys<T>(args.kv, group + g, args.head_dim);
    const int later_group = group + g + kKeysAhead;
    later[g] = later_group < groups ? page_keys<T>(args.kv, later_group, args.head_dim) : keys[g];
  }
  Lanes acc[kQ][kG];
  for (int i = 0; i < kQ; ++i)
    for (int g = 0; g < kG; ++g) acc[i][g] = broadcast(0.0f);
  for (int d = 0; d < args.head_dim; ++d) {
    for (int g = 0; g < kG; ++g) __builtin_prefetch(later[g] + static_cast<std::size_t>(d) * 16);
    Lanes k[kG];
    for (int g = 0; g < kG; ++g) k[g] = load_element(keys[g] + static_cast<std::size_t>(d) * 16);
    for (int i = 0; i < kQ; ++i) {
      const Lanes q = broadcast(args.q[first + i][d]);
      for (int g = 0; g < kG; ++g) acc[i][g] = fma(k[g], q, acc[i][g]);
    }
  }
  for (int i = 0; i < kQ; ++i)
    for (int g = 0; g < kG; ++g)
      store(args.scores + static_cast<std::size_t>(first + i) * stride +
                static_cast<std::size_t>(group + g) * 16,
            acc[i][g]);
}

template <class T, int kQ>
void attention_scores(const AttentionArgs& args, int first, std::size_t stride) noexcept {
  const int groups = (args.lengths[first + kQ - 1] + 15) / 16;
  int group = 0;
  for (; group + kGroupsAtOnce <= groups; group += kGroupsAtOnce)
    attention_scores_at<T, kQ, kGroupsAtOnce>(args, first, group, groups, stride);
  for (; group < groups; ++group) attention_scores_at<T, kQ, 1>(args, first, group, groups, stride);
}

// Replaces scores by exp(score - max), and by zero from `length` to the end of its group of 16; returns the
// sum, lane by lane and then pairwise.
inline float softmax_numerators(float* scores, int length) noexcept {
  const int groups = (length + 15) / 16;
  for (int i = length; i < groups * 16; ++i) scores[i] = -__builtin_inff();
  Lanes top = load(scores);
  for (int g = 1; g < groups; ++g) top = max(top, load(scores + g * 16));
  const Lanes m = broadcast(largest(top));
  Lanes total = broadcast(0.0f);
  for (int g = 0; g < groups; ++g) {
    const Lanes e = exp(load(scores + g * 16) - m);
    total = total + e;
    store(scores + g * 16, e);
  }
  return sum(total);
}

// acc[query] += weight * value for keys [begin, end), in order, and V * 16 dimensions from `d` on.
template <class T, int Q, int V>
inline void add_values(const AttentionArgs& args, const float* weights, std::size_t stride, int d, int begin,
                       int end, Lanes (*acc)[V]) noexcept {
  while (begin < end) {
    const int next = begin / kValuesAhead * kValuesAhead + kValuesAhead;
    const int stop = next < end ? next : end;
    const T* values = page_values<T>(args.kv, begin, args.head_dim) + d;
    // Only the run of the first dimensions prefetches, whole rows.
    const int line = d == 0 ? 64 / static_cast<int>(sizeof(T)) : args.head_dim;
    const T* later = stop < end ? page_values<T>(args.kv, stop, args.head_dim) : values;
    for (; begin < stop; ++begin, values += args.head_dim, later += args.head_dim) {
      for (int i = 0; i < args.head_dim; i += line) __builtin_prefetch(later + i);
      Lanes value[V];
      for (int v = 0; v < V; ++v) value[v] = load_element(values + v * 16);
      for (int i = 0; i < Q; ++i) {
        const Lanes w =
            broadcast(weights[static_cast<std::size_t>(i) * stride + static_cast<std::size_t>(begin)]);
        for (int v = 0; v < V; ++v) acc[i][v] = fma(value[v], w, acc[i][v]);
      }
    }
  }
}

// out[query] = sum over its own keys, in order, of weight * value, for Q queries and V * 16 dimensions from `d`
// on. The keys that all Q queries see are taken together; then each query adds the rest of its own. Values of
// later tokens are never touched: zero times an infinity there would be NaN.
template <class T, int Q, int V>
void attention_values(const AttentionArgs& args, int first, int d, std::size_t stride,
                      const float* inverse) noexcept {
  Lanes acc[Q][V];
  for (int i = 0; i < Q; ++i)
    for (int v = 0; v < V; ++v) acc[i][v] = broadcast(0.0f);
  const int shortest = args.lengths[first];
  const float* weights = args.scores + static_cast<std::size_t>(first) * stride;
  add_values<T, Q, V>(args, weights, stride, d, 0, shortest, acc);
  for (int i = 1; i < Q; ++i)
    add_values<T, 1, V>(args, weights + static_cast<std::size_t>(i) * stride, stride, d, shortest,
                        args.lengths[first + i], acc + i);
  for (int i = 0; i < Q; ++i) {
    const Lanes scale = broadcast(inverse[first + i]);
    for (int v = 0; v < V; ++v) store(args.out[first + i] + d + v * 16, acc[i][v] * scale);
  }
}

template <class T, int Q>
void attention_mix(const AttentionArgs& args, int first, std::size_t stride, const float* inverse) noexcept {
  int d = 0;
  for (; d + 16 * kGroupsAtOnce <= args.head_dim; d += 16 * kGroupsAtOnce)
    attention_values<T, Q, kGroupsAtOnce>(args, first, d, stride, inverse);
  for (; d < args.head_dim; d += 16) attention_values<T, Q, 1>(args, first, d, stride, inverse);
}

// Calls fn.template operator()<kQ>(first) for runs of at most kQueryRun queries.
template <class Fn>
inline void for_query_runs(int queries, const Fn& fn) noexcept {
  int i = 0;
  for (; i + kQueryRun <= queries; i += kQueryRun) fn.template operator()<kQueryRun>(i);
  switch (queries - i) {
    case 7: return fn.template operator()<7>(i);
    case 6: return fn.template operator()<6>(i);
    case 5: return fn.template operator()<5>(i);
    case 4: return fn.template operator()<4>(i);
    case 3: return fn.template operator()<3>(i);
    case 2: return fn.template operator()<2>(i);
    case 1: return fn.template operator()<1>(i);
    default: return;
  }
}

template <class T>
void attention_of(const AttentionArgs& args) noexcept {
  const int longest = args.lengths[args.queries - 1];
  const std::size_t stride = static_cast<std::size_t>((longest + 15) / 16) * 16;
  for_query_runs(args.queries,
                 [&]<int kQ>(int first) noexcept { attention_scores<T, kQ>(args, first, stride); });
  float inverse[kMaxQueries];
  for (int j = 0; j < args.queries; ++j) {
    float* scores = args.scores + static_cast<std::size_t>(j) * stride;
    inverse[j] = 1.0f / softmax_numerators(scores, args.lengths[j]);
  }
  for_query_runs(args.queries,
                 [&]<int kQ>(int first) noexcept { attention_mix<T, kQ>(args, first, stride, inverse); });
}

void attention(const AttentionArgs& args) noexcept {
  if (args.kv.f16) {
    attention_of<std::uint16_t>(args);
  } else {
    attention_of<float>(args);
  }
}
