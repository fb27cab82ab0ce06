// Q8_0 heads in two planes whose low nibbles are random, or chosen to break an estimate of them.
#pragma once
#include "kernels/kernel_data.h"
#include "model/activations.h"

namespace qwen::kernels {

enum class Codes {
  random,         // independent normal weights
  extreme,        // all codes 127 or -127
  signs,          // 127 for positive, -128 for negative weights: low nibbles follow the sign
  four_bit_grid,  // 8-bit codes of weights that were rounded to 16 levels
  equal,          // all rows equal: every logit is a tie
  aligned,        // row 0 has the low nibbles that the activations of FilledActivations weigh most
};

inline std::vector<float> activations_of(int tokens, int cols) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(tokens * cols));
  for (float& value : x) value = normal(random);
  return x;
}

struct TwoPlaneHead {
  TwoPlaneHead(int rows, int cols, unsigned seed, Codes codes = Codes::random) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> weights(static_cast<std::size_t>(rows * cols));
    for (float& w : weights) w = normal(random);
    const std::size_t row = row_bytes(TensorType::q8_0, static_cast<std::size_t>(cols));
    source.resize(row * static_cast<std::size_t>(rows));
    quant::quantize(TensorType::q8_0, weights, source.data());
    change_codes(rows, cols, codes);
    if (codes == Codes::equal)
      for (int r = 1; r < rows; ++r)
        std::copy(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(row),
                  source.begin() + static_cast<std::ptrdiff_t>(row) * r);
    pack(rows, cols);
  }
  void pack(int rows, int cols) {
    const auto panels = static_cast<std::size_t>(ceil_div(rows, kPanelRows));
    whole = {TensorType::q8_0, true, rows, cols};
    whole.stride = panel_bytes(TensorType::q8_0, cols);
    two_plane = {kQ8TwoPlane, true, rows, cols};
    two_plane.stride = panel_bytes(kQ8TwoPlane, cols);
    two_plane.low_stride = low_panel_bytes(cols);
    whole_data.resize(whole.stride * panels);
    high.resize(two_plane.stride * panels);
    low.resize(two_plane.low_stride * panels);
    pack_panels(TensorType::q8_0, TensorType::q8_0, source.data(), rows, cols, whole_data.data());
    low_norms.resize(panels * kPanelRows);
    pack_two_plane_panels(source.data(), rows, cols, high.data(), low.data(), low_norms.data());
    whole.data = whole_data.data();
    two_plane.data = high.data();
    two_plane.low = low.data();
    two_plane.low_norm = low_norms.data();
  }
  void change_codes(int rows, int cols, Codes kind) {
    const std::vector<float> x = activations_of(1, cols);
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c) {
        const std::size_t block = static_cast<std::size_t>(r * (cols / kBlock) + c / kBlock);
        std::byte& at = source[block * 34 + 2 + static_cast<std::size_t>(c % kBlock)];
        int code = static_cast<std::int8_t>(at);
        switch (kind) {
          case Codes::random: break;
          case Codes::extreme: code = code < 0 ? -127 : 127; break;
          case Codes::signs: code = code < 0 ? -128 : 127; break;
          case Codes::four_bit_grid: code = std::clamp((code + 136) / 17 * 17 - 136, -127, 127); break;
          case Codes::equal: code = c * 7 % 255 - 127; break;
          case Codes::aligned:
            if (r == 0) code = (code & ~15) | (x[static_cast<std::size_t>(c)] < 0 ? 0 : 15);
            break;
        }
        at = static_cast<std::byte>(code);
      }
  }

  std::vector<std::byte> source, whole_data, high, low;
  std::vector<float> low_norms;
  Matrix whole, two_plane;
};

struct FilledActivations {
  FilledActivations(const Kernels& table, int tokens, int cols) {
    buffer.reserve(tokens, cols, kActivationQ8);
    view = buffer.view(tokens, cols);
    const std::vector<float> x = activations_of(tokens, cols);
    for (int t = 0; t < tokens; ++t) model::store_activations(table, view, t, 0, x.data() + t * cols, cols);
  }
  model::ActivationBuffer buffer;
  Activations view;
};

}  // namespace qwen::kernels
