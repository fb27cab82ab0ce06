// Unicode normalization form C (NFC), which the split pattern and BPE expect.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace qwen::tokenizer {

// `text` with each maximal invalid byte sequence replaced by U+FFFD. Returns `text` itself if it is
// valid, else a view of `storage`.
std::string_view to_valid(std::string_view text, std::string& storage);

// The same, in NFC. O(n log n) for any text.
std::string_view to_nfc(std::string_view text, std::string& storage);

// True only for code points that NFC never changes, reorders or composes with the preceding character
// (combining class 0 and NFC_Quick_Check=Yes). Some inert code points are not in the table and return false.
bool is_inert(std::int32_t code_point) noexcept;

// Unicode's \w (letters, marks, decimal and letter digits, connectors, joiners) and White_Space; false for -1.
bool is_word(std::int32_t code_point) noexcept;
bool is_white_space(std::int32_t code_point) noexcept;

}  // namespace qwen::tokenizer
