// The C interface: generation step by step, the engine, model files.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "capi/calls.h"

using namespace qwen::test::capi;

namespace {

qwen_sampling greedy_sampling(const Handle<qwen_model>& model) {
  qwen_sampling sampling{};
  sampling.struct_size = sizeof sampling;
  qwen_error error;
  ok(qwen_sampling_init(&sampling, model.get(), &error), error);
  sampling.temperature = 0;
  return sampling;
}

}  // namespace

TEST_CASE("C: a generation loop by hand gives the reply of qwen_generate", "[capi]") {
  const auto model = tiny();
  const auto prompt = render(model, "你好");
  const qwen_sampling greedy = greedy_sampling(model);
  qwen_error error;
  qwen_model_info info{};
  info.struct_size = sizeof info;
  ok(qwen_model_get_info(model.get(), &info, &error), error);
  const auto session = session_of(model);
  qwen_sampler* sampler = nullptr;
  qwen_text_stream* stream = nullptr;
  ok(qwen_sampler_create(model.get(), &greedy, &sampler, &error), error);
  ok(qwen_text_stream_create(model.get(), &stream, &error), error);
  ok(qwen_sampler_accept_prompt(sampler, prompt.data(), prompt.size(), &error), error);
  const float* logits = nullptr;
  ok(qwen_session_forward(session.get(), prompt.data(), prompt.size(), &logits, &error), error);
  std::string text;
  const char* part = nullptr;
  std::size_t length = 0;
  for (int i = 0; i < 100; ++i) {
    std::int32_t token = -1;
    ok(qwen_sampler_sample(sampler, logits, static_cast<std::size_t>(info.vocab_size), &token, &error),
       error);
    if (qwen_is_end_of_turn(model.get(), token)) break;
    ok(qwen_text_stream_push(stream, token, &part, &length, &error), error);
    text.append(part, length);
    ok(qwen_session_forward(session.get(), &token, 1, &logits, &error), error);
  }
  ok(qwen_text_stream_finish(stream, &part, &length, &error), error);
  text.append(part, length);
  CHECK(text == kAnswer);
  CHECK(qwen_is_end_of_turn(model.get(), -1) == 0);
  CHECK(qwen_is_end_of_turn(nullptr, 0) == 0);
  CHECK(qwen_sampler_sample(sampler, logits, 1, nullptr, &error) == QWEN_INVALID_ARGUMENT);
  qwen_sampler_free(sampler);
  qwen_text_stream_free(stream);
}

TEST_CASE("C: log-probabilities, logit bias and a reply of no tokens", "[capi]") {
  const auto model = tiny();
  const auto prompt = render(model, "你好");
  qwen_sampling greedy = greedy_sampling(model);
  qwen_generate_options options{};
  options.struct_size = sizeof options;
  options.sampling = &greedy;
  options.max_new_tokens = 3;
  options.logprobs = 3;
  qwen_error error;
  qwen_reply* made = nullptr;
  ok(qwen_generate(session_of(model).get(), prompt.data(), prompt.size(), &options, &made, &error), error);
  Handle<qwen_reply> reply(made);
  std::size_t count = 0, tokens = 0;
  const std::int32_t* const ids = qwen_reply_tokens(reply.get(), &tokens);
  REQUIRE(tokens == 3);
  const qwen_token_probability* list = qwen_reply_logprobs(reply.get(), 0, &count);
  REQUIRE(count == 3);
  CHECK(list[0].token == ids[0]);
  CHECK(list[1].token == ids[0]);  // greedy: the most probable one
  CHECK(list[1].logprob >= list[2].logprob);
  CHECK(qwen_reply_logprobs(reply.get(), 3, &count) == nullptr);
  CHECK(count == 0);

  const qwen_token_bias forbidden{ids[0], -INFINITY};
  greedy.logit_bias = &forbidden;
  greedy.logit_bias_count = 1;
  options.logprobs = 0;
  ok(qwen_generate(session_of(model).get(), prompt.data(), prompt.size(), &options, &made, &error), error);
  reply.reset(made);
  CHECK(qwen_reply_tokens(reply.get(), &tokens)[0] != forbidden.token);
  CHECK(qwen_reply_logprobs(reply.get(), 0, &count) == nullptr);

  options.max_new_tokens = QWEN_ZERO;
  const auto session = session_of(model);
  ok(qwen_generate(session.get(), prompt.data(), prompt.size(), &options, &made, &error), error);
  reply.reset(made);
  qwen_reply_tokens(reply.get(), &tokens);
  CHECK(tokens == 0);
  CHECK(qwen_session_position(session.get()) == static_cast<int>(prompt.size()));
}

