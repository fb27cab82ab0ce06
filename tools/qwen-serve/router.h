// From a request's path and method to the function that answers it, with everything that is checked first.
#pragma once
#include <span>

#include "qwen-serve/request_context.h"
#include "qwen-serve/service.h"

namespace qwen_serve {

struct Route {
  enum class Access {
    immediate,  // without a key, answered at once on the polling thread
    open,       // without a key
    keyed,      // with a key
    limited,    // with a key, and counted by the rate limit
  };
  const char* method;
  const char* path;  // one ending in "*" matches every path that starts so; the rest is path_suffix
  void (*handle)(Service&, RequestContext&);
  Access access;
  const char* summary;
  bool ollama = false;  // errors are {"error": "MESSAGE"}
};

std::span<const Route> routes();

// HttpServer::Callbacks of the service.
bool begin_request(Service& service, RequestContext& context);
void handle_request(Service& service, RequestContext& context);
void finish_request(Service& service, RequestContext& context, std::size_t bytes, bool complete);

}  // namespace qwen_serve
