// A model file that changes after it was opened: an error at the next safe point where its bytes are still
// needed, and no matter at all where they are not.
#include <catch2/catch.hpp>
#include <filesystem>

#include "support/model_cases.h"

using namespace qwen;
using namespace qwen::test;

namespace {

// A separate embedding stays in the file, since a pass needs single rows of it.
TinyModel with_own_head() {
  TinyModel tiny;
  tiny.own_head = true;
  return tiny;
}

void truncate_half(const std::string& path) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
}

}  // namespace

TEST_CASE("a model that reads rows from its file refuses to compute when the file was truncated",
          "[runtime]") {
  const TestFolder folder("truncated");
  const std::string path = write_tiny_model(with_own_head(), folder / "m.gguf");
  LoadOptions exact;
  exact.reference = true;
  for (const LoadOptions& options : {LoadOptions{}, exact}) {
    write_tiny_model(with_own_head(), path);
    const Model model = Model::load(path, options);
    const std::vector<Token> ids = random_ids(model, 5);
    Session session(model), other(model);
    session.forward(ids);
    truncate_half(path);
    check_error(ErrorCode::io, "m.gguf: the file has changed on disk", [&] { session.forward(ids); });
    CHECK(session.position() == 5);
    check_error(ErrorCode::io, "m.gguf: the file has changed on disk", [&] {
      Session::BatchItem item{&other, ids, true, {}};
      Session::forward_batch({&item, 1});
    });
    CHECK(other.position() == 0);
  }
}

TEST_CASE("a model whose weights are all packed does not need its file any more", "[runtime]") {
  const TestFolder folder("packed");
  const std::string path = write_tiny_model({}, folder / "m.gguf");
  const Model model = Model::load(path);
  const std::vector<Token> ids = random_ids(model, 5);
  const Logits expected = copy_of(Session(model).forward(ids));
  const std::string text = model.tokenizer().decode(ids);
  std::filesystem::resize_file(path, 0);
  CHECK(same_bits(Session(model).forward(ids), expected));
  CHECK(model.tokenizer().decode(ids) == text);
}

TEST_CASE("a model file may be replaced while a model runs on it", "[runtime]") {
  const TestFolder folder("replaced-model");
  const std::string path = write_tiny_model(with_own_head(), folder / "m.gguf");
  const Model model = Model::load(path);
  const std::vector<Token> ids = random_ids(model, 5);
  const Logits expected = copy_of(Session(model).forward(ids));
  TinyModel other = with_own_head();
  other.seed = 2;
  std::filesystem::rename(write_tiny_model(other, folder / "new.gguf"), path);
  CHECK(same_bits(Session(model).forward(ids), expected));
  CHECK_FALSE(same_bits(Session(Model::load(path)).forward(ids), expected));
}

TEST_CASE("a file that is truncated while it is loaded ends the load with an error", "[runtime]") {
  const TestFolder folder("loading");
  const std::string path = write_tiny_model({}, folder / "m.gguf");
  LoadOptions options;
  bool done = false;
  options.on_progress = [&](const LoadProgress& progress) {
    if (!done && std::string(progress.stage) == "pack" && progress.fraction > 0.3) {
      std::filesystem::resize_file(path, 100);
      done = true;
    }
    return true;
  };
  check_error(ErrorCode::io, "m.gguf: the file has changed on disk", [&] { Model::load(path, options); });
  CHECK(done);
}
