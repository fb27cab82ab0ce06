// Sixteen floats, in vectors of any width: the unit of all float kernels, so that sums have the same order at every
// ISA level. Included inside an anonymous namespace by each ISA file, after Arch (an xsimd architecture), Batch and
// fused(a, b, c) = a * b + c rounded once, on batches. No include guard.

using IntBatch = xsimd::batch<std::int32_t, Arch>;
constexpr int kVectorsPerLanes = 16 / static_cast<int>(Batch::size);
constexpr int kFloatsPerVector = static_cast<int>(Batch::size);

struct Lanes {
  Batch part[kVectorsPerLanes];
};

#define FOR_EACH_PART(i) for (int i = 0; i < kVectorsPerLanes; ++i)

inline Lanes broadcast(float x) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = Batch(x);
  return r;
}
inline Lanes load(const float* x) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = Batch::load_unaligned(x + i * kFloatsPerVector);
  return r;
}
inline void store(float* x, const Lanes& a) noexcept {
  FOR_EACH_PART(i) a.part[i].store_unaligned(x + i * kFloatsPerVector);
}
inline Lanes operator+(const Lanes& a, const Lanes& b) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = a.part[i] + b.part[i];
  return r;
}
inline Lanes operator-(const Lanes& a, const Lanes& b) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = a.part[i] - b.part[i];
  return r;
}
inline Lanes operator*(const Lanes& a, const Lanes& b) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = a.part[i] * b.part[i];
  return r;
}
inline Batch quotient(const Batch& a, const Batch& b) noexcept {
#if defined(__aarch64__)
  return Batch(vdivq_f32(a, b));  // xsimd 8.1 multiplies by an approximate reciprocal
#else
  return a / b;
#endif
}
inline Lanes operator/(const Lanes& a, const Lanes& b) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = quotient(a.part[i], b.part[i]);
  return r;
}
// a * b + c, rounded once.
inline Lanes fma(const Lanes& a, const Lanes& b, const Lanes& c) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = fused(a.part[i], b.part[i], c.part[i]);
  return r;
}
inline Lanes max(const Lanes& a, const Lanes& b) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = xsimd::max(a.part[i], b.part[i]);
  return r;
}
inline Lanes min(const Lanes& a, const Lanes& b) noexcept {
  Lanes r;
  FOR_EACH_PART(i) r.part[i] = xsimd::min(a.part[i], b.part[i]);
  return r;
}

// The sum of all lanes, pairwise: ((0+8)+(4+12))+... : the same tree on every level.
inline float sum(const Lanes& a) noexcept {
  float v[16];
  store(v, a);
  for (int width = 8; width >= 1; width /= 2)
    for (int i = 0; i < width; ++i) v[i] += v[i + width];
  return v[0];
}
inline float largest(const Lanes& a) noexcept {
  float v[16];
  store(v, a);
  float m = v[0];
  for (int i = 1; i < 16; ++i) m = v[i] > m ? v[i] : m;
  return m;
}

// e^x for x <= 88, 0 below -87.3: x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite's two-part ln 2), then
// the Taylor polynomial of degree 7 of e^r (remainder below 6e-9 relative), times 2^n.
inline Lanes exp(const Lanes& x) noexcept {
  Lanes result;
  FOR_EACH_PART(i) {
    const Batch clamped = xsimd::max(xsimd::min(x.part[i], Batch(88.0f)), Batch(-87.33654f));
    const Batch n = xsimd::nearbyint(clamped * Batch(1.44269504f));
    Batch r = fused(n, Batch(-0.693359375f), clamped);
    r = fused(n, Batch(2.12194440e-4f), r);
    Batch p = Batch(1.0f / 5040);
    p = fused(p, r, Batch(1.0f / 720));
    p = fused(p, r, Batch(1.0f / 120));
    p = fused(p, r, Batch(1.0f / 24));
    p = fused(p, r, Batch(1.0f / 6));
    p = fused(p, r, Batch(0.5f));
    p = fused(p, r, Batch(1.0f));
    p = fused(p, r, Batch(1.0f));
    const IntBatch exponent = (xsimd::to_int(n) + IntBatch(127)) << 23;
    const Batch scaled = p * xsimd::bitwise_cast<Batch>(exponent);
    result.part[i] = xsimd::select(x.part[i] < Batch(-87.33654f), Batch(0.0f), scaled);
  }
  return result;
}

// The first n (1 to 15) floats, zeros behind them.
inline Lanes load_some(const float* x, int n) noexcept {
  float v[16] = {};
  for (int i = 0; i < n; ++i) v[i] = x[i];
  return load(v);
}
inline void store_some(float* x, const Lanes& a, int n) noexcept {
  float v[16];
  store(v, a);
  for (int i = 0; i < n; ++i) x[i] = v[i];
}
