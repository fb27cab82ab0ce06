#include "qwen-run/suggest.h"

#include <algorithm>

namespace qwen_run {
namespace {

// Optimal string alignment distance.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t k = 0; k <= b.size(); ++k) {
      if (i == 0 || k == 0) {
        d[i][k] = std::max(i, k);
        continue;
      }
      d[i][k] = std::min({d[i - 1][k] + 1, d[i][k - 1] + 1, d[i - 1][k - 1] + (a[i - 1] != b[k - 1])});
      if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
        d[i][k] = std::min(d[i][k], d[i - 2][k - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& names, std::size_t most) {
  if (word.size() > 64) return "";
  std::string best;
  for (const std::string& name : names) {
    const std::size_t changes = distance(word, name);
    if (changes > most || changes >= word.size() || (changes == most && !best.empty())) continue;
    most = changes;
    best = name;
  }
  return best;
}

}  // namespace qwen_run