TEST_CASE("C: an engine computes many requests", "[capi]") {
  const auto model = tiny();
  const auto prompt = render(model, "你好");
  const qwen_sampling greedy = greedy_sampling(model);
  qwen_generate_options options{};
  options.struct_size = sizeof options;
  options.sampling = &greedy;
  qwen_error error;
  qwen_engine* engine = nullptr;
  ok(qwen_engine_create(model.get(), nullptr, &engine, &error), error);
  qwen_job* jobs[3] = {};
  CHECK(qwen_engine_submit(engine, prompt.data(), 0, &options, &jobs[0], &error) == QWEN_INVALID_ARGUMENT);
  CHECK(jobs[0] == nullptr);
  for (qwen_job*& job : jobs)
    ok(qwen_engine_submit(engine, prompt.data(), prompt.size(), &options, &job, &error), error);
  std::string text;
  for (std::int32_t done = 0; done == 0;) {
    const char* part = nullptr;
    std::size_t length = 0;
    ok(qwen_job_next(jobs[0], -1, &part, &length, &done, &error), error);
    text.append(part, length);
  }
  CHECK(text == kAnswer);
  qwen_reply* made = nullptr;
  ok(qwen_job_result(jobs[1], &made, &error), error);
  CHECK(std::string(qwen_reply_text(made, nullptr)) == kAnswer);
  qwen_reply_free(made);
  qwen_job_cancel(jobs[2]);
  ok(qwen_job_result(jobs[2], nullptr, &error), error);
  qwen_engine_free(engine);  // jobs keep it
  for (qwen_job* job : jobs) qwen_job_free(job);

  qwen_session* sessions[2] = {};
  const float* alone = nullptr;
  const auto reference = session_of(model);
  ok(qwen_session_forward(reference.get(), prompt.data(), prompt.size(), &alone, &error), error);
  qwen_batch_item items[2] = {};
  for (int i = 0; i < 2; ++i) {
    ok(qwen_session_create(model.get(), nullptr, &sessions[i], &error), error);
    items[i] = {sessions[i], prompt.data(), prompt.size(), i == 1, nullptr};
  }
  ok(qwen_session_forward_batch(items, 2, &error), error);
  CHECK(items[0].logits == nullptr);
  REQUIRE(items[1].logits != nullptr);
  CHECK(std::memcmp(items[1].logits, alone, 100 * sizeof(float)) == 0);
  items[0].session = items[1].session;
  CHECK(qwen_session_forward_batch(items, 2, &error) == QWEN_INVALID_ARGUMENT);
  for (qwen_session* session : sessions) qwen_session_free(session);
}

TEST_CASE("C: model files are inspected, estimated and quantized", "[capi]") {
  qwen_error error;
  qwen_model_file* file = nullptr;
  ok(qwen_model_file_open(kTiny.c_str(), &file, &error), error);
  qwen_model_info info{};
  info.struct_size = sizeof info;
  ok(qwen_model_file_get_info(file, &info, &error), error);
  CHECK(info.layers > 0);
  CHECK(std::string(info.isa).empty());
  qwen_memory_estimate estimate{};
  estimate.struct_size = sizeof estimate;
  ok(qwen_model_estimate(kTiny.c_str(), 256, 2, nullptr, &estimate, &error), error);
  CHECK(estimate.weights > 0);
  CHECK(estimate.kv_cache > 0);
  CHECK(qwen_model_estimate(kTiny.c_str(), -1, 2, nullptr, &estimate, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_model_file_open("/nowhere.gguf", &file, &error) == QWEN_NOT_FOUND);
  CHECK(file == nullptr);
  const std::string out = kTiny + "." + std::to_string(reinterpret_cast<std::uintptr_t>(&error)) + ".q4_0";
  qwen_quantize_options options{};
  options.struct_size = sizeof options;
  options.type = "Q4_0";
  ok(qwen_quantize(kTiny.c_str(), out.c_str(), &options, &error), error);
  CHECK(qwen_quantize(kTiny.c_str(), out.c_str(), &options, &error) == QWEN_INVALID_ARGUMENT);  // it exists
  qwen_model* model = nullptr;
  ok(qwen_model_load(out.c_str(), nullptr, &model, &error), error);
  qwen_model_free(model);
  std::remove(out.c_str());
}

TEST_CASE("C: replies under a constraint", "[capi]") {
  qwen_error error;
  const auto model = tiny();
  const auto prompt = render(model, "你好");
  const auto session = session_of(model);
  qwen_constraint* constraint = nullptr;
  ok(qwen_constraint_json_schema(
         R"({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false})",
         &constraint, &error),
     error);
  qwen_generate_options options{};
  options.struct_size = sizeof options;
  options.max_new_tokens = 40;
  options.constraint = constraint;
  qwen_reply* reply = nullptr;
  ok(qwen_generate(session.get(), prompt.data(), prompt.size(), &options, &reply, &error), error);
  std::size_t length = 0;
  const char* text = qwen_reply_text(reply, &length);
  CHECK(qwen_constraint_accepts(constraint, text, length) == 1);
  CHECK(qwen_constraint_accepts(constraint, "{}", 2) == 0);
  CHECK(qwen_constraint_accepts(nullptr, "{}", 2) == 0);
  qwen_reply_free(reply);
  options.max_new_tokens = 2;
  CHECK(qwen_generate(session.get(), prompt.data(), 0, &options, &reply, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(reply == nullptr);
  qwen_constraint_free(constraint);
  CHECK(qwen_constraint_json_schema("{", &constraint, &error) == QWEN_BAD_FORMAT);
  CHECK(qwen_constraint_json_schema(R"({"uniqueItems": true})", &constraint, &error) == QWEN_UNSUPPORTED);
  CHECK(qwen_constraint_json_schema(nullptr, &constraint, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(qwen_constraint_choice(nullptr, 0, &constraint, &error) == QWEN_INVALID_ARGUMENT);
  CHECK(constraint == nullptr);
  const char* choices[] = {"a", "bc"};
  ok(qwen_constraint_choice(choices, 2, &constraint, &error), error);
  CHECK(qwen_constraint_accepts(constraint, "bc", 2) == 1);
  qwen_constraint_free(constraint);
  ok(qwen_constraint_regex("[0-9]+", &constraint, &error), error);
  CHECK(qwen_constraint_accepts(constraint, "12", 2) == 1);
  qwen_constraint_free(constraint);
  ok(qwen_constraint_json_object(&constraint, &error), error);
  CHECK(qwen_constraint_accepts(constraint, "{}", 2) == 1);
  qwen_constraint_free(constraint);
  qwen_constraint_free(nullptr);
}
