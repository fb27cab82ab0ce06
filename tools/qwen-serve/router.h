// From a request's path and method to the function that answers it, by way of all that must hold before.
#pragma once
#include <span>

#include "qwen-serve/exchange.h"
#include "qwen-serve/service.h"

namespace qwen_serve {

struct Route {
  const char* method;
  const char* path;  // one ending in "*" stands for all that begin so; the rest is Exchange::tail
  void (*handle)(Service&, Exchange&);
  enum Access {
    open,  // without a key
    keyed,
    work,  // with a key, and counted by the rate limit
  } access;
};

std::span<const Route> routes();

// Answers a request. `reader` where it may have a body.
void answer(Service& service, Exchange& exchange, const httplib::ContentReader* reader);
// After the answer: metrics and the access log.
void finish(Service& service, Exchange& exchange, std::size_t bytes, bool complete);

}  // namespace qwen_serve
