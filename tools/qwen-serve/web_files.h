// The files of the page, compiled into the program (cmake/QwenWeb.cmake).
#pragma once
#include <span>
#include <string_view>

struct WebFile {
  std::string_view name;          // "index.html", "app.js", "lib/marked.js": served as /web/NAME
  std::string_view content_type;  // with its charset
  std::string_view etag;          // with its quotes; a hash of the content
  std::string_view content;
};

std::span<const WebFile> web_files() noexcept;
