#include <algorithm>
#include <catch2/catch.hpp>

#include "base/fail.h"
#include "formats/gguf_bytes.h"
#include "formats/gguf_reader.h"
#include "formats/test_folder.h"
#include "qwen/error.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

namespace {

// The error that opening these bytes gives; fails where they open.
Error open_error(const std::vector<std::byte>& bytes) {
  AlignedBuffer storage;
  try {
    open_bytes(bytes, storage);
  } catch (const Error& error) {
    return error;
  }
  FAIL("expected an error");
  return Error(ErrorCode::internal, "");
}

void refused(GgufBytes b, ErrorCode code, const std::string& text) {
  const Error error = open_error(b.bytes());
  CHECK(error.code() == code);
  CHECK_THAT(error.what(), Contains(text));
  CHECK_THAT(error.what(), Contains("test.gguf"));
}

}  // namespace

TEST_CASE("GGUF: every type of metadata, and tensors", "[formats]") {
  AlignedBuffer storage;
  const auto f = open_bytes(small_gguf(), storage);
  CHECK(f->string("general.architecture") == "qwen2");
  CHECK(f->integer("a.u8") == 200);
  CHECK(f->integer("a.i8") == -7);
  CHECK(f->integer("a.u16") == 60000);
  CHECK(f->integer("a.i16") == -30000);
  CHECK(f->integer("a.u32") == 4000000000);
  CHECK(f->integer("a.i32") == -5);
  CHECK(f->integer("a.i64") == -5000000000);
  CHECK(f->real("a.f32") == 1.5);
  CHECK(f->real("a.f64") == 2.25);
  CHECK(f->real("a.i32") == -5.0);
  CHECK(f->real("a.u64") == 18446744073709551615.0);
  CHECK(f->optional_boolean("a.bool") == true);
  REQUIRE(f->strings("a.words") != nullptr);
  CHECK(*f->strings("a.words") == std::vector<std::string_view>{"one", "", "\xE4\xB8\x89"});
  CHECK(f->integers("a.numbers") == std::vector<std::int32_t>{-1, 9});
  CHECK(f->floats("a.numbers") == std::vector<float>{-1.0f, 9.0f});
  CHECK(f->metadata().size() == 14);
  CHECK(f->metadata()[0].first == "general.architecture");

  REQUIRE(f->tensors().size() == 2);
  const auto* m = f->find_tensor("m.weight");
  REQUIRE(m != nullptr);
  CHECK(m->type == TensorType::q8_0);
  CHECK(m->shape == std::vector<std::size_t>{3, 32});
  CHECK(m->rows() == 3);
  CHECK(m->cols() == 32);
  REQUIRE(m->data.size() == 102);
  CHECK(std::all_of(m->data.begin(), m->data.end(), [](std::byte b) { return b == std::byte{3}; }));
  const auto* v = f->find_tensor("v.weight");
  REQUIRE(v != nullptr);
  float values[4];
  REQUIRE(v->data.size() == sizeof values);
  std::memcpy(values, v->data.data(), sizeof values);
  CHECK(values[3] == 4.0f);
  CHECK(v->rows() == 1);
  CHECK(f->find_tensor("none") == nullptr);
}

TEST_CASE("metadata errors name file, key and the type found", "[formats]") {
  AlignedBuffer storage;
  const auto f = open_bytes(small_gguf(), storage);
  CHECK_FALSE(f->optional_integer("none").has_value());
  CHECK(f->strings("none") == nullptr);
  CHECK(f->integers("none").empty());
  CHECK_THROWS_WITH(f->integer("none"), "test.gguf: the metadata key none is missing");
  CHECK_THROWS_WITH(f->integer("a.f32"), "test.gguf: key a.f32: expected an integer, found f32");
  CHECK_THROWS_WITH(f->integer("a.u64"), Contains("18446744073709551615 is too large"));
  CHECK_THROWS_WITH(f->real("a.bool"), Contains("expected a number, found boolean"));
  CHECK_THROWS_WITH(f->string("a.words"), Contains("expected a string, found an array of string"));
  CHECK_THROWS_WITH(f->optional_boolean("a.u8"), Contains("expected a boolean, found u8"));
  CHECK_THROWS_WITH(f->strings("a.numbers"), Contains("expected an array of strings, found an array of i32"));
  CHECK_THROWS_WITH(f->integers("a.words"), Contains("expected an array of integers"));
  CHECK_THROWS_WITH(f->floats("a.words"), Contains("expected an array of numbers"));
}

