// The nearest name, for typos.
#pragma once
#include <string>
#include <vector>

namespace qwen_run {

// The name with the fewest changes (a letter added, removed, replaced, or two swapped), if at most `most`; else "".
std::string nearest(const std::string& word, const std::vector<std::string>& names, std::size_t most);

}  // namespace qwen_run
