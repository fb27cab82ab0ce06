#include "tokenizer/split.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <limits>
#include <string>

#include "base/fail.h"

namespace qwen::tokenizer {
namespace {

// Unicode's White_Space, which \s means in the reference. PCRE2's \s is ASCII only, or, with PCRE2_UCP,
// includes U+180E, which is not white space since Unicode 6.3.
#define QWEN_SPACE \
  "\\t-\\r\\x20\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"

// The pattern of Qwen2's tokenizer.json with \s spelled out. Unicode's case folding makes (?i:'s) match U+017F
// too, as in the reference.
constexpr const char* kPattern =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
    "|\\p{N}"
    "|\\x20?[^" QWEN_SPACE
    "\\p{L}\\p{N}]+[\\r\\n]*"
    "|[" QWEN_SPACE
    "]*[\\r\\n]+"
    "|[" QWEN_SPACE "]+(?![^" QWEN_SPACE
    "])"
    "|[" QWEN_SPACE "]+";
#undef QWEN_SPACE

std::string message_of(int error) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct Splitter::Pattern {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  bool jit = false;
  ~Pattern() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
};

Splitter::Splitter(bool jit) {
  auto pattern = std::make_unique<Pattern>();
  int error = 0;
  PCRE2_SIZE where = 0;
  // Anchored: the alternatives cover every character, so pieces follow one another without gaps.
  pattern->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kPattern), PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_ANCHORED, &error, &where, nullptr);
  if (pattern->code == nullptr)
    fail(error == PCRE2_ERROR_HEAP_FAILED ? ErrorCode::out_of_memory : ErrorCode::internal,
         "split pattern: PCRE2 rejects it at ", where, ": ", message_of(error));
  pattern->context = pcre2_match_context_create(nullptr);
  if (pattern->context == nullptr) fail(ErrorCode::out_of_memory, "split pattern: no memory for PCRE2");
  // The interpreter counts steps, and a piece may be as long as the text.
  pcre2_set_match_limit(pattern->context, std::numeric_limits<std::uint32_t>::max());
  pattern->jit = jit && pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0;
  pattern_ = std::move(pattern);
}

Splitter::~Splitter() = default;

struct Splitter::Cursor::State {
  const Pattern* pattern;
  std::string_view text;
  std::size_t at = 0;
  pcre2_match_data* data;  // one per cursor: threads share a Splitter
  ~State() { pcre2_match_data_free(data); }
};

Splitter::Cursor::Cursor(const Splitter& splitter, std::string_view valid)
    : state_(new State{splitter.pattern_.get(), valid, 0, pcre2_match_data_create(1, nullptr)}) {
  if (state_->data == nullptr) fail(ErrorCode::out_of_memory, "split pattern: no memory for PCRE2");
}

Splitter::Cursor::~Cursor() = default;

std::string_view Splitter::Cursor::next() {
  State& s = *state_;
  if (s.at == s.text.size()) return {};
  const auto match = s.pattern->jit ? pcre2_jit_match : pcre2_match;
  const int found = match(s.pattern->code, reinterpret_cast<PCRE2_SPTR>(s.text.data()), s.text.size(), s.at,
                          PCRE2_NO_UTF_CHECK, s.data, s.pattern->context);
  if (found < 0)
    fail(found == PCRE2_ERROR_NOMEMORY ? ErrorCode::out_of_memory : ErrorCode::internal,
         "split pattern at byte ", s.at, ": ", message_of(found));
  const std::size_t end = pcre2_get_ovector_pointer(s.data)[1];
  if (end <= s.at) fail(ErrorCode::internal, "split pattern at byte ", s.at, ": empty match");
  const std::string_view piece = s.text.substr(s.at, end - s.at);
  s.at = end;
  return piece;
}

}  // namespace qwen::tokenizer
