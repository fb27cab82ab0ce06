#include "qwen-serve/assets.h"

#include <algorithm>

#include "qwen-serve/web_files.h"

namespace qwen_serve {

void serve_file(Exchange& exchange, std::string_view name) {
  const auto files = web_files();
  const auto file =
      std::find_if(files.begin(), files.end(), [&](const WebFile& f) { return f.name == name; });
  if (file == files.end()) throw ApiError(404, "not_found", "there is no such file");
  httplib::Response& response = *exchange.response;
  const std::string tag(file->etag);
  response.set_header("ETag", tag);
  response.set_header("Cache-Control", "no-cache");  // ask whether it has changed
  response.set_header("Content-Security-Policy", std::string(kWebSecurityPolicy));
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  if (exchange.request->get_header_value("If-None-Match").find(tag) != std::string::npos) {
    response.status = 304;
    return;
  }
  response.status = 200;
  response.set_content(file->content.data(), file->content.size(), std::string(file->content_type));
}

}  // namespace qwen_serve
