// Sessions and what they generate.
#include "capi/boundary.h"

using namespace qwen;
using namespace qwen::capi;

extern "C" {

std::int32_t qwen_session_create(const qwen_model* model, const qwen_session_options* options,
                                 qwen_session** session, qwen_error* error) {
  return create(session, error, [&] {
    const qwen_session_options from = read_sized(options, "qwen_session_options");
    SessionOptions out;
    out.context = from.context;
    out.kv_type = kv_type_of(from.kv_type);
    if (from.prefill_chunk != 0) out.prefill_chunk = from.prefill_chunk;
    return Session(require_not_null(model, "model").model, out);
  });
}

void qwen_session_free(qwen_session* session) {
  delete session;
}

std::int32_t qwen_session_position(const qwen_session* session) {
  return session != nullptr ? session->session.position() : 0;
}

std::int32_t qwen_session_context(const qwen_session* session) {
  return session != nullptr ? session->session.context() : 0;
}

std::int32_t qwen_session_forward(qwen_session* session, const std::int32_t* tokens, std::size_t count,
                                  const float** logits, qwen_error* error) {
  return call(error, [&] {
    if (logits != nullptr) *logits = nullptr;
    const auto given = as_span(tokens, count, "tokens");
    Session& of = require_not_null(session, "session").session;
    if (logits != nullptr)
      *logits = of.forward(given).data();
    else
      of.prefill(given);
  });
}

std::int32_t qwen_session_forward_batch(qwen_batch_item* items, std::size_t count, qwen_error* error) {
  return call(error, [&] {
    const std::span<const qwen_batch_item> given = as_span<qwen_batch_item>(items, count, "items");
    for (std::size_t i = 0; i < count; ++i) items[i].logits = nullptr;
    std::vector<Session::BatchItem> batch;
    for (const qwen_batch_item& item : given)
      batch.push_back({&require_not_null(item.session, "session").session,
                       as_span(item.tokens, item.count, "tokens"),
                       item.want_logits != 0,
                       {}});
    Session::forward_batch(batch);
    for (std::size_t i = 0; i < count; ++i)
      if (batch[i].want_logits) items[i].logits = batch[i].logits.data();
  });
}

std::int32_t qwen_session_rewind(qwen_session* session, std::int32_t length, qwen_error* error) {
  return call(error, [&] { require_not_null(session, "session").session.rewind(length); });
}

std::int32_t qwen_session_save(const qwen_session* session, const char* path, qwen_error* error) {
  return call(error,
              [&] { require_not_null(session, "session").session.save(&require_not_null(path, "path")); });
}

std::int32_t qwen_session_load(qwen_session* session, const char* path, qwen_error* error) {
  return call(error,
              [&] { require_not_null(session, "session").session.load(&require_not_null(path, "path")); });
}

std::int32_t qwen_snapshot_create(const qwen_session* session, qwen_snapshot** snapshot, qwen_error* error) {
  return create(snapshot, error, [&] { return require_not_null(session, "session").session.snapshot(); });
}

void qwen_snapshot_free(qwen_snapshot* snapshot) {
  delete snapshot;
}

std::int32_t qwen_session_restore(qwen_session* session, const qwen_snapshot* snapshot, qwen_error* error) {
  return call(error, [&] {
    require_not_null(session, "session").session.restore(require_not_null(snapshot, "snapshot").snapshot);
  });
}

std::int32_t qwen_cancel_create(qwen_cancel** cancel, qwen_error* error) {
  return create(cancel, error, [] { return CancelToken(); });
}

void qwen_cancel_request(const qwen_cancel* cancel) {
  if (cancel != nullptr) cancel->token.cancel();
}

void qwen_cancel_free(qwen_cancel* cancel) {
  delete cancel;
}

std::int32_t qwen_sampling_init(qwen_sampling* sampling, const qwen_model* model, qwen_error* error) {
  return call(error, [&] {
    const SamplingOptions from = model != nullptr ? model->model.info().sampling : SamplingOptions();
    qwen_sampling out{};
    copy_sampling(from, out);
    out.use_seed = from.seed ? 1 : 0;
    out.seed = from.seed.value_or(0);
    write_sized(sampling, out, "sampling");
  });
}

std::int32_t qwen_generate(qwen_session* session, const std::int32_t* prompt, std::size_t count,
                           const qwen_generate_options* options, qwen_reply** reply, qwen_error* error) {
  return call(error, [&] {
    if (reply != nullptr) *reply = nullptr;
    Session& of = require_not_null(session, "session").session;
    const qwen_generate_options from = read_sized(options, "qwen_generate_options");
    const GenerateOptions out = generate_options_of(options);
    qwen_timings more{};
    GenerateResult result =
        generate(of, as_span(prompt, count, "prompt"), out, text_callback(from.on_text, from.user));
    more.prompt_tokens = result.prompt_tokens;
    write_reply(reply, std::move(result), more);
  });
}

void qwen_reply_free(qwen_reply* reply) {
  delete reply;
}

const char* qwen_reply_text(const qwen_reply* reply, std::size_t* length) {
  if (length != nullptr) *length = reply != nullptr ? reply->generation.text.size() : 0;
  return reply != nullptr ? reply->generation.text.c_str() : "";
}

const std::int32_t* qwen_reply_tokens(const qwen_reply* reply, std::size_t* count) {
  if (count != nullptr) *count = reply != nullptr ? reply->generation.tokens.size() : 0;
  return reply != nullptr ? reply->generation.tokens.data() : nullptr;
}

std::int32_t qwen_reply_finish(const qwen_reply* reply) {
  return reply != nullptr ? static_cast<std::int32_t>(reply->generation.finish) : QWEN_FINISH_CANCELLED;
}

const qwen_token_probability* qwen_reply_logprobs(const qwen_reply* reply, std::size_t index,
                                                  std::size_t* count) {
  const bool known = reply != nullptr && index < reply->logprobs.size();
  if (count != nullptr) *count = known ? reply->logprobs[index].size() : 0;
  return known ? reply->logprobs[index].data() : nullptr;
}

std::int32_t qwen_reply_get_timings(const qwen_reply* reply, qwen_timings* timings, qwen_error* error) {
  return call(error, [&] { write_sized(timings, require_not_null(reply, "reply").timings, "timings"); });
}

}  // extern "C"