TEST_CASE("array elements beyond 32 bits are rejected", "[formats]") {
  GgufBytes b;
  b.header(0, 1).key("big", 9).put<std::uint32_t>(10).put<std::uint64_t>(1).put<std::uint64_t>(1ull << 40);
  AlignedBuffer storage;
  const auto f = open_bytes(b.bytes(), storage);
  CHECK_THROWS_WITH(f->integers("big"), Contains("element 0 is 1099511627776"));
}

TEST_CASE("GGUF version 2, no tensors, trailing bytes", "[formats]") {
  AlignedBuffer storage;
  GgufBytes b;
  b.header(0, 1, 2).u32("x", 7);
  CHECK(open_bytes(b.bytes(), storage)->integer("x") == 7);
  auto bytes = small_gguf();
  bytes.resize(bytes.size() + 1000);
  CHECK(open_bytes(bytes, storage)->tensors().size() == 2);
}

TEST_CASE("general.alignment moves the tensor data", "[formats]") {
  AlignedBuffer storage;
  for (std::uint32_t alignment : {8u, 64u, 4096u}) {
    GgufBytes b;
    b.header(2, 1).u32("general.alignment", alignment).tensor("a", {1}, 0, 0).tensor("b", {1}, 0, alignment);
    b.pad(alignment).put(1.0f).pad(alignment).put(2.0f);
    const auto f = open_bytes(b.bytes(), storage);
    float value;
    std::memcpy(&value, f->find_tensor("b")->data.data(), 4);
    CHECK(value == 2.0f);
  }
  for (std::uint32_t alignment : {0u, 1u, 4u, 24u, 0xffffffffu}) {
    GgufBytes b;
    b.header(1, 1).u32("general.alignment", alignment).tensor("a", {1}, 0, 0).fill(64);
    refused(b, ErrorCode::bad_format, "general.alignment: expected a power of two");
  }
  GgufBytes text;
  text.header(0, 1).string("general.alignment", "32");
  refused(text, ErrorCode::bad_format, "found a value of type string");
}

TEST_CASE("other versions, byte orders and formats are rejected by name", "[formats]") {
  refused(GgufBytes().raw(""), ErrorCode::bad_format, "truncated");
  refused(GgufBytes().raw("PK\x03\x04 something"), ErrorCode::bad_format,
          "not a GGUF file: expected \"GGUF\", found \"PK\\x03\\x04\"");
  refused(GgufBytes().header(0, 0, 1), ErrorCode::unsupported, "GGUF version 1 is not supported");
  refused(GgufBytes().header(0, 0, 4), ErrorCode::bad_format, "expected 2 or 3, found 4");
  refused(GgufBytes().header(0, 0, 0x03000000), ErrorCode::unsupported, "big-endian");
  refused(GgufBytes().raw("FUGG").fill(40), ErrorCode::unsupported, "big-endian");
}

TEST_CASE("counts and lengths beyond the file are rejected before allocation", "[formats]") {
  const std::uint64_t huge = std::uint64_t{1} << 63;
  refused(GgufBytes().header(0, huge), ErrorCode::bad_format,
          "the number of metadata keys is 9223372036854775808");
  refused(GgufBytes().header(huge, 0), ErrorCode::bad_format, "the number of tensors is 9223372036854775808");
  refused(GgufBytes().header(0, 1).put(huge).fill(100), ErrorCode::bad_format,
          "the length of a metadata key");
  refused(GgufBytes().header(0, 1).key("k", 8).put(huge).fill(100), ErrorCode::bad_format,
          "expected 9223372036854775808");
  refused(GgufBytes().header(0, 1).key("k", 9).put<std::uint32_t>(8).put(huge).fill(100),
          ErrorCode::bad_format, "an array of 9223372036854775808 strings, expected at most 12");
  refused(GgufBytes().header(0, 1).key("k", 9).put<std::uint32_t>(10).put(huge).fill(100),
          ErrorCode::bad_format, "expected 9223372036854775808 x 8 bytes");
  refused(GgufBytes().header(0, 1).key("k", 9).put<std::uint32_t>(10).put(huge / 4 + 1).fill(100),
          ErrorCode::bad_format, " x 8 bytes");
}

