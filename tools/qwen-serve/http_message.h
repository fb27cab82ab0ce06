// HTTP/1.1 requests and responses as bytes: parsing, framing, decoding. No sockets here.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwen_serve {

struct HttpLimits {
  std::size_t head_bytes = 16 << 10;  // request line and header fields
  std::size_t request_line_bytes = 4 << 10;
  int header_fields = 64;
  std::size_t trailer_bytes = 4 << 10;  // after a chunked body
};

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string path;   // percent-decoded, "//" collapsed, without a trailing slash; "*" for OPTIONS *
  std::string query;  // after '?', as sent
  int minor_version = 1;
  HeaderFields headers;
  std::string body;  // chunks joined; still compressed if Content-Encoding says so

  // The value of a header field, "" if absent. Names are compared without case.
  std::string header(std::string_view name) const;
  bool has_header(std::string_view name) const;
  // The decoded value of a query parameter.
  std::optional<std::string> query_value(std::string_view name) const;
  bool keep_alive() const;
};

struct BodyFraming {
  bool chunked = false;
  std::size_t length = 0;  // if not chunked
  bool has_body() const noexcept { return chunked || length > 0; }
};

enum class HeadStatus { ok, too_large, malformed };

// Parses a request's head, which ends with an empty line. Refuses everything that two parsers could frame in
// different ways: two lengths, a length beside chunks, folded lines, white space before a colon.
HeadStatus parse_head(std::string_view head, const HttpLimits& limits, HttpRequest& request,
                      BodyFraming& framing);

// Decodes a chunked body piece by piece; chunk extensions and trailer fields are dropped.
class ChunkedDecoder {
 public:
  enum class Status { more, done, malformed, too_large };
  // Consumes bytes from the front of `input` and appends the decoded ones to `body`, at most `limit` in all.
  Status decode(std::string_view& input, std::string& body, std::size_t limit, std::size_t trailer_limit);

 private:
  enum class State { size, data, data_end, trailer };
  State state_ = State::size;
  std::string line_;
  std::size_t left_ = 0;  // bytes of the current chunk
  std::size_t trailer_bytes_ = 0;
};

// Writes pieces of a streamed body. Every function returns false once the client is gone.
class StreamWriter {
 public:
  explicit StreamWriter(std::function<bool(std::string_view)> write) : write_(std::move(write)) {}
  bool text(std::string_view text);
  bool alive() const noexcept { return alive_; }
  void abort() noexcept { alive_ = false; }  // the body stays without its last chunk

 private:
  std::function<bool(std::string_view)> write_;
  bool alive_ = true;
};

struct HttpResponse {
  int status = 200;
  HeaderFields headers;
  std::string body;
  // If set, writes the body after the head has been sent, on the same thread. Throws nothing.
  std::function<void(StreamWriter&)> stream;

  void set_header(std::string name, std::string value);
  void set_content(std::string content, std::string type);
  bool has_header(std::string_view name) const;
};

// The response's status line and header fields. `close`: no request may follow on this connection.
std::string serialize_head(const HttpResponse& response, bool close, bool chunked);
const char* reason_phrase(int status);

enum class GunzipStatus { ok, malformed, too_large };
GunzipStatus gunzip(std::string_view compressed, std::size_t limit, std::string& out);

bool same_ignoring_case(std::string_view a, std::string_view b);
// "%41b+" -> "Ab+"; nothing if an escape is malformed or decodes to NUL. `plus_is_space` for query parameters.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

}  // namespace qwen_serve
