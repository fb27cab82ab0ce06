// A JSON file of a model directory.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>

#include "base/mapped_file.h"
#include "formats/json_reader.h"

namespace qwen::formats {

// Whether a file of the directory is there. What cannot be looked at (permissions) fails when it is opened.
inline bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

inline std::string_view text_of(const MappedFile& map) {
  return {reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()};
}

struct JsonFile {
  JsonFile(const std::string& path, std::size_t max_bytes) : map(path), in(text_of(map), path) {
    if (map.bytes().size() > max_bytes)
      fail(ErrorCode::bad_format, path, ": ", map.bytes().size(), " bytes, expected at most ", max_bytes);
  }
  MappedFile map;
  JsonReader in;
};

// An object whose keys must differ. For small objects: it keeps a copy of every key.
template <class Member>
void unique_object(JsonReader& in, Member&& member) {
  std::unordered_set<std::string> seen;
  in.object([&](std::string_view key) {
    if (!seen.emplace(key).second) in.bad("the key ", quoted(key), " stands twice");
    member(key);
  });
}

}  // namespace qwen::formats