TEST_CASE("bad metadata is rejected by key", "[formats]") {
  refused(GgufBytes().header(0, 2).u32("x", 1).u32("x", 2), ErrorCode::bad_format,
          "duplicate metadata key x");
  refused(GgufBytes().header(0, 1).u32("", 1).fill(20), ErrorCode::bad_format,
          "the length of a metadata key");
  refused(GgufBytes().header(0, 1).u32("a\nb", 1), ErrorCode::bad_format, "\"a\\x0ab\" is not ASCII");
  refused(GgufBytes().header(0, 1).key("x", 13).fill(20), ErrorCode::bad_format,
          "key x: 13 is not a GGUF value type");
  refused(GgufBytes().header(0, 1).key("x", 9).put<std::uint32_t>(13).fill(20), ErrorCode::bad_format,
          "key x: 13 is not a GGUF value type");
  refused(GgufBytes().header(0, 1).key("x", 9).put<std::uint32_t>(9).fill(40), ErrorCode::unsupported,
          "key x: arrays of arrays are not supported");
  refused(GgufBytes().header(0, 1).key("x", 7).put<std::uint8_t>(2), ErrorCode::bad_format,
          "key x: a boolean must be 0 or 1, found 2");
  refused(GgufBytes().header(0, 1).key("x", 9).put<std::uint32_t>(7).put<std::uint64_t>(2).put<std::uint16_t>(
              0x0301),
          ErrorCode::bad_format, "a boolean must be 0 or 1, found 3");
}

TEST_CASE("bad tensors are rejected by name", "[formats]") {
  const std::uint64_t huge = std::uint64_t{1} << 33;
  const auto one = [](std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset) {
    return GgufBytes().header(1, 0).tensor("t", dims, type, offset).pad().fill(256);
  };
  const auto& refuse = refused;
  refuse(one({}, 0, 0), ErrorCode::bad_format, "tensor \"t\": expected 1 to 4 dimensions, found 0");
  refuse(one({1, 1, 1, 1, 1}, 0, 0), ErrorCode::bad_format, "expected 1 to 4 dimensions, found 5");
  refuse(one({4, 0}, 0, 0), ErrorCode::bad_format, "dimension 1 is 0");
  refuse(one({huge, huge}, 0, 0), ErrorCode::bad_format, "the product of its dimensions is too large");
  refuse(one({huge, std::uint64_t{1} << 30}, 0, 0), ErrorCode::bad_format, "its size in bytes is too large");
  refuse(one({32}, 99, 0), ErrorCode::unsupported, "tensor \"t\" has type 99, which is not supported");
  refuse(one({33}, 8, 0), ErrorCode::bad_format,
         "rows of 33 weights cannot be Q8_0: expected a multiple of 32");
  refuse(one({4}, 0, 4), ErrorCode::bad_format, "offset 4 is not a multiple of the alignment 32");
  refuse(one({4}, 0, 256), ErrorCode::bad_format, "needs 16 bytes at offset 256, the file has 256");
  refuse(one({128}, 0, 0), ErrorCode::bad_format, "needs 512 bytes at offset 0");
  refuse(one({4}, 0, ~std::uint64_t{31}), ErrorCode::bad_format,
         "needs 16 bytes at offset 18446744073709551584");
  refuse(GgufBytes().header(1, 0).tensor(std::string(65, 'n'), {4}, 0, 0).fill(64), ErrorCode::bad_format,
         "the length of a tensor's name: expected 1 to 64, found 65");
  refuse(GgufBytes().header(2, 0).tensor("a", {16}, 0, 0).tensor("b", {1}, 0, 32).pad().fill(256),
         ErrorCode::bad_format, "tensors \"a\" and \"b\" overlap");
  refuse(GgufBytes().header(2, 0).tensor("a", {1}, 0, 0).tensor("a", {1}, 0, 32).pad().fill(256),
         ErrorCode::bad_format, "duplicate tensor \"a\"");
}

TEST_CASE("GGUF: any truncated header is rejected, any changed byte is rejected or read", "[formats]") {
  const auto whole = small_gguf();
  AlignedBuffer storage;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_THROWS_AS(open_bytes(cut, storage), Error);
  }
  int loaded = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (unsigned flip : {0x01u, 0x10u, 0x80u, 0xffu}) {
      auto changed = whole;
      changed[i] ^= static_cast<std::byte>(flip);
      try {
        const auto f = open_bytes(changed, storage);
        for (const auto& tensor : f->tensors()) CHECK(tensor.data.size() <= whole.size());
        ++loaded;
      } catch (const Error&) {
      }
    }
  }
  CHECK(loaded > 0);
}

