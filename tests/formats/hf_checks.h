// Opening the directories of hf_files.h, and the errors that wrong ones get.
#pragma once
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hf_files.h"
#include "formats/model_file.h"
#include "qwen/error.h"

namespace qwen::test {

using Words = std::vector<std::string_view>;

inline std::shared_ptr<const formats::ModelFile> open(const TestFolder& folder) {
  return formats::open_model_file(folder.path());
}

// Opening `folder` fails with `code` and one line that contains `text`.
inline void refused(const TestFolder& folder, const std::string& text,
                    ErrorCode code = ErrorCode::bad_format) {
  CAPTURE(text);
  try {
    open(folder);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Catch::Matchers::Contains(text));
    CHECK(error.code() == code);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
  }
}

// The same for a good directory in which `change` was made.
template <class Change>
void refused_with(Change change, const std::string& text, ErrorCode code = ErrorCode::bad_format) {
  const TestFolder folder("hf-bad");
  HfFiles files;
  change(files);
  files.write(folder);
  refused(folder, text, code);
}

}  // namespace qwen::test
