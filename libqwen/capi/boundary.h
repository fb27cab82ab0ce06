// Between C and C++: exceptions become codes, sized structs are read and filled, memory changes its owner.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "capi/handles.h"

namespace qwen::capi {

// Puts code and message into `error` (may be null) and returns the code.
std::int32_t report(qwen_error* error, std::int32_t code, std::string_view message) noexcept;
// The same for the exception that is being handled.
std::int32_t report_exception(qwen_error* error) noexcept;

// Runs a call's body.
template <class Body>
std::int32_t call(qwen_error* error, Body&& body) noexcept {
  try {
    body();
    if (error != nullptr) {
      error->code = QWEN_OK;
      error->message[0] = '\0';
    }
    return QWEN_OK;
  } catch (...) {
    return report_exception(error);
  }
}

[[noreturn]] void invalid_argument(const std::string& message);
[[noreturn]] void invalid_size(const char* name, std::size_t expected, std::size_t found);

template <class T>
T& require_not_null(T* pointer, const char* name) {
  if (pointer == nullptr) invalid_argument(std::string(name) + ": expected a pointer, found NULL");
  return *pointer;
}

// An array that may be NULL if it is empty.
template <class T>
std::span<const T> as_span(const T* data, std::size_t count, const char* name) {
  if (count > 0) require_not_null(data, name);
  return {data, count};
}

std::string_view text_of(const char* text, std::size_t length, const char* name);
std::vector<std::string> texts_of(const char* const* texts, std::size_t count, const char* name);

// The size of a struct in its first version: what every caller has. A struct that grows gets a specialization.
template <class T>
constexpr std::size_t kFirstSize = sizeof(T);

// Throws invalid_argument for a struct smaller than `first`, unsupported if a byte beyond `known` is not 0.
void check_sized(const void* given, std::size_t size, std::size_t first, std::size_t known, const char* name);

// Options as this library knows them; members unknown to the caller are 0.
template <class T>
T read_sized(const T* given, const char* name) {
  T out{};
  if (given != nullptr) {
    check_sized(given, given->struct_size, kFirstSize<T>, sizeof(T), name);
    std::memcpy(&out, given, std::min(given->struct_size, sizeof(T)));
  }
  out.struct_size = sizeof(T);
  return out;
}

// The size of a struct to fill, checked.
template <class T>
std::size_t size_to_fill(T* out, const char* name) {
  const std::size_t size = require_not_null(out, name).struct_size;
  if (size < kFirstSize<T>) invalid_size(name, kFirstSize<T>, size);
  return size;
}

// Fills the caller's struct as far as both sides know it; members that only the caller knows become 0.
template <class T>
void write_sized(T* out, const T& value, const char* name) {
  const std::size_t size = size_to_fill(out, name);
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(static_cast<void*>(out), &value, std::min(size, sizeof(T)));
  out->struct_size = size;
}

// An option whose 0 means a default: QWEN_ZERO is the number 0.
inline std::int32_t value_or(std::int32_t given, std::int32_t otherwise) noexcept {
  return given == 0 ? otherwise : given == QWEN_ZERO ? 0 : given;
}

// Makes a handle; `out` is NULL if that fails.
template <class Handle, class Make>
std::int32_t create(Handle** out, qwen_error* error, Make&& make) {
  return call(error, [&] {
    require_not_null(out, "the handle's place") = nullptr;
    *out = new Handle{make()};
  });
}

// A copy for the caller to free, followed by one zero.
template <class T>
T* copy_out(const T* data, std::size_t count) {
  T* copy = static_cast<T*>(std::calloc(count + 1, sizeof(T)));
  if (copy == nullptr) throw std::bad_alloc();
  if (count > 0) std::memcpy(copy, data, count * sizeof(T));
  return copy;
}

LoadOptions load_options_of(const qwen_load_options* options);
// isa, threads, weight_bytes and fingerprint are empty.
qwen_model_info info_of(const ModelInfo& from);
KvType kv_type_of(std::int32_t value);
// Between SamplingOptions and qwen_sampling, either way: their fields have the same names.
template <class From, class To>
void copy_sampling(const From& from, To& to) {
  to.temperature = from.temperature;
  to.top_k = from.top_k;
  to.top_p = from.top_p;
  to.min_p = from.min_p;
  to.repetition_penalty = from.repetition_penalty;
  to.presence_penalty = from.presence_penalty;
  to.frequency_penalty = from.frequency_penalty;
  to.penalty_last_n = from.penalty_last_n;
}

SamplingOptions sampling_of(const qwen_sampling& sampling);
GenerateOptions generate_options_of(const qwen_generate_options* options);
// An engine that computes in the calling thread.
std::shared_ptr<Engine> inline_engine(const qwen_model* model, EngineOptions options);
CancelToken cancel_of(const qwen_cancel* cancel);
TextCallback text_callback(qwen_text_fn on_text, void* user);
// Does nothing if `out` is null.
void write_reply(qwen_reply** out, GenerateResult&& generation, const qwen_timings& more);

}  // namespace qwen::capi
