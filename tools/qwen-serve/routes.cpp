// The table of all endpoints.
#include "qwen-serve/api_description.h"
#include "qwen-serve/endpoints.h"
#include "qwen-serve/router.h"

namespace qwen_serve {
namespace {

using enum Route::Access;

constexpr Route kRoutes[] = {
    {"GET", "/", page, open, "The web page"},
    {"GET", "/web/*", web_file, open, "A file of the web page"},
    {"GET", "/docs", docs, open, "The API as a page"},
    {"GET", "/openapi.json", openapi, open, "The API as OpenAPI 3.1"},
    {"GET", "/health", health, immediate, "The process is alive"},
    {"GET", "/ready", ready, immediate, "The server accepts work"},
    {"GET", "/metrics", metrics, keyed, "Metrics for Prometheus"},
    {"GET", "/v1/models", models, keyed, "The models"},
    {"GET", "/v1/models/*", model, keyed, "One model"},
    {"POST", "/v1/chat/completions", chat_completions, limited, "OpenAI chat completion"},
    {"POST", "/v1/completions", completions, limited, "OpenAI text completion"},
    {"POST", "/v1/classify", classify, limited, "Labels with probabilities"},
    {"POST", "/v1/embeddings", embeddings, limited, "OpenAI embeddings"},
    {"POST", "/v1/rerank", rerank, limited, "Documents scored against a query"},
    {"POST", "/tokenize", tokenize, limited, "Text to token ids"},
    {"POST", "/detokenize", detokenize, limited, "Token ids to text"},
    {"POST", "/apply-template", apply_template, limited, "A chat completion's prompt"},
    {"POST", "/chat", chat_text, limited, "A message in, plain text out"},
    {"GET", "/api/info", info, keyed, "Model, tasks, defaults and limits"},
    {"POST", "/api/analyze", analyze, limited, "The label first, then the reply, as events"},
    {"GET", "/api/sessions/*", session, keyed, "A session's turns"},
    {"DELETE", "/api/sessions/*", delete_session, keyed, "Ends a session"},
    {"GET", "/api/version", ollama_version, open, "Ollama: the version", true},
    {"GET", "/api/tags", ollama_tags, keyed, "Ollama: the models", true},
    {"GET", "/api/ps", ollama_ps, keyed, "Ollama: the loaded models", true},
    {"POST", "/api/show", ollama_show, keyed, "Ollama: one model", true},
    {"POST", "/api/chat", ollama_chat, limited, "Ollama: chat, as JSON lines", true},
    {"POST", "/api/generate", ollama_generate, limited, "Ollama: a reply to a prompt, as JSON lines", true},
    {"POST", "/api/embed", ollama_embed, limited, "Ollama: embeddings", true},
    {"POST", "/api/embeddings", ollama_embeddings, limited, "Ollama: the embedding of one prompt", true},
    {"POST", "/api/pull", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/push", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/create", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"POST", "/api/copy", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
    {"DELETE", "/api/delete", ollama_unsupported, keyed, "Ollama: not implemented (501)", true},
};

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

}  // namespace qwen_serve
