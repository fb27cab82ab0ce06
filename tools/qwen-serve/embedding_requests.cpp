#include "qwen-serve/embedding_requests.h"

#include <cstdint>

namespace qwen_serve {
namespace {

std::vector<qwen::Token> read_ids(const InputJson& list, const std::string& field) {
  std::vector<qwen::Token> ids;
  for (const InputJson& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      throw bad_field("input", field + ": expected token ids, found " + describe(id));
    ids.push_back(id.get<qwen::Token>());
  }
  return ids;
}

// A string, a list of strings, and with `ids` also token ids or a list of lists of them.
void read_input(Fields& fields, EmbeddingRequest& request, bool ids, bool may_be_empty) {
  const InputJson* input = fields.find("input");
  if (input == nullptr) throw bad_field("input", "input is missing", "missing_field");
  if (input->is_string()) {
    request.texts.push_back(input->get<std::string>());
    return;
  }
  if (!input->is_array() || (input->empty() && !may_be_empty) || input->size() > kMaxInputs)
    throw bad_field("input", "input: expected a string or a list of 1 to " + std::to_string(kMaxInputs) +
                                 " strings" + (ids ? " or token ids" : "") + ", found " + describe(*input));
  if (ids && input->front().is_number()) {
    request.ids.push_back(read_ids(*input, "input"));
    return;
  }
  for (std::size_t i = 0; i < input->size(); ++i) {
    const InputJson& item = (*input)[i];
    const std::string field = "input[" + std::to_string(i) + "]";
    if (item.is_string() && request.ids.empty())
      request.texts.push_back(item.get<std::string>());
    else if (ids && item.is_array() && request.texts.empty())
      request.ids.push_back(read_ids(item, field));
    else
      throw bad_field("input", field + ": expected " +
                                   (request.ids.empty() ? "a string" : "a list of token ids") + ", found " +
                                   describe(item));
  }
}

qwen::TextOverflow overflow(std::optional<bool> truncate, bool fallback) {
  return truncate.value_or(fallback) ? qwen::TextOverflow::truncate : qwen::TextOverflow::refuse;
}

}  // namespace

EmbeddingRequest read_embedding_request(const InputJson& body) {
  Fields fields(body);
  EmbeddingRequest request;
  request.model = fields.text("model");
  request.user = fields.text("user");
  read_input(fields, request, true, false);
  request.options.dimensions = static_cast<int>(fields.integer("dimensions", 1, INT32_MAX).value_or(0));
  const std::string format = fields.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64")
    throw bad_field("encoding_format", "encoding_format: expected \"float\" or \"base64\", found \"" +
                                           format.substr(0, 40) + "\"");
  request.base64 = format == "base64";
  request.options.instruction = fields.text("instruction").value_or("");
  if (!request.options.instruction.empty() && !request.ids.empty())
    throw bad_field("instruction", "instruction: only for texts; input has token ids");
  request.options.normalize = fields.flag("normalize").value_or(true);
  request.options.overflow = overflow(fields.flag("truncate"), false);
  fields.finish();
  return request;
}

EmbeddingRequest read_ollama_embed_request(const InputJson& body) {
  Fields fields(body);
  EmbeddingRequest request;
  request.model = fields.text("model");
  if (!request.model) throw bad_field("model", "model is missing", "missing_field");
  read_input(fields, request, false, true);
  request.options.dimensions = static_cast<int>(fields.integer("dimensions", 0, INT32_MAX).value_or(0));
  request.options.overflow = overflow(fields.flag("truncate"), true);
  fields.ignore({"keep_alive", "options"});
  fields.finish();
  return request;
}

EmbeddingRequest read_ollama_embeddings_request(const InputJson& body) {
  Fields fields(body);
  EmbeddingRequest request;
  request.model = fields.text("model");
  if (!request.model) throw bad_field("model", "model is missing", "missing_field");
  if (auto prompt = fields.text("prompt"); prompt && !prompt->empty())
    request.texts.push_back(std::move(*prompt));
  request.options.normalize = false;
  request.options.overflow = qwen::TextOverflow::truncate;
  fields.ignore({"keep_alive", "options"});
  fields.finish();
  return request;
}

RerankRequest read_rerank_request(const InputJson& body) {
  Fields fields(body);
  RerankRequest request;
  request.model = fields.text("model");
  request.user = fields.text("user");
  const auto query = fields.text("query");
  if (!query) throw bad_field("query", "query is missing", "missing_field");
  request.query = *query;
  const InputJson* documents = fields.find("documents");
  if (documents == nullptr) throw bad_field("documents", "documents is missing", "missing_field");
  if (!documents->is_array() || documents->empty() || documents->size() > kMaxDocuments)
    throw bad_field("documents", "documents: expected a list of 1 to " + std::to_string(kMaxDocuments) +
                                     " documents, found " + describe(*documents));
  for (const InputJson& document : *documents) {
    const InputJson* text = &document;
    if (document.is_object() && document.contains("text")) text = &document["text"];
    if (!text->is_string())
      throw bad_field("documents", "documents[" + std::to_string(request.documents.size()) +
                                       "]: expected a string or an object with \"text\", found " +
                                       describe(document));
    request.documents.push_back(text->get<std::string>());
  }
  if (const auto count = fields.integer("top_n", 1, INT32_MAX))
    request.top_n = static_cast<std::size_t>(*count);
  request.return_documents = fields.flag("return_documents").value_or(false);
  if (const auto instruction = fields.text("instruction"); instruction && !instruction->empty())
    request.options.instruction = *instruction;
  request.options.overflow = overflow(fields.flag("truncate"), false);
  fields.finish();
  return request;
}

}  // namespace qwen_serve
