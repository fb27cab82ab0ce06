// Models from memory, and models that share their threads.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/aligned_buffer.h"
#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// Bytes at a multiple of 64, as load_memory() needs them.
struct Bytes {
  explicit Bytes(std::string_view from) : buffer(from.size() + 64), size(from.size()) {
    std::memcpy(buffer.data(), from.data(), from.size());
  }
  std::span<const std::byte> first(std::size_t count) const { return {buffer.data(), count}; }
  AlignedBuffer buffer;
  std::size_t size;
};

Bytes tiny_bytes() {
  const TestFolder folder("load-memory");
  write_tiny_model(odd_shape(TensorType::q8_0), folder / "tiny.gguf");
  return Bytes(folder.read("tiny.gguf"));
}

std::size_t threads_of_process() {
  std::size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) count += task.exists();
  return count;
}

}  // namespace

TEST_CASE("a model from memory is the model from the file", "[runtime]") {
  const TestFolder folder("load-memory");
  const Model from_file = Model::load(write_tiny_model(odd_shape(TensorType::q8_0), folder / "tiny.gguf"));
  const Bytes bytes = Bytes(folder.read("tiny.gguf"));
  const Model from_memory = Model::load_memory(bytes.first(bytes.size));
  CHECK(from_memory.fingerprint() == from_file.fingerprint());
  CHECK(from_memory.info().parameters == from_file.info().parameters);
  const auto ids = random_ids(from_file, 40);
  CHECK(same_bits(fresh_logits(from_memory, ids), fresh_logits(from_file, ids)));
}

TEST_CASE("load_memory rejects bytes that are not a whole GGUF file", "[runtime]") {
  const Bytes bytes = tiny_bytes();
  check_error(ErrorCode::bad_format, "memory", [] { Model::load_memory({}); });
  // Cut after the magic, in the metadata, in the list of tensors, in a tensor, and in the last one.
  for (const std::size_t size :
       {std::size_t{4}, std::size_t{40}, bytes.size / 64, bytes.size / 8, bytes.size / 2, bytes.size - 64})
    check_error(ErrorCode::bad_format, "memory", [&] { Model::load_memory(bytes.first(size)); });
  check_error(ErrorCode::invalid_argument, "multiple of 64",
              [&] { Model::load_memory(bytes.first(bytes.size).subspan(8)); });
  const Bytes text("this is not a model, but it is long enough to have a header");
  check_error(ErrorCode::bad_format, "memory", [&] { Model::load_memory(text.first(text.size)); });
}

TEST_CASE("a model computes with the threads of another one", "[runtime]") {
  const ModelCase first_case{"q8_0", odd_shape(TensorType::q8_0)},
      second_case{"q4_k", wide_shape(TensorType::q4_k)};
  std::optional<Model> first = load_case(first_case, 3);
  const Model alone = load_case(second_case, 2);
  const auto first_ids = random_ids(*first, 30), second_ids = random_ids(alone, 30);
  const Logits first_expected = fresh_logits(*first, first_ids),
               second_expected = fresh_logits(alone, second_ids);

  LoadOptions options;
  options.share_threads_with = &*first;
  const std::size_t before = threads_of_process();
  const Model second = load_tiny(second_case.tiny, options);
  CHECK(threads_of_process() <= before);
  CHECK(second.threads() == 3);

  // Both at once: passes take turns.
  int wrong = 0;
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) wrong += !same_bits(fresh_logits(*first, first_ids), first_expected);
  });
  int wrong_here = 0;
  for (int i = 0; i < 20; ++i) wrong_here += !same_bits(fresh_logits(second, second_ids), second_expected);
  other.join();
  CHECK(wrong == 0);
  CHECK(wrong_here == 0);

  first.reset();  // the threads stay as long as a model uses them
  CHECK(same_bits(fresh_logits(second, second_ids), second_expected));
}

TEST_CASE("threads of another model exclude the options for own ones", "[runtime]") {
  const ModelCase model_case{"q8_0", odd_shape(TensorType::q8_0)};
  const Model first = load_case(model_case);
  LoadOptions options;
  options.share_threads_with = &first;
  options.threads = 2;
  check_error(ErrorCode::invalid_argument, "share_threads_with",
              [&] { load_tiny(model_case.tiny, options); });
  options.threads = 0;
  options.pin_threads = true;
  check_error(ErrorCode::invalid_argument, "share_threads_with",
              [&] { load_tiny(model_case.tiny, options); });
}
