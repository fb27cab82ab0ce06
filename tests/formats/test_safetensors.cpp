#include <catch2/catch.hpp>

#include "formats/hf_files.h"
#include "formats/safetensors.h"
#include "qwen/error.h"

using namespace qwen;
using namespace qwen::test;
using Catch::Matchers::Contains;

namespace {

std::vector<formats::SafeTensor> read(const std::string& bytes, formats::ModelFile& owner) {
  return formats::read_safetensors(std::as_bytes(std::span(bytes)), "t.safetensors", owner);
}

void refused(const std::string& bytes, const std::string& text, ErrorCode code = ErrorCode::bad_format) {
  CAPTURE(text);
  formats::ModelFile owner("t");
  try {
    read(bytes, owner);
    FAIL("expected an error");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Contains("t.safetensors"));
    CHECK_THAT(error.what(), Contains(text));
    CHECK(error.code() == code);
  }
}

std::string one(const std::string& entry, std::size_t data) {
  return safetensors_bytes("{\"t\":{" + entry + "}}", std::string(data, 'x'));
}

}  // namespace

TEST_CASE("safetensors: names, types, shapes and bytes", "[formats]") {
  const std::string bytes = safetensors_file({{"a", {2, 3}, "F32"}, {"b", {5}, "BF16"}, {"c", {1}, "F16"}});
  formats::ModelFile owner("t");
  const auto tensors = read(bytes, owner);
  REQUIRE(tensors.size() == 3);
  CHECK(tensors[0].name == "a");
  CHECK(tensors[0].type == TensorType::f32);
  CHECK(tensors[0].shape == std::vector<std::size_t>{2, 3});
  CHECK(tensors[0].data.size() == 24);
  CHECK(tensors[1].type == TensorType::bf16);
  CHECK(tensors[2].type == TensorType::f16);
  CHECK(tensors[2].data[0] == std::byte{3});
  CHECK(reinterpret_cast<const char*>(tensors[2].data.data()) == bytes.data() + bytes.size() - 2);
}

TEST_CASE("safetensors: any order, escaped names, empty tensors, unknown members", "[formats]") {
  const std::string bytes =
      safetensors_bytes(R"({"b\u0062":{"dtype":"F32","shape":[1],"data_offsets":[4,8],"more":[1]},)"
                        R"("a":{"shape":[],"data_offsets":[0,4],"dtype":"F32"},)"
                        R"("e":{"dtype":"F16","shape":[0,7],"data_offsets":[4,4]}}   )",
                        "12345678");
  formats::ModelFile owner("t");
  const auto tensors = read(bytes, owner);
  REQUIRE(tensors.size() == 3);
  CHECK(tensors[0].name == "a");
  CHECK(tensors[0].shape.empty());
  CHECK(tensors[1].name == "e");
  CHECK(tensors[1].data.empty());
  CHECK(tensors[2].name == "bb");
}

TEST_CASE("safetensors: broken rules are rejected", "[formats]") {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  formats::ModelFile owner("t");
  REQUIRE(read(one(good, 8), owner).size() == 1);
  refused("", "the header's length: expected 8 bytes");
  refused("1234567", "the header's length: expected 8 bytes");
  refused(std::string(8, '\xff') + "{}", "the header's length is 18446744073709551615");
  refused(std::string("\x10\0\0\0\0\0\0\0{}", 10), "the header's length is 16, expected at most 2");
  refused(std::string("\0\xe1\xf5\x05\0\0\0\0", 8) + "{}", "the header's length is 100000000");
  refused(safetensors_bytes(" {}", ""), "does not begin with {");
  refused(safetensors_bytes("{\"t\":", ""), "expected an object, found the end of the file");
  refused(safetensors_bytes("{}x", ""), "expected the end of the file");
  refused(one(good, 7), "tensor \"t\" ends at byte 8 of the data, the file has 7: it is truncated");
  refused(one(good, 9), "1 trailing bytes after the last tensor");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[4,12])", 12),
          "a hole of 4 bytes before tensor \"t\"");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])", 8), "run backwards");
  refused(one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])", 8),
          "need 12 bytes, its data_offsets hold 8");
  refused(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])", 8),
          "product of its shape");
  refused(one(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8])", 8),
          "expected an integer from 0");
  refused(one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])", 8), "expected an integer from 0");
  refused(one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])", 8),
          "expected an integer, found \"2.0\"");
  refused(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])", 8),
          "more than 8 dimensions");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0])", 8), "tensor \"t\" has no data_offsets");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,8])", 8),
          "expected two data_offsets, found more");
  refused(one(R"("shape":[2],"data_offsets":[0,8])", 8), "tensor \"t\" has no dtype");
  refused(one(R"("dtype":"F32","data_offsets":[0,8])", 8), "tensor \"t\" has no shape");
  refused(one(R"("dtype":"I64","shape":[1],"data_offsets":[0,8])", 8), "tensor \"t\" has type \"I64\"",
          ErrorCode::unsupported);
  refused(one(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])", 8), "only F32, F16 and BF16",
          ErrorCode::unsupported);
  refused(safetensors_bytes("{\"t\":{" + good + "},\"t\":{" + good + "}}", "12345678"),
          "duplicate tensor \"t\"");
  refused(safetensors_bytes("{\"t\":{" + good + R"(},"u":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                            "12345678"),
          "tensor \"u\" overlaps the one before it");
  refused(safetensors_bytes(R"({"__metadata__":{"a":1}})", ""), "expected a string");
  std::string many = "{";
  for (int i = 0; i <= 1 << 16; ++i)
    many +=
        (i > 0 ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  refused(safetensors_bytes(many + "}", ""), "more than 65536 tensors");
}

TEST_CASE("safetensors: any truncation is rejected, any changed byte is rejected or read", "[formats]") {
  const std::string whole = safetensors_file({{"a", {2, 3}, "F32"}, {"b", {5}, "BF16"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    formats::ModelFile owner("t");
    CHECK_THROWS_AS(read(whole.substr(0, size), owner), Error);
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char flip : {'\x01', '\x10', '\x80', '\xff'}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      formats::ModelFile owner("t");
      try {
        read(changed, owner);
      } catch (const Error&) {
      }
    }
  }
}
