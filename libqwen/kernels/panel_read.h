// Reads single values of a panel: the layout of panel.h as code. For the scalar kernels, rows of the embedding and
// tests; not for ISA files.
#pragma once
#include <cstring>

#include "base/half.h"
#include "kernels/panel.h"
#include "quant/blocks.h"

namespace qwen::kernels {

struct GroupScale {
  float scale;
  float min;
};

class PanelReader {
 public:
  PanelReader(TensorType type, const std::byte* panel, const std::byte* low = nullptr)
      : format_(panel_format(type)),
        panel_(reinterpret_cast<const std::uint8_t*>(panel)),
        low_(reinterpret_cast<const std::uint8_t*>(low)) {}
  // The panel of a matrix that holds `row`.
  static PanelReader of(const Matrix& matrix, int row) {
    const auto panel = static_cast<std::size_t>(row / kPanelRows);
    return PanelReader(matrix.type, matrix.data + panel * matrix.stride,
                       matrix.low == nullptr ? nullptr : matrix.low + panel * matrix.low_stride);
  }

  // The unsigned code of one weight (IQ4: the table's value + 128).
  int code(int row, int col) const {
    const std::uint8_t* lines = block(col / kBlock);
    const int j = col % kBlock / 4, byte = row * 4 + col % 4;
    const auto line = [&](int i) { return static_cast<int>(lines[i * 64 + byte]); };
    switch (format_.bits) {
      case 8: return line(j);
      case 6: return nibble(lines, j, byte) | ((line(4 + j / 4) >> (2 * (j % 4))) & 3) << 4;
      case 5: return nibble(lines, j, byte) | ((line(4) >> j) & 1) << 4;
      case 4: {
        const int u = nibble(lines, j, byte);
        if (format_.two_plane) return u * 16 + low_nibble(row, col);
        return format_.table ? quant::kIq4Values[u] + 128 : u;
      }
      case 3: return ((line(j / 4) >> (2 * (j % 4))) & 3) | ((line(2) >> j) & 1) << 2;
      default: return (line(j / 4) >> (2 * (j % 4))) & 3;
    }
  }

  // The high and the low nibble of a code of kQ8TwoPlane.
  int high_nibble(int row, int col) const {
    return nibble(block(col / kBlock), col % kBlock / 4, row * 4 + col % 4);
  }

  int low_nibble(int row, int col) const {
    const int i = col % kBlock;
    const int both = low_[low_block_at(col / kBlock) + row * kLowRowBytes + i % 16];
    return i < 16 ? both & 15 : both >> 4;
  }

  // Scale and min of the group that a column belongs to; both are exact in float.
  GroupScale group(int row, int col) const {
    const std::uint8_t* r = record(col / kBlock);
    const int in_record = col % (format_.record_blocks() * kBlock);
    if (format_.scales == ScaleKind::plain) {
      const int at = (in_record / kBlock * kPanelRows + row) * 2;
      return {half(r + at), format_.min ? half(r + format_.min_at() + at) : 0.0f};
    }
    const float d = half(r + row * 2);
    const float dmin = format_.min ? half(r + format_.min_at() + row * 2) : 0.0f;
    const std::uint8_t* bytes = r + format_.bytes_at();
    const int at = in_record / format_.group * kPanelRows + row;
    switch (format_.scales) {
      case ScaleKind::bytes: return {d * static_cast<float>(static_cast<std::int8_t>(bytes[at])), 0.0f};
      case ScaleKind::bytes_min:
        return {d * static_cast<float>(bytes[at]),
                dmin * static_cast<float>(bytes[format_.scale_bytes() / 2 + at])};
      default: return {d * static_cast<float>(bytes[at] & 15), dmin * static_cast<float>(bytes[at] >> 4)};
    }
  }

  float weight(int row, int col) const {
    const GroupScale g = group(row, col);
    return g.scale * static_cast<float>(code(row, col) - format_.offset) - g.min;
  }

 private:
  const std::uint8_t* record(int block_index) const {
    return panel_ + static_cast<std::size_t>(block_index / format_.record_blocks()) *
                        static_cast<std::size_t>(format_.record_bytes());
  }
  const std::uint8_t* block(int block_index) const {
    return record(block_index) + format_.codes_at() +
           block_index % format_.record_blocks() * format_.block_bytes();
  }
  static int nibble(const std::uint8_t* lines, int j, int byte) {
    const int both = lines[j % 4 * 64 + byte];
    return j < 4 ? both & 15 : both >> 4;
  }
  static float half(const std::uint8_t* at) {
    std::uint16_t bits;
    std::memcpy(&bits, at, sizeof bits);
    return f16_to_f32(bits);
  }

  PanelFormat format_;
  const std::uint8_t* panel_;
  const std::uint8_t* low_;
};

}  // namespace qwen::kernels
