// The functions behind the routes. What they read and answer is in docs/server.md.
#pragma once
#include "qwen-serve/service.h"

namespace qwen_serve {

void page(Service& service, RequestContext& context);
void web_file(Service& service, RequestContext& context);
void health(Service& service, RequestContext& context);
void ready(Service& service, RequestContext& context);
void metrics(Service& service, RequestContext& context);
void info(Service& service, RequestContext& context);
void models(Service& service, RequestContext& context);
void model(Service& service, RequestContext& context);
void tokenize(Service& service, RequestContext& context);
void detokenize(Service& service, RequestContext& context);
void apply_template(Service& service, RequestContext& context);
void chat_completions(Service& service, RequestContext& context);
void completions(Service& service, RequestContext& context);
void classify(Service& service, RequestContext& context);
void embeddings(Service& service, RequestContext& context);
void rerank(Service& service, RequestContext& context);
void chat_text(Service& service, RequestContext& context);
void analyze(Service& service, RequestContext& context);
void ollama_version(Service& service, RequestContext& context);
void ollama_tags(Service& service, RequestContext& context);
void ollama_ps(Service& service, RequestContext& context);
void ollama_show(Service& service, RequestContext& context);
void ollama_chat(Service& service, RequestContext& context);
void ollama_generate(Service& service, RequestContext& context);
void ollama_embed(Service& service, RequestContext& context);
void ollama_embeddings(Service& service, RequestContext& context);
void ollama_unsupported(Service& service, RequestContext& context);
void session(Service& service, RequestContext& context);
void delete_session(Service& service, RequestContext& context);

}  // namespace qwen_serve