TEST_CASE("split GGUF models", "[formats]") {
  const TestFolder folder("split-read");
  const auto write = [](const std::string& path, const std::vector<std::byte>& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  const auto at = [&](const std::string& name) { return folder / name; };
  const auto part = [](std::uint16_t number, std::uint16_t count, const std::string& tensor,
                       std::int32_t tensors = 2) {
    GgufBytes b;
    b.header(1, number == 0 ? 4 : 3);
    if (number == 0) b.string("general.architecture", "qwen2");
    b.key("split.no", 2)
        .put(number)
        .key("split.count", 2)
        .put(count)
        .key("split.tensors.count", 5)
        .put(tensors);
    b.tensor(tensor, {4}, 0, 0).pad().put(number + 0.0f).fill(12);
    return b.bytes();
  };
  const std::string first = at("m-00001-of-00002.gguf"), second = at("m-00002-of-00002.gguf");
  write(first, part(0, 2, "a"));

  CHECK_THROWS_WITH(formats::open_model_file(first), Contains("m-00002-of-00002.gguf: No such file"));
  write(second, part(1, 2, "b"));
  const auto f = formats::open_model_file(first);
  CHECK(f->string("general.architecture") == "qwen2");
  REQUIRE(f->tensors().size() == 2);
  float value;
  std::memcpy(&value, f->find_tensor("b")->data.data(), 4);
  CHECK(value == 1.0f);
  CHECK(f->find_tensor("b")->shard == 1);
  f->check_unchanged();
  f->release(*f->find_tensor("b"), f->find_tensor("b")->data);
  f->prefetch(*f->find_tensor("b"));

  CHECK_THROWS_WITH(formats::open_model_file(second), Contains("open the first one: " + first));
  write(second, part(1, 2, "a"));
  CHECK_THROWS_WITH(formats::open_model_file(first), Contains("duplicate tensor \"a\""));
  write(second, part(0, 2, "b"));
  CHECK_THROWS_WITH(formats::open_model_file(first), Contains("expected file 2 of 2, found 1 of 2"));
  write(second, part(1, 2, "b"));
  write(first, part(0, 2, "a", 3));
  CHECK_THROWS_WITH(formats::open_model_file(first),
                    Contains("split.tensors.count is 3, the 2 files have 2 tensors"));
  write(first, part(0, 3, "a"));
  CHECK_THROWS_WITH(formats::open_model_file(first),
                    Contains("expected a name that ends in -00001-of-00003.gguf"));
  write(first, part(2, 2, "a"));
  CHECK_THROWS_WITH(formats::open_model_file(first), Contains("split.no is 2 and split.count is 2"));
  write(at("other.gguf"), part(0, 2, "a"));
  CHECK_THROWS_WITH(formats::open_model_file(at("other.gguf")), Contains("-00001-of-00002.gguf"));
  AlignedBuffer storage;
  CHECK_THROWS_WITH(open_bytes(part(0, 2, "a"), storage), Contains("cannot be read from memory"));
}

TEST_CASE("absurd numbers of keys and tensors are rejected before allocation", "[formats]") {
  AlignedBuffer storage;
  const auto refused = [&](std::uint64_t tensors, std::uint64_t pairs) {
    GgufBytes bytes;
    bytes.header(tensors, pairs).fill(4 << 20);
    CHECK_THROWS_WITH(open_bytes(bytes.bytes(), storage),
                      Contains("expected at most 65536 metadata keys and 65536 tensors"));
  };
  refused(0, 65537);
  refused(65537, 0);
}

TEST_CASE("changes of an open file are detected; a missing file is not_found", "[formats]") {
  const TestFolder folder("changed");
  const std::string path = folder / "m.gguf";
  folder.write("m.gguf", small_gguf());
  const auto f = formats::open_model_file(path);
  f->check_unchanged();
  std::filesystem::resize_file(path, small_gguf().size() / 2);
  CHECK_THROWS_WITH(f->check_unchanged(), Contains("has changed on disk"));
  folder.remove("m.gguf");
  try {
    formats::open_model_file(path);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::not_found);
  }
}
