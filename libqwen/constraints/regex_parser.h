// The syntax tree of a regular expression.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace qwen::constraints {

struct CodePointRange {
  std::uint32_t low, high;  // inclusive
};

struct RegexNode {
  enum class Kind { characters, line_start, line_end, sequence, alternatives, repeat };

  Kind kind = Kind::sequence;
  std::vector<CodePointRange> characters;  // sorted, disjoint
  std::vector<RegexNode> children;
  std::uint32_t min = 0, max = 0;  // of a repeat; kUnlimited: no maximum
};

// Throws bad_format or unsupported, as compile_regex().
RegexNode parse_regex(std::string_view pattern);

}  // namespace qwen::constraints
