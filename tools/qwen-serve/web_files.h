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

// Their Content-Security-Policy: nothing from other servers, no inline script or style, no HTML from strings.
inline constexpr std::string_view kWebSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";
