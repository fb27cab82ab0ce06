// The functions behind the routes. What they read and answer is in docs/server.md.
#pragma once
#include "qwen-serve/service.h"

namespace qwen_serve {

void page(Service& service, Exchange& exchange);
void web_file(Service& service, Exchange& exchange);
void health(Service& service, Exchange& exchange);
void ready(Service& service, Exchange& exchange);
void metrics(Service& service, Exchange& exchange);
void info(Service& service, Exchange& exchange);

}  // namespace qwen_serve
