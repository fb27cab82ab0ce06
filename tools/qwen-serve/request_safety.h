// Which hosts and origins may reach the server: keeps other sites' pages out of it.
#pragma once
#include "qwen-serve/http_message.h"
#include "qwen-serve/options.h"

namespace qwen_serve {

// A page on another name that an attacker points at this server's address (DNS rebinding) sends its own name
// as Host. Throws ApiError 403 unless Host is absent, localhost, an IP address, --host or an --allowed-host.
void check_host(const Options& options, const HttpRequest& request);

// Only pages send Origin. Throws ApiError 403 unless the origin is this server's own or named by --cors; if it
// is named, adds the header fields that let the page read the response.
void check_origin(const Options& options, const HttpRequest& request, HttpResponse& response);

// Answers OPTIONS, and what a browser asks before it lets another origin's page send a request.
void answer_preflight(const HttpRequest& request, HttpResponse& response);

}  // namespace qwen_serve
