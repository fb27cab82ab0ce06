#include "qwen-serve/api_keys.h"

#include <algorithm>

#include "common/encoding.h"
#include "common/output.h"
#include "qwen/error.h"

namespace qwen_serve {
namespace {

constexpr std::size_t kMinKeyBytes = 8;

bool same(std::string_view given, std::string_view key) noexcept {
  volatile unsigned difference = given.size() == key.size() ? 0u : 1u;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = i < given.size() ? given[i] : '\0';
    difference = difference | static_cast<unsigned>(static_cast<unsigned char>(c ^ key[i]));
  }
  return difference == 0;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

ApiKeys::ApiKeys(const std::string& path, std::string_view list) {
  if (!path.empty()) {
    const std::string text = tools::to_utf8(tools::read_file(path), tools::Encoding::utf8, path);
    int line_number = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = trimmed(std::string_view(text).substr(at, end - at));
      at = end + 1;
      ++line_number;
      if (!line.empty() && line.front() != '#') add(line, path + ":" + std::to_string(line_number));
    }
    // An empty key file must not turn the check off.
    if (keys_.empty()) throw qwen::Error(qwen::ErrorCode::bad_format, path + ": contains no API key");
  }
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (const auto key = trimmed(list.substr(at, end - at)); !key.empty()) add(key, "LIBQWEN_API_KEY");
    at = end + 1;
  }
}

void ApiKeys::add(std::string_view key, const std::string& where) {
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!printable || key.size() < kMinKeyBytes)
    throw qwen::Error(qwen::ErrorCode::bad_format, where + ": expected an API key of at least " +
                                                       std::to_string(kMinKeyBytes) +
                                                       " printable ASCII characters without white space");
  keys_.emplace_back(key);
}

int ApiKeys::find(std::string_view key) const noexcept {
  int found = -1;
  for (std::size_t i = 0; i < keys_.size(); ++i)
    if (same(key, keys_[i])) found = static_cast<int>(i);
  return found;
}

}  // namespace qwen_serve
