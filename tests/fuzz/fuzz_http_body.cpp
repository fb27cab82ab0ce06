// Request bodies of qwen-serve: each of its readers gets the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "qwen-serve/embedding_requests.h"
#include "qwen-serve/openai_request.h"
#include "qwen-serve/task_requests.h"

namespace {

template <class Reader>
void read(const qwen_serve::InputJson& body, Reader reader) {
  try {
    reader(body);
  } catch (const qwen_serve::ApiError& error) {
    // What is wrong with a body is the client's mistake, told in one line of JSON.
    const std::string text = error.body().dump(-1, ' ', false, qwen_serve::Json::error_handler_t::replace);
    if (error.status != 400 || error.code.empty() || text.find('\n') != std::string::npos) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qwen_serve;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  InputJson body;
  try {
    body = parse_body(text);
  } catch (const ApiError& error) {
    if (error.status != 400) std::abort();
    return 0;
  }
  read(body, [&](const InputJson& json) {
    const CompletionRequest request = read_chat_request(json, RawJson(text));
    static_cast<void>(request.format.constraint());
    if (request.messages.empty() || request.n < 1 || request.n > kMaxChoices) std::abort();
  });
  read(body, [&](const InputJson& json) {
    const CompletionRequest request = read_completion_request(json, RawJson(text));
    if (request.prompts.empty() || request.prompts.size() * static_cast<std::size_t>(request.n) > kMaxPrompts)
      std::abort();
  });
  read(body, [](const InputJson& json) {
    if (read_classify_request(json).texts.empty()) std::abort();
  });
  read(body, [](const InputJson& json) {
    const AnalyzeRequest request = read_analyze_request(json);
    if ((!request.label && !request.answer) || (request.turns && request.session)) std::abort();
  });
  read(body, [](const InputJson& json) {
    if (read_plain_chat_request(json).prompt.empty()) std::abort();
  });
  read(body, [](const InputJson& json) {
    const EmbeddingRequest request = read_embedding_request(json);
    if (request.texts.empty() == request.ids.empty()) std::abort();
  });
  read(body, [](const InputJson& json) {
    if (!read_ollama_embed_request(json).ids.empty()) std::abort();
  });
  read(body, [](const InputJson& json) {
    if (read_ollama_embeddings_request(json).texts.size() > 1) std::abort();
  });
  read(body, [](const InputJson& json) {
    if (read_rerank_request(json).documents.empty()) std::abort();
  });
  read(body, read_tokenize_request);
  read(body, [](const InputJson& json) {
    for (const qwen::Token token : read_detokenize_request(json).tokens)
      if (token < 0) std::abort();
  });
  return 0;
}
