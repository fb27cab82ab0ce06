// The process's memory, each call of which can be counted or made to fail. A program has this once.
#pragma once

namespace qwen::test {

// Calls for memory or for threads since the program began.
long allocations() noexcept;

// The n-th call from now on fails (n >= 1), and the `more` calls behind it; 0 ends that.
void fail_allocation(long n, long more = 0) noexcept;
// Whether a call has failed since fail_allocation.
bool allocation_failed() noexcept;

}  // namespace qwen::test
