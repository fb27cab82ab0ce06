// What clients ask of the endpoints for embeddings and reranking, read and checked. Pure functions of the body.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "qwen-serve/json_fields.h"
#include "qwen/embedder.h"
#include "qwen/reranker.h"

namespace qwen_serve {

// As many as clients send in one request (LangChain: 1,000; OpenAI's limit is 2,048).
inline constexpr std::size_t kMaxInputs = 2048;
inline constexpr std::size_t kMaxDocuments = 1024;

struct EmbeddingRequest {
  std::optional<std::string> model, user;
  std::vector<std::string> texts;             // or
  std::vector<std::vector<qwen::Token>> ids;  // token ids
  qwen::EmbedOptions options;
  bool base64 = false;  // little-endian float32
};

struct RerankRequest {
  std::optional<std::string> model, user;
  std::string query;
  std::vector<std::string> documents;
  qwen::RerankOptions options;
  std::size_t top_n = kMaxDocuments;
  bool return_documents = false;
};

EmbeddingRequest read_embedding_request(const InputJson& body);
EmbeddingRequest read_ollama_embed_request(const InputJson& body);
// Of Ollama's old form: one "prompt", which may be empty; the vector is not normalized.
EmbeddingRequest read_ollama_embeddings_request(const InputJson& body);
RerankRequest read_rerank_request(const InputJson& body);

}  // namespace qwen_serve
