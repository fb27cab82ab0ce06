#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "base/fail.h"
#include "formats/gguf_bytes.h"
#include "formats/gguf_writer.h"
#include "formats/model_file.h"
#include "formats/test_folder.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

namespace {

using Shape = std::vector<std::size_t>;

std::vector<std::byte> pattern(std::size_t size, unsigned start) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(start + i);
  return out;
}

}  // namespace

TEST_CASE("the GGUF reader reads what the writer wrote", "[formats]") {
  const TestFolder folder("writer");
  const std::string path = folder / "out.gguf";
  AlignedBuffer storage;
  const auto source = open_bytes(small_gguf(), storage);
  const auto a = pattern(3 * 34, 1), b = pattern(5 * 4, 100), c = pattern(2 * 2 * 256 / 256 * 144, 7);
  {
    formats::GgufWriter w(path, false);
    w.set("general.file_type", formats::meta_u32(1));
    w.copy_metadata(*source);
    w.set("general.file_type", formats::meta_u32(7));
    w.add_tensor("a", TensorType::q8_0, Shape{3, 32});
    w.add_tensor("b", TensorType::f32, Shape{5});
    w.add_tensor("c", TensorType::q4_k, Shape{2, 2, 256});
    CHECK(w.tensor_bytes(0) == a.size());
    CHECK(w.tensor_bytes(2) == c.size());
    w.begin();
    CHECK_FALSE(std::filesystem::exists(path));
    // In pieces that end where the tensors do not.
    auto all = a;
    all.insert(all.end(), b.begin(), b.end());
    all.insert(all.end(), c.begin(), c.end());
    for (std::size_t i = 0; i < all.size(); i += 50)
      w.write(std::span(all).subspan(i, std::min<std::size_t>(50, all.size() - i)));
    w.finish();
    CHECK(std::filesystem::file_size(path) == w.file_bytes());
  }
  const auto f = formats::open_model_file(path);
  CHECK(f->metadata()[0].first == "general.file_type");
  CHECK(f->integer("general.file_type") == 7);
  REQUIRE(f->metadata().size() == source->metadata().size() + 1);
  for (std::size_t i = 0; i < source->metadata().size(); ++i) {
    const auto& [key, value] = source->metadata()[i];
    const auto& [key2, value2] = f->metadata()[i + 1];
    CAPTURE(key);
    CHECK(key2 == key);
    CHECK(value2.type == value.type);
    CHECK(value2.integer == value.integer);
    CHECK(value2.real == value.real);
    CHECK(value2.string == value.string);
    CHECK(value2.strings == value.strings);
    CHECK(
        std::equal(value.numbers.begin(), value.numbers.end(), value2.numbers.begin(), value2.numbers.end()));
  }
  REQUIRE(f->tensors().size() == 3);
  CHECK(f->tensors()[2].shape == Shape{2, 2, 256});
  const std::vector<std::byte>* expected[] = {&a, &b, &c};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto data = f->tensors()[i].data;
    CHECK(std::equal(data.begin(), data.end(), expected[i]->begin(), expected[i]->end()));
  }
}

TEST_CASE("the GGUF writer is deterministic and leaves only the final file", "[formats]") {
  const TestFolder folder("deterministic");
  const auto write = [&](const std::string& name, bool overwrite) {
    formats::GgufWriter w(folder / name, overwrite);
    w.set("general.alignment", formats::meta_u32(64));
    w.set("words", formats::meta_strings({"one", "two"}));
    w.add_tensor("t", TensorType::f32, Shape{3});
    w.begin();
    w.write(pattern(12, 0));
    w.finish();
    std::ifstream in(folder / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string first = write("a.gguf", false);
  CHECK(first.size() % 64 == 0);
  CHECK(first == write("b.gguf", false));
  CHECK(first == write("a.gguf", true));
  CHECK(folder.files() == std::vector<std::string>{"a.gguf", "b.gguf"});
}

TEST_CASE("the GGUF writer replaces a file only if asked", "[formats]") {
  const TestFolder folder("replace");
  folder.write("old.gguf", "old");
  CHECK_THROWS_WITH(formats::GgufWriter(folder / "old.gguf", false), Contains("it exists already"));
  CHECK_THROWS_WITH(formats::GgufWriter(folder.path(), true), Contains("not a regular file"));
  // The file appears while the writer is at work.
  {
    formats::GgufWriter w(folder / "new.gguf", false);
    w.begin();
    folder.write("new.gguf", "other");
    CHECK_THROWS_WITH(w.finish(), Contains("File exists"));
  }
  CHECK(folder.read("new.gguf") == "other");
  CHECK(folder.read("old.gguf") == "old");
  CHECK(folder.files() == std::vector<std::string>{"new.gguf", "old.gguf"});
}

TEST_CASE("an unfinished GGUF file leaves nothing behind", "[formats]") {
  const TestFolder folder("unfinished");
  folder.write("old.gguf", "old");
  {
    formats::GgufWriter w(folder / "old.gguf", true);
    w.add_tensor("t", TensorType::f32, Shape{3});
    w.begin();
    w.write(pattern(8, 0));
    CHECK_THROWS_WITH(w.finish(), Contains("tensor \"t\" has 8 of its 12 bytes"));
    CHECK_THROWS_WITH(w.write(pattern(5, 0)), Contains("1 bytes after the last tensor"));
  }
  CHECK(folder.read("old.gguf") == "old");
  CHECK(folder.files() == std::vector<std::string>{"old.gguf"});
  CHECK_THROWS_WITH(formats::GgufWriter(folder / "none/out.gguf", false),
                    Contains("none/out.gguf: No such file"));
}

TEST_CASE("a full disk is reported before the first tensor and leaves nothing behind", "[formats]") {
  const TestFolder folder("full");
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, old.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    formats::GgufWriter w(folder / "big.gguf", false);
    w.add_tensor("t", TensorType::f32, Shape{100000});
    w.begin();
    w.write(pattern(400000, 0));
    w.finish();
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Contains("big.gguf: File too large"));
  CHECK(folder.files().empty());
}

TEST_CASE("the GGUF writer rejects what the reader would", "[formats]") {
  const TestFolder folder("refuse");
  formats::GgufWriter w(folder / "x.gguf", false);
  CHECK_THROWS_AS(w.set("", formats::meta_u32(1)), Error);
  CHECK_THROWS_AS(w.set("a\n", formats::meta_u32(1)), Error);
  CHECK_THROWS_AS(w.set("general.alignment", formats::meta_u32(12)), Error);
  CHECK_THROWS_AS(w.add_tensor("", TensorType::f32, Shape{1}), Error);
  CHECK_THROWS_AS(w.add_tensor("x", TensorType::f32, Shape{}), Error);
  CHECK_THROWS_AS(w.add_tensor("x", TensorType::f32, Shape{0, 4}), Error);
  CHECK_THROWS_AS(w.add_tensor("x", TensorType::q8_0, Shape{33}), Error);
  CHECK_THROWS_AS(w.add_tensor("x", TensorType::f32, Shape(5, 1)), Error);
  w.add_tensor("x", TensorType::f32, Shape{1});
  CHECK_THROWS_AS(w.add_tensor("x", TensorType::f32, Shape{1}), Error);
}
