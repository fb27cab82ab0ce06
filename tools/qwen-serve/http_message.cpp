#include "qwen-serve/http_message.h"

#include <zlib.h>

#include <algorithm>
#include <cctype>

namespace qwen_serve {
namespace {

constexpr std::size_t kMaxChunkLine = 256;
constexpr std::size_t kMaxChunkDigits = 8;
constexpr std::string_view kTokenCharacters =
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view strip_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view text) {
  return !text.empty() && text.find_first_not_of(kTokenCharacters) == std::string_view::npos;
}

// Collapses "//" and drops a trailing slash, so that "/v1//models/" is "/v1/models".
std::string normalized(const std::string& path) {
  std::string out;
  for (const char c : path)
    if (c != '/' || out.empty() || out.back() != '/') out += c;
  if (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

// origin-form "/path?query", absolute-form "http://host/path?query" or asterisk-form "*".
bool parse_target(std::string_view target, HttpRequest& request, std::string_view& authority) {
  if (target == "*") {
    request.path = "*";
    return request.method == "OPTIONS";
  }
  for (const std::string_view scheme : {"http://", "https://"})
    if (same_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(scheme.size());
      const std::size_t end = std::min(target.find_first_of("/?"), target.size());
      authority = target.substr(0, end);
      if (authority.empty()) return false;
      target.remove_prefix(end);
      if (target.empty()) target = "/";
      break;
    }
  const std::size_t question = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, question);
  if (path.empty() && !authority.empty()) path = "/";
  if (path.empty() || path.front() != '/' || target.find('#') != std::string_view::npos) return false;
  const auto decoded = percent_decode(path);
  if (!decoded) return false;
  request.path = normalized(*decoded);
  if (question < target.size()) request.query = target.substr(question + 1);
  return true;
}

bool parse_request_line(std::string_view line, HttpRequest& request, std::string_view& authority) {
  const std::size_t space = line.find(' '), last = line.rfind(' ');
  if (space == std::string_view::npos || last == space) return false;
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  request.minor_version = version.back() - '0';
  request.method = line.substr(0, space);
  const std::string_view target = line.substr(space + 1, last - space - 1);
  if (target.find(' ') != std::string_view::npos) return false;
  return is_token(request.method) && parse_target(target, request, authority);
}

bool parse_length(std::string_view value, std::size_t& length) {
  if (value.empty() || value.size() > 18) return false;
  length = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return false;
    length = length * 10 + static_cast<std::size_t>(c - '0');
  }
  return true;
}

}  // namespace

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
         });
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

bool HttpRequest::has_header(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& field) { return same_ignoring_case(field.first, name); });
}

std::string HttpRequest::header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (same_ignoring_case(field, name)) return value;
  return {};
}

std::optional<std::string> HttpRequest::query_value(std::string_view name) const {
  for (std::string_view rest = query; !rest.empty();) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (percent_decode(pair.substr(0, equals), true) != name) continue;
    return percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
  }
  return std::nullopt;
}

bool HttpRequest::keep_alive() const {
  const std::string connection = header("Connection");
  bool close = false, keep = false;
  for (std::string_view rest = connection; !rest.empty();) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view option = strip_blanks(rest.substr(0, end));
    close = close || same_ignoring_case(option, "close");
    keep = keep || same_ignoring_case(option, "keep-alive");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return !close && (minor_version >= 1 || keep);
}

HeadStatus parse_head(std::string_view head, const HttpLimits& limits, HttpRequest& request,
                      BodyFraming& framing) {
  if (head.size() > limits.head_bytes) return HeadStatus::too_large;
  for (const char c : head)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7F)
      return HeadStatus::malformed;
  const std::size_t line_end = head.find("\r\n");
  if (line_end == std::string_view::npos) return HeadStatus::malformed;
  if (line_end > limits.request_line_bytes) return HeadStatus::too_large;
  std::string_view authority;
  if (!parse_request_line(head.substr(0, line_end), request, authority)) return HeadStatus::malformed;

  int lengths = 0, encodings = 0, hosts = 0;
  for (std::size_t at = line_end + 2; at < head.size();) {
    const std::size_t stop = head.find("\r\n", at);
    if (stop == std::string_view::npos) return HeadStatus::malformed;
    const std::string_view field = head.substr(at, stop - at);
    at = stop + 2;
    if (field.empty()) break;
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || field.find_first_of("\r\n") != std::string_view::npos)
      return HeadStatus::malformed;
    const std::string_view name = field.substr(0, colon), value = strip_blanks(field.substr(colon + 1));
    if (!is_token(name)) return HeadStatus::malformed;
    if (static_cast<int>(request.headers.size()) == limits.header_fields) return HeadStatus::too_large;
    if (same_ignoring_case(name, "Content-Length")) {
      ++lengths;
      if (!parse_length(value, framing.length)) return HeadStatus::malformed;
    } else if (same_ignoring_case(name, "Transfer-Encoding")) {
      ++encodings;
      if (!same_ignoring_case(value, "chunked")) return HeadStatus::malformed;
      framing.chunked = true;
    } else if (same_ignoring_case(name, "Host")) {
      ++hosts;
      request.headers.emplace_back("Host", authority.empty() ? value : authority);
      continue;
    }
    request.headers.emplace_back(name, value);
  }
  if (hosts == 0 && !authority.empty()) request.headers.emplace_back("Host", authority);
  return lengths + encodings > 1 || hosts > 1 ? HeadStatus::malformed : HeadStatus::ok;
}

