#include "templates/text.h"

#include <algorithm>

#include "base/utf8.h"

namespace qwen::templates {
namespace {

// One code point and its bytes.
struct Character {
  char32_t value;
  std::size_t begin, end;
};

Character character_at(std::string_view text, std::size_t begin) {
  const Utf8Step step = decode_utf8(text.substr(begin));
  return {static_cast<char32_t>(step.code_point), begin, begin + static_cast<std::size_t>(step.length)};
}

Character character_before(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && is_utf8_continuation(text[begin])) --begin;
  return character_at(text, begin);
}

bool is_line_break(char32_t c) noexcept {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

std::vector<Text> split_at_space(const Text& text, std::int64_t limit) {
  std::vector<Text> parts;
  const std::string& bytes = text.bytes();
  std::size_t at = 0;
  const auto skip = [&](bool space) {
    while (at < bytes.size()) {
      const Character c = character_at(bytes, at);
      if (is_space(c.value) != space) return;
      at = c.end;
    }
  };
  for (skip(true); at < bytes.size(); skip(true)) {
    const std::size_t begin = at;
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) == limit) {
      parts.push_back(text.sub_bytes(begin, bytes.size()));
      break;
    }
    skip(false);
    parts.push_back(text.sub_bytes(begin, at));
  }
  return parts;
}

std::vector<Text> split_at_space_from_right(const Text& text, std::int64_t limit) {
  std::vector<Text> parts;
  const std::string& bytes = text.bytes();
  std::size_t end = bytes.size();
  const auto skip = [&](bool space) {
    while (end > 0) {
      const Character c = character_before(bytes, end);
      if (is_space(c.value) != space) return;
      end = c.begin;
    }
  };
  for (skip(true); end > 0; skip(true)) {
    const std::size_t last = end;
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) == limit) {
      parts.push_back(text.sub_bytes(0, last));
      break;
    }
    skip(false);
    parts.push_back(text.sub_bytes(end, last));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

void Text::append(const Text& other) {
  bytes_ += other.bytes_;
  origins_ += other.origins_;
}

void Text::append(std::string_view bytes, Origin origin) {
  bytes_ += bytes;
  origins_.append(bytes.size(), static_cast<char>(origin));
}

Text Text::sub_bytes(std::size_t begin, std::size_t end) const {
  Text part;
  part.bytes_ = bytes_.substr(begin, end - begin);
  part.origins_ = origins_.substr(begin, end - begin);
  part.is_markup = is_markup;
  return part;
}

std::vector<std::size_t> code_point_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  offsets.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i)
    if (!is_utf8_continuation(text[i])) offsets.push_back(i);
  offsets.push_back(text.size());
  return offsets;
}

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> points;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    points.push_back(c.value);
    at = c.end;
  }
  return points;
}

std::int64_t length_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); });
}

Text strip(const Text& text, Side side, const std::optional<std::string>& chars) {
  const std::vector<char32_t> set = chars ? code_points(*chars) : std::vector<char32_t>();
  const auto goes = [&](char32_t c) {
    return chars ? std::find(set.begin(), set.end(), c) != set.end() : is_space(c);
  };
  const std::string& bytes = text.bytes();
  std::size_t begin = 0, end = bytes.size();
  while (side != Side::right && begin < end) {
    const Character c = character_at(bytes, begin);
    if (!goes(c.value)) break;
    begin = c.end;
  }
  while (side != Side::left && begin < end) {
    const Character c = character_before(bytes, end);
    if (!goes(c.value)) break;
    end = c.begin;
  }
  return text.sub_bytes(begin, end);
}

std::vector<Text> split(const Text& text, const std::optional<std::string>& separator, std::int64_t limit) {
  if (!separator) return split_at_space(text, limit);
  std::vector<Text> parts;
  std::size_t begin = 0;
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    const std::size_t at = text.bytes().find(*separator, begin);
    if (at == std::string::npos) break;
    parts.push_back(text.sub_bytes(begin, at));
    begin = at + separator->size();
  }
  parts.push_back(text.sub_bytes(begin, text.size_bytes()));
  return parts;
}

std::vector<Text> split_from_right(const Text& text, const std::optional<std::string>& separator,
                                   std::int64_t limit) {
  if (!separator) return split_at_space_from_right(text, limit);
  std::vector<Text> parts;
  std::size_t end = text.size_bytes();
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    if (end < separator->size()) break;
    const std::size_t at = text.bytes().rfind(*separator, end - separator->size());
    if (at == std::string::npos) break;
    parts.push_back(text.sub_bytes(at + separator->size(), end));
    end = at;
  }
  parts.push_back(text.sub_bytes(0, end));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Text> split_lines(const Text& text, bool keep_ends) {
  std::vector<Text> lines;
  const std::string& bytes = text.bytes();
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const Character c = character_at(bytes, at);
    at = c.end;
    if (!is_line_break(c.value)) continue;
    if (c.value == '\r' && at < bytes.size() && bytes[at] == '\n') ++at;
    lines.push_back(text.sub_bytes(begin, keep_ends ? at : c.begin));
    begin = at;
  }
  if (begin < bytes.size()) lines.push_back(text.sub_bytes(begin, bytes.size()));
  return lines;
}

Text replace(const Text& text, const std::string& from, const Text& to, std::int64_t limit) {
  Text out;
  out.is_markup = text.is_markup;
  const std::string& bytes = text.bytes();
  std::size_t begin = 0;
  std::int64_t done = 0;
  if (from.empty()) {  // before every character, and at the end
    for (; limit < 0 || done < limit; ++done) {
      out.append(to);
      if (begin == bytes.size()) return out;
      const std::size_t end = character_at(bytes, begin).end;
      out.append(text.sub_bytes(begin, end));
      begin = end;
    }
  } else {
    for (; limit < 0 || done < limit; ++done) {
      const std::size_t at = bytes.find(from, begin);
      if (at == std::string::npos) break;
      out.append(text.sub_bytes(begin, at));
      out.append(to);
      begin = at + from.size();
    }
  }
  out.append(text.sub_bytes(begin, bytes.size()));
  return out;
}

Text join(const Text& separator, const std::vector<Text>& parts) {
  Text out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out.append(separator);
    out.append(parts[i]);
  }
  return out;
}

Text escape_html(const Text& text) {
  Text out;
  const std::string& bytes = text.bytes();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const Origin origin = text.origin_of_byte(i);
    switch (bytes[i]) {
      case '&': out.append("&amp;", origin); break;
      case '<': out.append("&lt;", origin); break;
      case '>': out.append("&gt;", origin); break;
      case '\'': out.append("&#39;", origin); break;
      case '"': out.append("&#34;", origin); break;
      default: out.append(std::string_view(bytes).substr(i, 1), origin);
    }
  }
  out.is_markup = true;
  return out;
}

}  // namespace qwen::templates
