#include "capi/boundary.h"

#include <memory>

namespace qwen::capi {
namespace {

constexpr std::int32_t code_of(ErrorCode code) {
  return static_cast<std::int32_t>(code) + 1;
}
static_assert(code_of(ErrorCode::invalid_argument) == QWEN_INVALID_ARGUMENT);
static_assert(code_of(ErrorCode::not_found) == QWEN_NOT_FOUND);
static_assert(code_of(ErrorCode::io) == QWEN_IO);
static_assert(code_of(ErrorCode::bad_format) == QWEN_BAD_FORMAT);
static_assert(code_of(ErrorCode::unsupported) == QWEN_UNSUPPORTED);
static_assert(code_of(ErrorCode::out_of_memory) == QWEN_OUT_OF_MEMORY);
static_assert(code_of(ErrorCode::busy) == QWEN_BUSY);
static_assert(code_of(ErrorCode::context_full) == QWEN_CONTEXT_FULL);
static_assert(code_of(ErrorCode::cancelled) == QWEN_CANCELLED);
static_assert(code_of(ErrorCode::internal) == QWEN_INTERNAL);

static_assert(int(FinishReason::end_of_turn) == QWEN_FINISH_END_OF_TURN);
static_assert(int(FinishReason::stop_string) == QWEN_FINISH_STOP_STRING);
static_assert(int(FinishReason::length) == QWEN_FINISH_LENGTH);
static_assert(int(FinishReason::context_full) == QWEN_FINISH_CONTEXT_FULL);
static_assert(int(FinishReason::cancelled) == QWEN_FINISH_CANCELLED);

}  // namespace

std::int32_t report(qwen_error* error, std::int32_t code, std::string_view message) noexcept {
  if (error != nullptr) {
    std::size_t length = std::min(message.size(), sizeof error->message - 1);
    if (length < message.size())
      while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0) == 0x80) --length;
    std::memcpy(error->message, message.data(), length);
    error->message[length] = '\0';
    error->code = code;
  }
  return code;
}

std::int32_t report_exception(qwen_error* error) noexcept {
  try {
    throw;
  } catch (const Error& found) {
    return report(error, code_of(found.code()), found.what());
  } catch (const std::bad_alloc&) {
    return report(error, QWEN_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& found) {
    return report(error, QWEN_INTERNAL, found.what());
  } catch (...) {
    return report(error, QWEN_INTERNAL, "an exception of an unknown type");
  }
}

void invalid_argument(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, message);
}

std::string_view text_of(const char* text, std::size_t length, const char* name) {
  if (length == 0 && text == nullptr) return {};
  require_not_null(text, name);
  return length == QWEN_NUL_TERMINATED ? std::string_view(text) : std::string_view(text, length);
}

std::vector<std::string> texts_of(const char* const* texts, std::size_t count, const char* name) {
  std::vector<std::string> out;
  for (const char* text : as_span(texts, count, name)) out.emplace_back(&require_not_null(text, name));
  return out;
}

void invalid_size(const char* name, std::size_t expected, std::size_t found) {
  invalid_argument(std::string(name) + ".struct_size: expected " + std::to_string(expected) +
                   " or more, found " + std::to_string(found));
}

void check_sized(const void* given, std::size_t size, std::size_t first, std::size_t known,
                 const char* name) {
  if (size < first) invalid_size(name, first, size);
  const auto* bytes = static_cast<const unsigned char*>(given);
  for (std::size_t i = known; i < size; ++i)
    if (bytes[i] != 0)
      throw Error(ErrorCode::unsupported, std::string(name) + ": expected no more options than the " +
                                              std::to_string(known) + " bytes of version " + qwen::version() +
                                              ", found one at byte " + std::to_string(i));
}

KvType kv_type_of(std::int32_t value) {
  switch (value) {
    case QWEN_KV_AUTOMATIC: return KvType::automatic;
    case QWEN_KV_F16: return KvType::f16;
    case QWEN_KV_F32: return KvType::f32;
    default: invalid_argument("kv_type: expected 0, 1 or 2, found " + std::to_string(value));
  }
}

SamplingOptions sampling_of(const qwen_sampling& given) {
  const qwen_sampling from = read_sized(&given, "qwen_sampling");
  SamplingOptions out;
  copy_sampling(from, out);
  if (from.use_seed != 0) out.seed = from.seed;
  for (const qwen_token_bias& bias : as_span(from.logit_bias, from.logit_bias_count, "logit_bias"))
    out.logit_bias.emplace_back(bias.token, bias.bias);
  return out;
}

GenerateOptions generate_options_of(const qwen_generate_options* options) {
  const qwen_generate_options from = read_sized(options, "qwen_generate_options");
  GenerateOptions out;
  out.max_new_tokens = value_or(from.max_new_tokens, out.max_new_tokens);
  out.stop_at_end_of_turn = from.ignore_end_of_turn == 0;
  if (from.sampling != nullptr) out.sampling = sampling_of(*from.sampling);
  out.stop = texts_of(from.stop, from.stop_count, "stop");
  out.cancel = cancel_of(from.cancel);
  if (from.logprobs < 0)
    invalid_argument("logprobs: expected 0 or more, found " + std::to_string(from.logprobs));
  out.logprobs = from.logprobs - 1;
  if (from.constraint != nullptr) out.constraint = from.constraint->constraint;
  return out;
}

std::shared_ptr<Engine> inline_engine(const qwen_model* model, EngineOptions options) {
  options.background = false;
  options.prefill_tokens = options.prefill_tokens_while_decoding = 512;
  return std::make_shared<Engine>(require_not_null(model, "model").model, options);
}

CancelToken cancel_of(const qwen_cancel* cancel) {
  return cancel != nullptr ? cancel->token : CancelToken();
}

TextCallback text_callback(qwen_text_fn on_text, void* user) {
  if (on_text == nullptr) return {};
  return [on_text, user](std::string_view text) { return on_text(user, text.data(), text.size()) == 0; };
}

void write_reply(qwen_reply** out, GenerateResult&& generation, const qwen_timings& more) {
  if (out == nullptr) return;
  auto reply = std::make_unique<qwen_reply>(qwen_reply{std::move(generation), more, {}});
  for (std::size_t i = 0; i < reply->generation.logprobs.size(); ++i) {
    auto& list = reply->logprobs.emplace_back();
    const auto add = [&](const TokenProbability& p) { list.push_back({p.token, p.logprob}); };
    add(reply->generation.logprobs[i]);
    std::ranges::for_each(reply->generation.alternatives[i], add);
  }
  qwen_timings& timings = reply->timings;
  timings.struct_size = sizeof timings;
  timings.generated_tokens = static_cast<std::int32_t>(reply->generation.tokens.size());
  timings.prefill_seconds = reply->generation.prefill_seconds;
  timings.first_token_seconds = reply->generation.first_token_seconds;
  timings.decode_seconds = reply->generation.decode_seconds;
  *out = reply.release();
}

}  // namespace qwen::capi

extern "C" {

const char* qwen_version(void) {
  return qwen::version();
}

const char* qwen_code_name(std::int32_t code) {
  if (code == QWEN_OK) return "ok";
  if (code < QWEN_OK || code > QWEN_INTERNAL) return "unknown";
  return qwen::to_string(static_cast<qwen::ErrorCode>(code - 1));
}

void qwen_free(void* memory) {
  std::free(memory);
}

}  // extern "C"
