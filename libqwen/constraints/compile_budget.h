// A limit on the work and the memory of compiling one constraint.
#pragma once
#include <cstddef>

#include "base/fail.h"

namespace qwen::constraints {

// Counts units of work; a unit is at most about 20 ns and 8 bytes. Schemas and patterns come from outside, and
// some of a few bytes have automata of gigabytes.
class CompileBudget {
 public:
  explicit CompileBudget(std::size_t units = 1'500'000) : left_(units) {}
  // Throws Error(unsupported) if the constraint needs more than the limit.
  void spend(std::size_t units) {
    if (units > left_)
      fail(ErrorCode::unsupported, "the constraint is too complex: its automaton is too large");
    left_ -= units;
  }

 private:
  std::size_t left_;
};

}  // namespace qwen::constraints
