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
void models(Service& service, Exchange& exchange);
void model(Service& service, Exchange& exchange);
void tokenize(Service& service, Exchange& exchange);
void detokenize(Service& service, Exchange& exchange);
void chat_completions(Service& service, Exchange& exchange);
void completions(Service& service, Exchange& exchange);
void classify(Service& service, Exchange& exchange);
void plain_chat(Service& service, Exchange& exchange);
void analyze(Service& service, Exchange& exchange);
void session(Service& service, Exchange& exchange);
void delete_session(Service& service, Exchange& exchange);

}  // namespace qwen_serve
