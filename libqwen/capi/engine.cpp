// Generation step by step, the engine, and model files.
#include <algorithm>

#include "capi/boundary.h"

using namespace qwen;
using namespace qwen::capi;

namespace {

// The results while the call has not succeeded.
void clear_text(const char** text, std::size_t* length) {
  require_not_null(text, "text") = nullptr;
  if (length != nullptr) *length = 0;
}

void write_text(std::string& kept, std::string&& from, const char** text, std::size_t* length) {
  kept = std::move(from);
  *text = kept.c_str();
  if (length != nullptr) *length = kept.size();
}

const char* text_or_empty(const char* text) {
  return text != nullptr ? text : "";
}

}  // namespace

extern "C" {

std::int32_t qwen_sampler_create(const qwen_model* model, const qwen_sampling* sampling,
                                 qwen_sampler** sampler, qwen_error* error) {
  return create(sampler, error, [&] {
    if (sampling != nullptr) return Sampler(sampling_of(*sampling));
    return Sampler(model != nullptr ? model->model.info().sampling : SamplingOptions());
  });
}

void qwen_sampler_free(qwen_sampler* sampler) {
  delete sampler;
}

std::int32_t qwen_sampler_accept_prompt(qwen_sampler* sampler, const std::int32_t* tokens, std::size_t count,
                                        qwen_error* error) {
  return call(error, [&] {
    require_not_null(sampler, "sampler").sampler.accept_prompt(as_span(tokens, count, "tokens"));
  });
}

std::int32_t qwen_sampler_sample(qwen_sampler* sampler, const float* logits, std::size_t count,
                                 std::int32_t* token, qwen_error* error) {
  return call(error, [&] {
    require_not_null(token, "token") = 0;
    *token = require_not_null(sampler, "sampler").sampler.sample(as_span(logits, count, "logits"));
  });
}

std::int32_t qwen_is_end_of_turn(const qwen_model* model, std::int32_t token) {
  return model != nullptr && model->model.is_end_of_turn(token) ? 1 : 0;
}

std::int32_t qwen_text_stream_create(const qwen_model* model, qwen_text_stream** stream, qwen_error* error) {
  return call(error, [&] {
    require_not_null(stream, "the handle's place") = nullptr;
    *stream = new qwen_text_stream{TextStream(require_not_null(model, "model").model.tokenizer()), {}};
  });
}

void qwen_text_stream_free(qwen_text_stream* stream) {
  delete stream;
}

std::int32_t qwen_text_stream_push(qwen_text_stream* stream, std::int32_t token, const char** text,
                                   std::size_t* length, qwen_error* error) {
  return call(error, [&] {
    clear_text(text, length);
    qwen_text_stream& of = require_not_null(stream, "stream");
    write_text(of.text, of.stream.push(token), text, length);
  });
}

std::int32_t qwen_text_stream_finish(qwen_text_stream* stream, const char** text, std::size_t* length,
                                     qwen_error* error) {
  return call(error, [&] {
    clear_text(text, length);
    qwen_text_stream& of = require_not_null(stream, "stream");
    write_text(of.text, of.stream.finish(), text, length);
  });
}

std::int32_t qwen_engine_create(const qwen_model* model, const qwen_engine_options* options,
                                qwen_engine** engine, qwen_error* error) {
  return create(engine, error, [&] {
    const qwen_engine_options from = read_sized(options, "qwen_engine_options");
    EngineOptions out;
    out.context = from.context;
    out.kv_type = kv_type_of(from.kv_type);
    if (from.max_sequences != 0) out.max_sequences = from.max_sequences;
    out.max_queued = value_or(from.max_queued, out.max_queued);
    return std::make_shared<Engine>(require_not_null(model, "model").model, out);
  });
}

void qwen_engine_free(qwen_engine* engine) {
  delete engine;
}

std::int32_t qwen_engine_submit(qwen_engine* engine, const std::int32_t* prompt, std::size_t count,
                                const qwen_generate_options* options, qwen_job** job, qwen_error* error) {
  return call(error, [&] {
    require_not_null(job, "the handle's place") = nullptr;
    const auto given = as_span(prompt, count, "prompt");
    const qwen_generate_options from = read_sized(options, "qwen_generate_options");
    EngineRequest request;
    request.prompt.assign(given.begin(), given.end());
    request.generate = generate_options_of(options);
    request.on_text = text_callback(from.on_text, from.user);
    const std::shared_ptr<Engine>& by = require_not_null(engine, "engine").engine;
    *job = new qwen_job{by->submit(std::move(request)), by, {}};
  });
}

std::int32_t qwen_job_next(qwen_job* job, std::int64_t wait_milliseconds, const char** text,
                           std::size_t* length, std::int32_t* done, qwen_error* error) {
  return call(error, [&] {
    clear_text(text, length);
    if (done != nullptr) *done = 0;
    qwen_job& of = require_not_null(job, "job");
    if (wait_milliseconds < -1)
      invalid_argument("wait_milliseconds: expected -1 or more, found " + std::to_string(wait_milliseconds));
    auto chunk =
        wait_milliseconds == -1 ? of.job.next() : of.job.next(std::chrono::milliseconds(wait_milliseconds));
    write_text(of.text, chunk ? std::move(chunk->text) : std::string(), text, length);
    if (done != nullptr) *done = of.job.done() ? 1 : 0;
  });
}

std::int32_t qwen_job_result(qwen_job* job, qwen_reply** reply, qwen_error* error) {
  return call(error, [&] {
    if (reply != nullptr) *reply = nullptr;
    const EngineResult& result = require_not_null(job, "job").job.result();
    qwen_timings more{};
    more.prompt_tokens = result.prompt_tokens;
    more.cached_tokens = result.cached_tokens;
    write_reply(reply, GenerateResult(result.generation), more);
  });
}

void qwen_job_cancel(const qwen_job* job) {
  if (job != nullptr) job->job.cancel();
}

void qwen_job_free(qwen_job* job) {
  delete job;
}

std::int32_t qwen_model_estimate(const char* path, std::int32_t context, std::int32_t sequences,
                                 const qwen_load_options* options, qwen_memory_estimate* estimate,
                                 qwen_error* error) {
  return call(error, [&] {
    const MemoryEstimate from =
        Model::estimate(&require_not_null(path, "path"), context, sequences, load_options_of(options));
    qwen_memory_estimate out{};
    out.weights = from.weights;
    out.kv_cache = from.kv_cache;
    out.scratch = from.scratch;
    out.other = from.other;
    write_sized(estimate, out, "estimate");
  });
}

std::int32_t qwen_model_file_open(const char* path, qwen_model_file** file, qwen_error* error) {
  return create(file, error, [&] { return Model::inspect(&require_not_null(path, "path")); });
}

void qwen_model_file_free(qwen_model_file* file) {
  delete file;
}

std::int32_t qwen_model_file_get_info(const qwen_model_file* file, qwen_model_info* info, qwen_error* error) {
  return call(error, [&] { write_sized(info, info_of(require_not_null(file, "file").info), "info"); });
}

std::int32_t qwen_quantize(const char* in, const char* out, const qwen_quantize_options* options,
                           qwen_error* error) {
  return call(error, [&] {
    const qwen_quantize_options from = read_sized(options, "qwen_quantize_options");
    QuantizeOptions to;
    if (from.type != nullptr) to.type = from.type;
    to.output_type = text_or_empty(from.output_type);
    to.embedding_type = text_or_empty(from.embedding_type);
    to.pure = from.pure != 0;
    to.threads = from.threads;
    to.overwrite = from.overwrite != 0;
    if (from.on_progress != nullptr)
      to.on_progress = [from](const QuantizeProgress& progress) {
        return from.on_progress(from.user, std::string(progress.tensor).c_str(), progress.fraction) == 0;
      };
    quantize_file(&require_not_null(in, "in"), &require_not_null(out, "out"), to);
  });
}

}  // extern "C"
