// The C interface: opaque handles, plain structs, error codes. C99 and C++; the guide is docs/library.md.
//
// Errors. A function that can fail returns a code (QWEN_OK is 0) and takes a qwen_error* last, which may be
// NULL; it receives the code and a message of one line. There is no global or per-thread error state, and no
// exception leaves the library. If a call fails, the pointers that it returns are NULL, the counts 0, and the structs
// that it fills unchanged.
//
// Options. Every struct of options begins with its own size; all other members are zero for the defaults:
//   qwen_load_options options = {.struct_size = sizeof options};
// NULL means all defaults. QWEN_ZERO is the number 0 for a member whose 0 means another default. Later versions append
// members: an old program works with a newer library, and a new program with an older one if the members unknown to it
// are zero (otherwise QWEN_UNSUPPORTED). The caller also sets struct_size in structs that the library fills.
//
// Handles. Each NAME_free accepts NULL. Handles may be freed in any order: a handle keeps alive what it was made
// from. A qwen_model, qwen_engine, qwen_classifier, qwen_embedder, qwen_reranker or qwen_cancel may be used by many
// threads at once, any other handle by one thread at a time. Results that are `const` belong to the handle.
//
// Text is UTF-8 with its length, or with QWEN_NUL_TERMINATED up to the first NUL.
#ifndef QWEN_QWEN_C_H
#define QWEN_QWEN_C_H

#include <stddef.h>
#include <stdint.h>

#include "qwen/export.h"
#include "qwen/version.h"

