// Models and tokens.
#include "capi/boundary.h"

using namespace qwen;
using namespace qwen::capi;

namespace {

LoadOptions load_options(const qwen_load_options* options) {
  const qwen_load_options from = read_sized(options, "qwen_load_options");
  LoadOptions out;
  out.threads = from.threads;
  out.pin_threads = from.pin_threads != 0;
  out.reference = from.reference != 0;
  switch (from.quantize) {
    case QWEN_QUANTIZE_NONE: break;
    case QWEN_QUANTIZE_INT8: out.quantize = QuantizeOnLoad::int8; break;
    case QWEN_QUANTIZE_Q4: out.quantize = QuantizeOnLoad::q4; break;
    case QWEN_QUANTIZE_Q4_K: out.quantize = QuantizeOnLoad::q4_k; break;
    default:
      invalid_argument("qwen_load_options.quantize: expected 0 to 3, found " + std::to_string(from.quantize));
  }
  if (from.chat_template != nullptr) out.chat_template = from.chat_template;
  if (from.on_progress != nullptr)
    out.on_progress = [from](const LoadProgress& progress) {
      return from.on_progress(from.progress_user, progress.stage, progress.fraction) == 0;
    };
  if (from.on_log != nullptr)
    out.on_log = [from](std::string_view line) { from.on_log(from.log_user, line.data(), line.size()); };
  return out;
}

// `flags` has none but the known ones.
void check_flags(std::uint32_t flags, std::uint32_t known, const char* function) {
  if ((flags & ~known) != 0)
    throw Error(ErrorCode::unsupported, std::string(function) + ": flags: expected none but " +
                                            std::to_string(known) + ", found " + std::to_string(flags));
}

void write_tokens(std::span<const Token> from, std::int32_t** tokens, std::size_t* count) {
  *tokens = copy_out(from.data(), from.size());
  *count = from.size();
}

}  // namespace

extern "C" {

std::int32_t qwen_model_load(const char* path, const qwen_load_options* options, qwen_model** model,
                             qwen_error* error) {
  return create(model, error,
                [&] { return Model::load(&require_not_null(path, "path"), load_options(options)); });
}

std::int32_t qwen_model_builtin(const qwen_load_options* options, qwen_model** model, qwen_error* error) {
  return create(model, error, [&] { return Model::builtin(load_options(options)); });
}

void qwen_model_free(qwen_model* model) {
  delete model;
}

std::int32_t qwen_model_get_info(const qwen_model* model, qwen_model_info* info, qwen_error* error) {
  return call(error, [&] {
    const Model& of = require_not_null(model, "model").model;
    const ModelInfo& from = of.info();
    qwen_model_info out{};
    out.name = from.name.c_str();
    out.architecture = from.architecture.c_str();
    out.chat_template = from.chat_template.c_str();
    out.isa = of.isa().data();  // a literal
    out.layers = from.shape.layers;
    out.hidden = from.shape.hidden;
    out.heads = from.shape.heads;
    out.kv_heads = from.shape.kv_heads;
    out.head_dim = from.shape.head_dim;
    out.ffn = from.shape.ffn;
    out.embedding_rows = from.shape.embedding_rows;
    out.vocab_size = from.vocab_size;
    out.max_context = from.shape.max_context;
    out.threads = of.threads();
    out.parameters = from.parameters;
    out.weight_bytes = of.weight_bytes();
    out.fingerprint = of.fingerprint();
    write_sized(info, out, "info");
  });
}

std::int32_t qwen_tokenize(const qwen_model* model, const char* text, std::size_t length, std::uint32_t flags,
                           std::int32_t** tokens, std::size_t* count, qwen_error* error) {
  return call(error, [&] {
    require_not_null(tokens, "tokens") = nullptr;
    require_not_null(count, "count") = 0;
    check_flags(flags, QWEN_PARSE_CONTROL, "qwen_tokenize");
    const auto special =
        flags & QWEN_PARSE_CONTROL ? Tokenizer::ControlTokens::parse : Tokenizer::ControlTokens::as_text;
    write_tokens(
        require_not_null(model, "model").model.tokenizer().encode(text_of(text, length, "text"), special),
        tokens, count);
  });
}

std::int32_t qwen_detokenize(const qwen_model* model, const std::int32_t* tokens, std::size_t count,
                             std::uint32_t flags, char** text, std::size_t* length, qwen_error* error) {
  return call(error, [&] {
    require_not_null(text, "text") = nullptr;
    if (length != nullptr) *length = 0;
    check_flags(flags, QWEN_SHOW_CONTROL, "qwen_detokenize");
    const std::string out = require_not_null(model, "model")
                                .model.tokenizer()
                                .decode(as_span(tokens, count, "tokens"), (flags & QWEN_SHOW_CONTROL) != 0);
    *text = copy_out(out.data(), out.size());
    if (length != nullptr) *length = out.size();
  });
}

std::int32_t qwen_apply_chat_template(const qwen_model* model, const qwen_message* messages,
                                      std::size_t message_count, std::uint32_t flags, std::int32_t** tokens,
                                      std::size_t* count, qwen_error* error) {
  return call(error, [&] {
    require_not_null(tokens, "tokens") = nullptr;
    require_not_null(count, "count") = 0;
    check_flags(flags, QWEN_NO_GENERATION_PROMPT | QWEN_ENABLE_THINKING, "qwen_apply_chat_template");
    std::vector<Message> from;
    for (const qwen_message& message : as_span(messages, message_count, "messages"))
      from.push_back(
          {&require_not_null(message.role, "role"), &require_not_null(message.content, "content")});
    ChatTemplate::RenderOptions options;
    options.add_generation_prompt = (flags & QWEN_NO_GENERATION_PROMPT) == 0;
    options.enable_thinking = (flags & QWEN_ENABLE_THINKING) != 0;
    write_tokens(require_not_null(model, "model").model.chat_template().render(from, options), tokens, count);
  });
}

}  // extern "C"