ChunkedDecoder::Status ChunkedDecoder::decode(std::string_view& input, std::string& body, std::size_t limit,
                                              std::size_t trailer_limit) {
  while (!input.empty()) {
    if (state_ == State::data) {
      const std::size_t count = std::min(left_, input.size());
      body.append(input.substr(0, count));
      input.remove_prefix(count);
      left_ -= count;
      if (left_ == 0) state_ = State::data_end;
      continue;
    }
    // All other states read one line that ends with CRLF.
    const char c = input.front();
    input.remove_prefix(1);
    line_ += c;
    if (state_ == State::trailer && ++trailer_bytes_ > trailer_limit) return Status::too_large;
    if (state_ != State::trailer && line_.size() > kMaxChunkLine) return Status::malformed;
    if (c != '\n') continue;
    if (line_.size() < 2 || line_[line_.size() - 2] != '\r') return Status::malformed;
    const std::string line = line_.substr(0, line_.size() - 2);
    line_.clear();
    if (state_ == State::data_end) {
      if (!line.empty()) return Status::malformed;
      state_ = State::size;
    } else if (state_ == State::trailer) {
      if (line.empty()) return Status::done;
    } else {
      std::size_t digits = 0;
      for (left_ = 0; digits < line.size() && hex_digit(line[digits]) >= 0; ++digits)
        left_ = left_ * 16 + static_cast<std::size_t>(hex_digit(line[digits]));
      if (digits == 0 || digits > kMaxChunkDigits) return Status::malformed;
      if (const auto rest = strip_blanks(std::string_view(line).substr(digits));
          !rest.empty() && rest[0] != ';')
        return Status::malformed;
      if (left_ > limit - std::min(limit, body.size())) return Status::too_large;
      state_ = left_ == 0 ? State::trailer : State::data;
    }
  }
  return Status::more;
}

bool StreamWriter::text(std::string_view text) {
  if (text.empty()) return alive_;
  alive_ = alive_ && write_(text);
  return alive_;
}

void HttpResponse::set_header(std::string name, std::string value) {
  for (auto& [field, old] : headers)
    if (same_ignoring_case(field, name)) {
      old = std::move(value);
      return;
    }
  headers.emplace_back(std::move(name), std::move(value));
}

void HttpResponse::set_content(std::string content, std::string type) {
  body = std::move(content);
  set_header("Content-Type", std::move(type));
}

bool HttpResponse::has_header(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& field) { return same_ignoring_case(field.first, name); });
}

const char* reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Unknown";
  }
}

std::string serialize_head(const HttpResponse& response, bool close, bool chunked) {
  std::string head =
      "HTTP/1.1 " + std::to_string(response.status) + " " + reason_phrase(response.status) + "\r\n";
  for (const auto& [name, value] : response.headers) {
    head += name + ": ";
    // A value may hold a client's words: a line break would start another header field.
    for (const char c : value) head += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    head += "\r\n";
  }
  if (chunked)
    head += "Transfer-Encoding: chunked\r\n";
  else if (!response.stream && response.status != 204 && response.status != 304)
    head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  head += close ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
  return head;
}

GunzipStatus gunzip(std::string_view compressed, std::size_t limit, std::string& out) {
  z_stream stream{};
  if (::inflateInit2(&stream, 15 + 16) != Z_OK) return GunzipStatus::malformed;  // 16: a gzip header
  struct End {
    z_stream& stream;
    ~End() { ::inflateEnd(&stream); }
  } end{stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));  // zlib only reads it
  stream.avail_in = static_cast<uInt>(compressed.size());
  char piece[16384];
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) return GunzipStatus::malformed;
    const std::size_t count = sizeof piece - stream.avail_out;
    if (count > limit - out.size()) return GunzipStatus::too_large;
    out.append(piece, count);
    if (status == Z_STREAM_END) return stream.avail_in == 0 ? GunzipStatus::ok : GunzipStatus::malformed;
    if (count == 0 && stream.avail_in == 0) return GunzipStatus::malformed;  // truncated
  }
}

}  // namespace qwen_serve
