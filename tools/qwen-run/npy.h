// NumPy's files.
#pragma once
#include <bit>
#include <cstddef>
#include <string>

namespace qwen_run {

static_assert(std::endian::native == std::endian::little);  // of the values, which follow the header

// The header of a .npy file, version 1.0, of a C-ordered float32 array [rows, cols].
inline std::string npy_header(std::size_t rows, std::size_t cols) {
  std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(cols) + "), }";
  // Magic, version and length take 10 bytes; the whole is padded to a multiple of 64 and ends with a line
  // break.
  dict.append(63 - (10 + dict.size()) % 64, ' ');
  dict += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

}  // namespace qwen_run
