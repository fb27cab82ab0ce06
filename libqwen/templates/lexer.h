// A template's text as tokens, by Jinja's rules with trim_blocks and lstrip_blocks.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fail.h"

namespace qwen::templates {

struct Place {  // in the template, from 1; columns in characters
  std::uint32_t line = 1, column = 1;
};

// The template is not valid Jinja. Throws Error(bad_format) with line and column.
template <class... Parts>
[[noreturn]] void fail_syntax(Place place, const Parts&... parts) {
  fail(ErrorCode::bad_format, "chat template, line ", place.line, ", column ", place.column, ": ", parts...);
}

// The template uses a part of Jinja that is not implemented. Throws Error(unsupported) with line and column.
[[noreturn]] inline void fail_unsupported_at(Place place, std::string_view what) {
  fail(ErrorCode::unsupported, "chat template, line ", place.line, ", column ", place.column, ": ", what,
       " is not supported");
}

enum class TokenKind {
  data,            // text between the tags, white space control applied
  variable_begin,  // {{
  variable_end,
  block_begin,  // {%
  block_end,
  name,
  string,   // `text`: the value, escapes resolved
  integer,  // `text`: decimal digits
  real,     // `text`: as written, without underscores
  symbol,   // `text`: the operator
  end,
};

struct LexToken {
  TokenKind kind;
  std::string text;
  Place place;
};

std::vector<LexToken> tokenize(std::string_view source);
std::string describe(const LexToken& token);  // for messages

}  // namespace qwen::templates
