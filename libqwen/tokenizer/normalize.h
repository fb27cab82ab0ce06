// Valid UTF-8 in Unicode's normalisation form C: what the split pattern and BPE work on.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace qwen::tokenizer {

// `text` with each maximal invalid byte sequence replaced by U+FFFD. Returns `text` itself where nothing
// changes, else a view of `storage`.
std::string_view to_valid(std::string_view text, std::string& storage);

// The same, and in NFC. Linear in the length up to a logarithm, whatever the text.
std::string_view to_nfc(std::string_view text, std::string& storage);

// True only for code points that NFC never changes, moves or joins with what stands before them (Unicode:
// combining class 0 and NFC_Quick_Check=Yes). False may also mean "not in the table".
bool is_inert(std::int32_t code_point) noexcept;

}  // namespace qwen::tokenizer