#ifdef __cplusplus
extern "C" {
#endif

// A length: the text ends with a NUL.
#define QWEN_NUL_TERMINATED ((size_t)-1)
// See "Options" above.
#define QWEN_ZERO (-1)

// Result codes. The numbers never change.
enum {
  QWEN_OK = 0,
  QWEN_INVALID_ARGUMENT = 1,  // an argument is out of range or inconsistent
  QWEN_NOT_FOUND = 2,         // a file, task or label that does not exist
  QWEN_IO = 3,                // the operating system refused to read, write or map
  QWEN_BAD_FORMAT = 4,        // a file or text is malformed
  QWEN_UNSUPPORTED = 5,       // a valid file or option that this library does not implement
  QWEN_OUT_OF_MEMORY = 6,     // an allocation was refused
  QWEN_BUSY = 7,              // the queue is full
  QWEN_CONTEXT_FULL = 8,      // the text does not fit into the context
  QWEN_CANCELLED = 9,         // a callback or another thread asked to stop
  QWEN_INTERNAL = 10          // a fault of the library: please report it
};

// Receives the reason of a failure. This struct never changes.
typedef struct qwen_error {
  int32_t code;       // QWEN_OK after a call that did not fail
  char message[508];  // one line, ended by a NUL; truncated at a character boundary
} qwen_error;

// The version of the linked library, "0.1.0".
QWEN_API const char* qwen_version(void);
// The name of a code: "bad_format".
QWEN_API const char* qwen_code_name(int32_t code);
// Frees what a function below has allocated for the caller.
QWEN_API void qwen_free(void* memory);

// ---- Models

// Immutable weights, tokenizer and threads.
typedef struct qwen_model qwen_model;

// Gets the stage of a load ("map", "tokenizer", "pack") and the fraction done, 0 to 1. Returns 0 to continue.
typedef int32_t (*qwen_progress_fn)(void* user, const char* stage, double fraction);
// Gets a warning of one line. The library itself never prints.
typedef void (*qwen_log_fn)(void* user, const char* line, size_t length);

// Types for the matrices of a float checkpoint, as QuantizeOnLoad in qwen/model.h.
enum { QWEN_QUANTIZE_NONE = 0, QWEN_QUANTIZE_INT8 = 1, QWEN_QUANTIZE_Q4 = 2, QWEN_QUANTIZE_Q4_K = 3 };

// Options of the functions that load a model.
typedef struct qwen_load_options {
  size_t struct_size;
  int32_t threads;      // 0: the physical cores that this process may use
  int32_t pin_threads;  // 1: bind each thread to one core
  int32_t reference;    // 1: float weights and activations everywhere: the slow reference path
  int32_t quantize;     // QWEN_QUANTIZE_...
  // NULL: the model's own; else "qwen1.5", "qwen2", "qwen2.5", "qwen3", "chatml" or Jinja text.
  const char* chat_template;
  qwen_progress_fn on_progress;  // may be NULL; a result other than 0 ends the load with QWEN_CANCELLED
  void* progress_user;           // passed to on_progress
  qwen_log_fn on_log;            // may be NULL
  void* log_user;                // passed to on_log
} qwen_load_options;

// Loads a GGUF file or a Hugging Face directory.
QWEN_API int32_t qwen_model_load(const char* path, const qwen_load_options* options, qwen_model** model,
                                 qwen_error* error);
// The bundled demonstration model. QWEN_UNSUPPORTED if the library was built without it.
QWEN_API int32_t qwen_model_builtin(const qwen_load_options* options, qwen_model** model, qwen_error* error);
QWEN_API void qwen_model_free(qwen_model* model);

// The texts belong to the model.
typedef struct qwen_model_info {
  size_t struct_size;
  const char* name;           // general.name, or the file's name
  const char* architecture;   // "qwen2" or "qwen3"
  const char* chat_template;  // the template's name; "" if the model has no usable one
  const char* isa;            // the instruction set in use: "scalar", "avx2", "avx512", ...
  int32_t layers, hidden, heads, kv_heads, head_dim, ffn;  // the shape (docs/model.md)
  int32_t embedding_rows;                                  // logits of a token
  int32_t vocab_size;                                      // token ids; at most embedding_rows
  int32_t max_context;                                     // tokens that a session can have
  int32_t threads;                                         // that compute, the calling one included
  uint64_t parameters;                                     // weights in all tensors
  uint64_t weight_bytes;                                   // in memory
  uint64_t fingerprint;                                    // of configuration, tokenizer and weights
} qwen_model_info;
// Describes a model.
QWEN_API int32_t qwen_model_get_info(const qwen_model* model, qwen_model_info* info, qwen_error* error);

// ---- Tokens

// Flags of qwen_tokenize: control tokens in the text become their ids. Not for text from users.
#define QWEN_PARSE_CONTROL 1u
// Flags of qwen_detokenize: control tokens are shown.
#define QWEN_SHOW_CONTROL 1u
// Flags of qwen_apply_chat_template: the prompt does not end with the beginning of a reply.
#define QWEN_NO_GENERATION_PROMPT 1u
// Flags of qwen_apply_chat_template: the model may think before it answers, if its template can turn that on.
#define QWEN_ENABLE_THINKING 2u

// Token ids of a text. Free `*tokens` with qwen_free.
QWEN_API int32_t qwen_tokenize(const qwen_model* model, const char* text, size_t length, uint32_t flags,
                               int32_t** tokens, size_t* count, qwen_error* error);
// The text of tokens, ended by a NUL that is not counted. Free `*text` with qwen_free; `length` may be NULL.
QWEN_API int32_t qwen_detokenize(const qwen_model* model, const int32_t* tokens, size_t count, uint32_t flags,
                                 char** text, size_t* length, qwen_error* error);

// A message of a conversation; both texts end with a NUL.
typedef struct qwen_message {
  const char* role;     // "system", "user" or "assistant"
  const char* content;  // control tokens in it are ordinary text
} qwen_message;
// A conversation as tokens, by the model's chat template. Free `*tokens` with qwen_free.
QWEN_API int32_t qwen_apply_chat_template(const qwen_model* model, const qwen_message* messages,
                                          size_t message_count, uint32_t flags, int32_t** tokens,
                                          size_t* count, qwen_error* error);

// ---- Sessions

// A sequence of tokens with the model's state after them.
typedef struct qwen_session qwen_session;
// A copy of a session's tokens and state.
typedef struct qwen_snapshot qwen_snapshot;

// The number type of keys and values.
enum { QWEN_KV_AUTOMATIC = 0, QWEN_KV_F16 = 1, QWEN_KV_F32 = 2 };

// Options of qwen_session_create.
typedef struct qwen_session_options {
  size_t struct_size;
  int32_t context;        // tokens; 0: the smaller of 2048 and the model's max_context
  int32_t kv_type;        // QWEN_KV_...
  int32_t prefill_chunk;  // prompt tokens computed at once; 0: 512
} qwen_session_options;

// An empty session.
QWEN_API int32_t qwen_session_create(const qwen_model* model, const qwen_session_options* options,
                                     qwen_session** session, qwen_error* error);
QWEN_API void qwen_session_free(qwen_session* session);
// Tokens in the session; 0 for NULL.
QWEN_API int32_t qwen_session_position(const qwen_session* session);
// Tokens that fit into the session; 0 for NULL.
QWEN_API int32_t qwen_session_context(const qwen_session* session);
// Appends tokens. `*logits` are the logits of the last one, [qwen_model_info.embedding_rows], and belong to the
// session until its next call; `logits` may be NULL.
QWEN_API int32_t qwen_session_forward(qwen_session* session, const int32_t* tokens, size_t count,
                                      const float** logits, qwen_error* error);
// Removes all but the first `length` tokens.
QWEN_API int32_t qwen_session_rewind(qwen_session* session, int32_t length, qwen_error* error);
// Writes the session to a file.
QWEN_API int32_t qwen_session_save(const qwen_session* session, const char* path, qwen_error* error);
// Reads a file that qwen_session_save wrote with the same model.
QWEN_API int32_t qwen_session_load(qwen_session* session, const char* path, qwen_error* error);
// Snapshots the session's tokens and state; KV pages are shared, not copied.
QWEN_API int32_t qwen_snapshot_create(const qwen_session* session, qwen_snapshot** snapshot,
                                      qwen_error* error);
QWEN_API void qwen_snapshot_free(qwen_snapshot* snapshot);
// Replaces the session's tokens and state with the snapshot's.
QWEN_API int32_t qwen_session_restore(qwen_session* session, const qwen_snapshot* snapshot,
                                      qwen_error* error);

// ---- Text

// Gets whole UTF-8 characters as they become final, without a NUL. Returns 0 to continue.
typedef int32_t (*qwen_text_fn)(void* user, const char* text, size_t length);

// A flag that any thread may set; generation with this flag ends before its next token.
typedef struct qwen_cancel qwen_cancel;
// A flag that is not set.
QWEN_API int32_t qwen_cancel_create(qwen_cancel** cancel, qwen_error* error);
// Sets the flag; nothing clears it.
QWEN_API void qwen_cancel_request(const qwen_cancel* cancel);
QWEN_API void qwen_cancel_free(qwen_cancel* cancel);

// A number that is added to the logit of a token.
typedef struct qwen_token_bias {
  int32_t token;  // less than qwen_model_info.vocab_size
  float bias;     // -INFINITY forbids the token
} qwen_token_bias;

// Fill it with qwen_sampling_init: zeros are values here, not defaults.
typedef struct qwen_sampling {
  size_t struct_size;
  float temperature;                          // 0: greedy
  int32_t top_k;                              // 0: all
  float top_p;                                // 1: all
  float min_p;                                // 0: all
  float repetition_penalty;                   // 1: off
  float presence_penalty, frequency_penalty;  // 0: off
  int32_t penalty_last_n;                     // tokens that the penalties look back at; 0: all
  int32_t use_seed;                           // 1: `seed` is used: same seed, same tokens; 0: a random seed
  uint64_t seed;                              // of the random numbers
  const qwen_token_bias* logit_bias;          // may be NULL if the count is 0
  size_t logit_bias_count;                    // elements of logit_bias
} qwen_sampling;
// The defaults of the model, or of the library if `model` is NULL.
QWEN_API int32_t qwen_sampling_init(qwen_sampling* sampling, const qwen_model* model, qwen_error* error);

// What a reply's text must be (docs/constraints.md). It never changes; replies may share it, from many threads.
typedef struct qwen_constraint qwen_constraint;
// Any JSON object.
QWEN_API int32_t qwen_constraint_json_object(qwen_constraint** constraint, qwen_error* error);
// JSON that matches a schema (a JSON text ended by a NUL). QWEN_BAD_FORMAT for a malformed one; QWEN_UNSUPPORTED, with the
// keyword's name, for one that is not enforced.
QWEN_API int32_t qwen_constraint_json_schema(const char* schema, qwen_constraint** constraint,
                                             qwen_error* error);
// A text that matches an ECMA-262 regular expression as a whole. Errors as qwen_constraint_json_schema.
QWEN_API int32_t qwen_constraint_regex(const char* pattern, qwen_constraint** constraint, qwen_error* error);
// One of `count` texts; QWEN_INVALID_ARGUMENT if there are none.
QWEN_API int32_t qwen_constraint_choice(const char* const* choices, size_t count,
                                        qwen_constraint** constraint, qwen_error* error);
// Whether a text satisfies the constraint: 1 or 0; 0 for NULL.
QWEN_API int32_t qwen_constraint_accepts(const qwen_constraint* constraint, const char* text, size_t length);
QWEN_API void qwen_constraint_free(qwen_constraint* constraint);

// Options of one reply.
typedef struct qwen_generate_options {
  size_t struct_size;
  int32_t max_new_tokens;         // 0: 512; QWEN_ZERO: only the prompt is computed
  int32_t ignore_end_of_turn;     // 1: end-of-turn tokens do not end the reply
  const qwen_sampling* sampling;  // NULL: the model's defaults
  const char* const* stop;        // texts that end the reply; they never appear in it
  size_t stop_count;              // texts in stop
  const qwen_cancel* cancel;      // may be NULL
  qwen_text_fn on_text;           // may be NULL; a result other than 0 ends the reply (QWEN_FINISH_CANCELLED)
  void* user;                     // passed to on_text
  int32_t logprobs;               // 0: none; n: those of each token and of n - 1 alternatives
  // NULL: any text. A reply under a constraint is never cut by max_new_tokens or the context; if no text fits,
  // QWEN_INVALID_ARGUMENT. It must live until the call, or until qwen_engine_submit, returns.
  const qwen_constraint* constraint;
} qwen_generate_options;

// Why a reply ended.
enum {
  QWEN_FINISH_END_OF_TURN = 0,   // the model wrote an end-of-turn token
  QWEN_FINISH_STOP_STRING = 1,   // a text of `stop`
  QWEN_FINISH_LENGTH = 2,        // max_new_tokens
  QWEN_FINISH_CONTEXT_FULL = 3,  // no room for the next token
  QWEN_FINISH_CANCELLED = 4      // by a qwen_cancel or a callback
};

// A finished reply. It never changes.
typedef struct qwen_reply qwen_reply;
QWEN_API void qwen_reply_free(qwen_reply* reply);
// The text, ended by a NUL; "" if `reply` is NULL. `length` may be NULL.
QWEN_API const char* qwen_reply_text(const qwen_reply* reply, size_t* length);
// The tokens without the end token, [*count]; NULL if `reply` is NULL.
QWEN_API const int32_t* qwen_reply_tokens(const qwen_reply* reply, size_t* count);
// QWEN_FINISH_...; QWEN_FINISH_CANCELLED if `reply` is NULL.
QWEN_API int32_t qwen_reply_finish(const qwen_reply* reply);

// A token with its probability.
typedef struct qwen_token_probability {
  int32_t token;  // its id
  float logprob;  // natural logarithm, in the model's distribution before sampling options
} qwen_token_probability;
// The log-probability of token `index` of the reply, followed by those of the most probable tokens, [*count].
// NULL if there are none.
QWEN_API const qwen_token_probability* qwen_reply_logprobs(const qwen_reply* reply, size_t index,
                                                           size_t* count);

// Tokens and seconds of a reply.
typedef struct qwen_timings {
  size_t struct_size;
  int32_t prompt_tokens;     // of the whole prompt; qwen_generate: computed in this call
  int32_t cached_tokens;     // of these, not computed again
  int32_t generated_tokens;  // without the end token
  int32_t dropped_turns;     // qwen_chat_say: oldest turns that left the window
  int32_t truncated_tokens;  // of the text, left out because it did not fit
  // Time in a queue is not counted.
  double prefill_seconds;      // for the prompt
  double first_token_seconds;  // from the start of computation to the first token
  double decode_seconds;       // from the first token to the last
} qwen_timings;
// Fills `*timings`.
QWEN_API int32_t qwen_reply_get_timings(const qwen_reply* reply, qwen_timings* timings, qwen_error* error);

// Appends the prompt to the session and generates. `reply` may be NULL if on_text is all you need.
QWEN_API int32_t qwen_generate(qwen_session* session, const int32_t* prompt, size_t count,
                               const qwen_generate_options* options, qwen_reply** reply, qwen_error* error);

// ---- Generation step by step

// Chooses tokens: qwen_session_forward, qwen_sampler_sample and qwen_text_stream_push until qwen_is_end_of_turn.
typedef struct qwen_sampler qwen_sampler;
// `sampling` NULL: the defaults of the model, or of the library if `model` is NULL.
QWEN_API int32_t qwen_sampler_create(const qwen_model* model, const qwen_sampling* sampling,
                                     qwen_sampler** sampler, qwen_error* error);
QWEN_API void qwen_sampler_free(qwen_sampler* sampler);
// Adds the prompt's tokens, which the repetition penalty uses.
QWEN_API int32_t qwen_sampler_accept_prompt(qwen_sampler* sampler, const int32_t* tokens, size_t count,
                                            qwen_error* error);
// Chooses `*token` from the first qwen_model_info.vocab_size logits of qwen_session_forward.
QWEN_API int32_t qwen_sampler_sample(qwen_sampler* sampler, const float* logits, size_t count, int32_t* token,
                                     qwen_error* error);
// Whether the token ends the model's turn: 1 or 0.
QWEN_API int32_t qwen_is_end_of_turn(const qwen_model* model, int32_t token);

// Decodes tokens into whole UTF-8 characters.
typedef struct qwen_text_stream qwen_text_stream;
// An empty stream.
QWEN_API int32_t qwen_text_stream_create(const qwen_model* model, qwen_text_stream** stream,
                                         qwen_error* error);
QWEN_API void qwen_text_stream_free(qwen_text_stream* stream);
// The text that is complete with this token, ended by a NUL; often empty. It belongs to the stream until the next call.
QWEN_API int32_t qwen_text_stream_push(qwen_text_stream* stream, int32_t token, const char** text,
                                       size_t* length, qwen_error* error);
// Ends the stream: an unfinished character becomes U+FFFD.
QWEN_API int32_t qwen_text_stream_finish(qwen_text_stream* stream, const char** text, size_t* length,
                                         qwen_error* error);

// One session's part of a batch. This struct never changes.
typedef struct qwen_batch_item {
  qwen_session* session;  // each at most once, all of one model
  const int32_t* tokens;  // at least one
  size_t count;           // of tokens
  int32_t want_logits;    // 1: `logits` of the last token
  // Out: [embedding_rows], valid until a session of the batch is used; NULL if not wanted.
  const float* logits;
} qwen_batch_item;
// Appends the tokens of all sessions in one pass over the weights. Results have the bits of qwen_session_forward.
QWEN_API int32_t qwen_session_forward_batch(qwen_batch_item* items, size_t count, qwen_error* error);

// ---- Engine: many requests at once, from many threads

// Computes all requests together, on its own thread.
typedef struct qwen_engine qwen_engine;

// Options of qwen_engine_create.
typedef struct qwen_engine_options {
  size_t struct_size;
  int32_t context;        // tokens of each request, as qwen_session_options
  int32_t kv_type;        // QWEN_KV_...
  int32_t max_sequences;  // requests computed at the same time; 0: 8
  int32_t max_queued;     // requests that wait; 0: 64; QWEN_ZERO: none
} qwen_engine_options;
// An engine without requests.
QWEN_API int32_t qwen_engine_create(const qwen_model* model, const qwen_engine_options* options,
                                    qwen_engine** engine, qwen_error* error);
// Cancels all requests and waits for the current pass.
QWEN_API void qwen_engine_free(qwen_engine* engine);

// A submitted request.
typedef struct qwen_job qwen_job;
// Submits a prompt. options->on_text runs on the engine's thread. QWEN_BUSY if the queue is full.
QWEN_API int32_t qwen_engine_submit(qwen_engine* engine, const int32_t* prompt, size_t count,
                                    const qwen_generate_options* options, qwen_job** job, qwen_error* error);
// Waits for text: at most this many milliseconds, or without a limit if -1. `*length` 0: there is no text yet or, if
// `*done` is 1, no more; both may be NULL. The text ends with a NUL and belongs to the job until the next call.
QWEN_API int32_t qwen_job_next(qwen_job* job, int64_t wait_milliseconds, const char** text, size_t* length,
                               int32_t* done, qwen_error* error);
// Waits for the end. Fails with the request's error.
QWEN_API int32_t qwen_job_result(qwen_job* job, qwen_reply** reply, qwen_error* error);
// The request ends after the current pass. May be called by any thread.
QWEN_API void qwen_job_cancel(const qwen_job* job);
// Also cancels the request.
QWEN_API void qwen_job_free(qwen_job* job);

// ---- Model files

// In bytes.
typedef struct qwen_memory_estimate {
  size_t struct_size;
  uint64_t weights;   // packed
  uint64_t kv_cache;  // of all sequences, full
  uint64_t scratch;   // activations
  uint64_t other;     // tokenizer and the process itself
} qwen_memory_estimate;
// The memory for `sequences` sessions of `context` tokens, from the file's metadata alone.
QWEN_API int32_t qwen_model_estimate(const char* path, int32_t context, int32_t sequences,
                                     const qwen_load_options* options, qwen_memory_estimate* estimate,
                                     qwen_error* error);

// The metadata of a model file.
typedef struct qwen_model_file qwen_model_file;
// Reads the metadata of a GGUF file or a Hugging Face directory, but no weights.
QWEN_API int32_t qwen_model_file_open(const char* path, qwen_model_file** file, qwen_error* error);
QWEN_API void qwen_model_file_free(qwen_model_file* file);
// Describes the model. isa is "", threads, weight_bytes and fingerprint are 0.
QWEN_API int32_t qwen_model_file_get_info(const qwen_model_file* file, qwen_model_info* info,
                                          qwen_error* error);

// Options of qwen_quantize.
typedef struct qwen_quantize_options {
  size_t struct_size;
  const char* type;              // storage type or preset; NULL: "Q4_K_M"
  const char* output_type;       // storage type of the output head; NULL: as `type` says
  const char* embedding_type;    // storage type of the token embedding; NULL: as `type` says
  int32_t pure;                  // 1: every matrix in the preset's main type
  int32_t threads;               // as in qwen_load_options
  int32_t overwrite;             // 1: `out` may exist
  qwen_progress_fn on_progress;  // may be NULL; gets the name of the tensor as `stage`
  void* user;                    // passed to on_progress
} qwen_quantize_options;
// Writes a GGUF file with smaller (or larger) storage types. The file appears under its name when it is complete.
QWEN_API int32_t qwen_quantize(const char* in, const char* out, const qwen_quantize_options* options,
                               qwen_error* error);

// ---- Tasks

// Tasks by name. docs/tasks.md describes them.
typedef struct qwen_tasks qwen_tasks;
// The built-in tasks.
QWEN_API int32_t qwen_tasks_create(qwen_tasks** tasks, qwen_error* error);
QWEN_API void qwen_tasks_free(qwen_tasks* tasks);
// Adds the NAME.yaml files of a folder, with their calibrations.
QWEN_API int32_t qwen_tasks_add_folder(qwen_tasks* tasks, const char* path, qwen_error* error);
// Adds a task from YAML text.
QWEN_API int32_t qwen_tasks_add_yaml(qwen_tasks* tasks, const char* yaml, size_t length, qwen_error* error);
// Number of tasks; 0 for NULL.
QWEN_API size_t qwen_tasks_count(const qwen_tasks* tasks);
// A task's name, in alphabetical order; NULL beyond the last. Valid until tasks are added.
QWEN_API const char* qwen_tasks_name(const qwen_tasks* tasks, size_t index);

// A task of kind classify on a model.
typedef struct qwen_classifier qwen_classifier;

// Options of the functions that create a classifier.
typedef struct qwen_classifier_options {
  size_t struct_size;
  int32_t context;  // tokens, as qwen_session_options
  int32_t kv_type;  // QWEN_KV_...
} qwen_classifier_options;

// A classifier by a task of `tasks` (NULL: the built-in ones).
QWEN_API int32_t qwen_classifier_create(const qwen_model* model, const qwen_tasks* tasks, const char* task,
                                        const qwen_classifier_options* options, qwen_classifier** classifier,
                                        qwen_error* error);
// A classifier with a general prompt that lists these labels.
QWEN_API int32_t qwen_classifier_create_labels(const qwen_model* model, const char* const* labels,
                                               size_t count, const qwen_classifier_options* options,
                                               qwen_classifier** classifier, qwen_error* error);
QWEN_API void qwen_classifier_free(qwen_classifier* classifier);
// Number of labels; 0 for NULL.
QWEN_API size_t qwen_classifier_label_count(const qwen_classifier* classifier);

// The texts belong to the classifier.
typedef struct qwen_label {
  size_t struct_size;
  const char* text;     // what the model answers
  const char* display;  // for people
  const char* emoji;    // "" for none
} qwen_label;
// Describes the label `index`. QWEN_INVALID_ARGUMENT if there are not that many.
QWEN_API int32_t qwen_classifier_get_label(const qwen_classifier* classifier, size_t index, qwen_label* label,
                                           qwen_error* error);

// The answer for one text.
typedef struct qwen_classification {
  size_t struct_size;
  int32_t label;       // the best label's index
  int32_t abstained;   // 1: `probability` is below the task's abstain_below
  double probability;  // of the best label
  double margin;       // the best probability less the second best
  int32_t prompt_tokens, cached_tokens, truncated_tokens;  // as in qwen_timings
  double seconds;                                          // from the call to the answer
} qwen_classification;
// Classifies a text. Fills `result`, and `probabilities` [label_count] unless that is NULL.
QWEN_API int32_t qwen_classify(qwen_classifier* classifier, const char* text, size_t length,
                               qwen_classification* result, double* probabilities, qwen_error* error);

// Turns texts into vectors, as qwen::Embedder.
typedef struct qwen_embedder qwen_embedder;

// Options of qwen_embedder_create.
typedef struct qwen_embedder_options {
  size_t struct_size;
  int32_t context;       // tokens, as qwen_session_options
  int32_t kv_type;       // QWEN_KV_...
  int32_t dimensions;    // keep the first values only; 0: all
  int32_t no_normalize;  // 1: vectors are not divided by their L2 norm
  int32_t truncate;      // 1: texts that do not fit are cut; 0: QWEN_CONTEXT_FULL
} qwen_embedder_options;

// Creates an embedder that computes in the calling thread.
QWEN_API int32_t qwen_embedder_create(const qwen_model* model, const qwen_embedder_options* options,
                                      qwen_embedder** embedder, qwen_error* error);
QWEN_API void qwen_embedder_free(qwen_embedder* embedder);
// Values of each vector: the option, or the model's width. 0 for NULL.
QWEN_API size_t qwen_embedder_dimensions(const qwen_embedder* embedder);

// The figures of one embedding.
typedef struct qwen_embedding {
  size_t struct_size;
  int32_t prompt_tokens, cached_tokens, truncated_tokens;  // as in qwen_timings
  double seconds;                                          // from the call to the answer
} qwen_embedding;
// Embeds a text. Fills `values` [qwen_embedder_dimensions], and `result` unless that is NULL. `instruction`: what a
// query is for, as qwen::EmbedOptions::instruction; NULL for documents.
QWEN_API int32_t qwen_embed(qwen_embedder* embedder, const char* instruction, const char* text, size_t length,
                            float* values, qwen_embedding* result, qwen_error* error);
// Embeds `count` texts together. Fills `values` [count][qwen_embedder_dimensions]; nothing is written if a text fails.
QWEN_API int32_t qwen_embed_batch(qwen_embedder* embedder, const char* instruction, const char* const* texts,
                                  size_t count, float* values, qwen_error* error);

// Scores how well documents answer a query, as qwen::Reranker.
typedef struct qwen_reranker qwen_reranker;

// Options of qwen_reranker_create.
typedef struct qwen_reranker_options {
  size_t struct_size;
  int32_t context;          // tokens, as qwen_session_options
  int32_t kv_type;          // QWEN_KV_...
  const char* instruction;  // what a document should do for the query; NULL: as qwen::RerankOptions
  int32_t truncate;         // 1: documents that do not fit are cut; 0: QWEN_CONTEXT_FULL
} qwen_reranker_options;

// Creates a reranker that computes in the calling thread.
QWEN_API int32_t qwen_reranker_create(const qwen_model* model, const qwen_reranker_options* options,
                                      qwen_reranker** reranker, qwen_error* error);
QWEN_API void qwen_reranker_free(qwen_reranker* reranker);
// Scores `count` documents together. Fills `scores` [count], each 0 to 1, in the order of the documents; nothing is
// written if a document fails. The query and the documents end with a NUL.
QWEN_API int32_t qwen_rerank(qwen_reranker* reranker, const char* query, const char* const* documents,
                             size_t count, double* scores, qwen_error* error);

// A conversation by a task of kind generate.
typedef struct qwen_chat qwen_chat;

// Options of qwen_chat_create.
typedef struct qwen_chat_options {
  size_t struct_size;
  int32_t context;                // tokens, as qwen_session_options
  int32_t kv_type;                // QWEN_KV_...
  int32_t history_turns;          // turns before the new message that the model sees; 0: 3; QWEN_ZERO: none
  int32_t history_tokens;         // tokens of the prompt with history at most; 0: what fits into the context
  int32_t max_new_tokens;         // tokens of a reply at most; 0: the task's; QWEN_ZERO: 0
  const qwen_sampling* sampling;  // NULL: the task's
  const char* system;             // NULL: the task's; "" is an empty system prompt
} qwen_chat_options;

// A conversation by a task of `tasks` (NULL: the built-in ones); `task` NULL is "chat".
QWEN_API int32_t qwen_chat_create(const qwen_model* model, const qwen_tasks* tasks, const char* task,
                                  const qwen_chat_options* options, qwen_chat** chat, qwen_error* error);
QWEN_API void qwen_chat_free(qwen_chat* chat);
// Number of turns that are kept; 0 for NULL.
QWEN_API size_t qwen_chat_turn_count(const qwen_chat* chat);
// Removes all turns.
QWEN_API int32_t qwen_chat_reset(qwen_chat* chat, qwen_error* error);

// Options of one reply of a chat.
typedef struct qwen_say_options {
  size_t struct_size;
  const qwen_cancel* cancel;  // may be NULL
  int32_t use_seed;           // 1: `seed` is used for this reply; 0: qwen_chat_options.sampling decides
  uint64_t seed;              // of the random numbers
  const char* const* stop;    // texts that end the reply; they never appear in it
  size_t stop_count;          // texts in stop
  qwen_text_fn on_text;       // may be NULL; a result other than 0 ends the reply (QWEN_FINISH_CANCELLED)
  void* user;                 // passed to on_text
} qwen_say_options;
// Answers a message. `reply` may be NULL.
QWEN_API int32_t qwen_chat_say(qwen_chat* chat, const char* text, size_t length,
                               const qwen_say_options* options, qwen_reply** reply, qwen_error* error);

// Gets the label as soon as it is known. Returns 0 to continue with the reply; else the reply is empty.
typedef int32_t (*qwen_label_fn)(void* user, const qwen_classification* result);
// The label first, then a reply, as qwen::analyze. `result` as in qwen_classify; `on_label` (which gets
// options->user), `probabilities` and `reply` may be NULL.
QWEN_API int32_t qwen_analyze(qwen_classifier* classifier, qwen_chat* chat, const char* text, size_t length,
                              qwen_label_fn on_label, const qwen_say_options* options,
                              qwen_classification* result, double* probabilities, qwen_reply** reply,
                              qwen_error* error);

#ifdef __cplusplus
}
#endif

#endif
