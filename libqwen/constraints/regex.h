// Regular expressions of ECMA-262 (with the u flag) as automata over characters.
#pragma once
#include <string_view>

#include "constraints/char_dfa.h"

namespace qwen::constraints {

enum class RegexMatch {
  search,  // a match anywhere in the string, unless ^ or $ anchor it: the `pattern` of JSON Schema
  whole,   // the match is the whole string
};

// The strings that `pattern` matches. Supported: characters, `.`, classes, \d \D \w \W \s \S, \t \n \v \f \r \0
// \cX \xHH \uHHHH \u{H}, groups (capturing, (?:...) and (?<name>...)), |, * + ? {n} {n,} {n,m} and their lazy
// forms, ^ and $.
// Throws bad_format if the pattern is malformed.
// Throws unsupported if it has a backreference, look-around, \b, \B, \p or \P, or if its automaton is too large.
CharDfa compile_regex(std::string_view pattern, RegexMatch match, CompileBudget& budget);

}  // namespace qwen::constraints
