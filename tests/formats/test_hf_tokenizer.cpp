// The vocabulary of a Hugging Face directory: tokenizer.json, vocab.json with merges.txt, tokenizer.model.
#include "base/fail.h"
#include "formats/hf_checks.h"

using namespace qwen;
using namespace qwen::test;

TEST_CASE("special tokens: post-processors, added_tokens.json, flags of added tokens", "[formats]") {
  const TestFolder folder("hf-special");
  HfFiles files;
  const auto special = [](const char* id) { return Json{{"SpecialToken", {{"id", id}, {"type_id", 0}}}}; };
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const auto process = [&](const Json& single) {
    files.tokenizer["post_processor"] = {{"type", "Sequence"},
                                         {"processors",
                                          {{{"type", "ByteLevel"}, {"trim_offsets", false}},
                                           {{"type", "TemplateProcessing"}, {"single", single}}}}};
    files.write(folder);
  };
  files.write(folder);
  CHECK(open(folder)->optional_boolean("tokenizer.ggml.add_bos_token") == false);
  process({special("<|endoftext|>"), text});
  auto f = open(folder);
  CHECK(f->optional_boolean("tokenizer.ggml.add_bos_token") == true);
  CHECK(f->optional_boolean("tokenizer.ggml.add_eos_token") == false);
  CHECK(f->integer("tokenizer.ggml.bos_token_id") == 4);
  process({text, special("<|im_end|>")});
  f = open(folder);
  CHECK(f->optional_boolean("tokenizer.ggml.add_bos_token") == false);
  CHECK(f->optional_boolean("tokenizer.ggml.add_eos_token") == true);
  process({text, special("<|endoftext|>")});  // as Qwen3-Embedding's, beside the EOS token <|im_end|>
  f = open(folder);
  CHECK(f->optional_boolean("tokenizer.ggml.add_eos_token") == true);
  CHECK(f->integer("tokenizer.ggml.eos_token_id") == 4);
  files.tokenizer_config["eos_token"] = "<|endoftext|>";
  process({text, special("<|im_end|>")});
  refused(folder, "which is not the EOS token", ErrorCode::unsupported);
  files.tokenizer_config["eos_token"] = "<|im_end|>";
  process({special("<|endoftext|>"), special("<|im_end|>"), text});
  refused(folder, "more than one special token", ErrorCode::unsupported);
  process({special("<s>"), text});
  refused(folder, "unknown token \"<s>\"");
  files.tokenizer["post_processor"] = {{"type", "BertProcessing"}};
  files.write(folder);
  refused(folder, "the post-processor \"BertProcessing\"", ErrorCode::unsupported);
  files.tokenizer.erase("post_processor");

  files.tokenizer["added_tokens"][1].update({{"lstrip", true}, {"rstrip", true}});
  files.tokenizer_config["added_tokens_decoder"]["5"].update({{"lstrip", true}, {"single_word", true}});
  files.write(folder);
  CHECK(open(folder)->integers("qwen.tokenizer.added_token_flags") ==
        std::vector<std::int32_t>{5, formats::kStripLeft | formats::kSingleWord});

  // Without added_tokens_decoder, as directories of before 2024.
  const TestFolder old("hf-old");
  HfFiles before;
  before.tokenizer_config.erase("added_tokens_decoder");
  before.write(old);
  old.remove("tokenizer.json");
  old.write("vocab.json", before.tokenizer["model"]["vocab"].dump());
  old.write("merges.txt", "\xEF\xBB\xBF#version: 0.2\na b\n");
  old.write("added_tokens.json", R"({"<s>": 4, "<tool_call>": 5, "<|im_end|>": 6})");
  old.write("special_tokens_map.json",
            R"({"bos_token": {"content": "<s>"}, "additional_special_tokens": ["<|im_end|>"]})");
  f = open(old);
  CHECK(f->integers("tokenizer.ggml.token_type") == std::vector<std::int32_t>{1, 1, 1, 1, 3, 4, 3, 5});
  CHECK((*f->strings("tokenizer.ggml.tokens"))[4] == "<s>");
}

TEST_CASE("wrong vocabularies are rejected", "[formats]") {
  const auto model = [](const char* key, const Json& value, const std::string& text,
                        ErrorCode code = ErrorCode::bad_format) {
    refused_with([&](HfFiles& f) { f.tokenizer["model"][key] = value; }, text, code);
  };
  model("type", "Unigram", "a tokenizer of type \"Unigram\" is not supported", ErrorCode::unsupported);
  model("byte_fallback", true, "byte_fallback is not supported", ErrorCode::unsupported);
  model("vocab", {{"a", 0}, {"b", 0}}, "tokens \"a\" and \"b\" have the same id 0");
  model("vocab", {{"a", 8}}, "expected an integer from 0 to 7, found \"8\"");
  model("vocab", {{"a", -1}}, "expected an integer from 0 to 7");
  model("vocab", {{"a", "x"}}, "expected a number");
  model("merges", {"ab"}, "merge 0: expected two tokens, found \"ab\"");
  model("merges", {"a b c"}, "merge 0: expected two tokens");
  model("merges", {" b"}, "merge 0: expected two tokens");
  model("merges", Json::parse(R"([["a"]])"), "merge 0: expected two tokens, found 1");
  model("merges", Json::parse(R"([["a", "b", "c"]])"), "merge 0: expected two tokens, found 3");
  model("merges", Json::parse(R"([["a", "b c"]])"), "merge 0: expected two tokens");
  refused_with([](HfFiles& f) { f.tokenizer["model"].erase("merges"); }, "has no merges");
  refused_with([](HfFiles& f) { f.tokenizer.erase("model"); }, "expected a model", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["normalizer"] = nullptr; },
               "the normalizer \"none\" is not supported", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["pre_tokenizer"] = nullptr; }, "one split pattern",
               ErrorCode::unsupported);
  refused_with(
      [](HfFiles& f) { f.tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\s+"; },
      "the split pattern \"\\s+\" is not Qwen2's", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["pre_tokenizer"]["pretokenizers"][0]["type"] = "Metaspace"; },
               "the pre-tokenizer \"Metaspace\" is not supported", ErrorCode::unsupported);
  const auto pre = [](int index, const char* key, const Json& value, const std::string& text) {
    refused_with(
        [&](HfFiles& f) {
          f.tokenizer["pre_tokenizer"]["pretokenizers"][static_cast<std::size_t>(index)][key] = value;
        },
        text, ErrorCode::unsupported);
  };
  pre(0, "behavior", "Removed", "split behavior \"Removed\"");
  pre(0, "invert", true, "invert is not supported");
  pre(1, "add_prefix_space", true, "add_prefix_space and use_regex false only");
  pre(1, "use_regex", true, "add_prefix_space and use_regex false only");
  refused_with([](HfFiles& f) { f.tokenizer["pre_tokenizer"]["pretokenizers"][1].erase("use_regex"); },
               "add_prefix_space and use_regex false only", ErrorCode::unsupported);
  model("dropout", 0.1, "BPE dropout is not supported", ErrorCode::unsupported);
  model("end_of_word_suffix", "</w>", "end_of_word_suffix is not supported", ErrorCode::unsupported);
  refused_with(
      [](HfFiles& f) {
        f.tokenizer["decoder"] = {{"type", "WordPiece"}};
      },
      "the decoder \"WordPiece\"", ErrorCode::unsupported);
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0]["id"] = 8; },
               "has id 8, the vocabulary has 8 tokens");
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0]["id"] = 3; }, "have the same id 3");
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0].erase("id"); }, "an added token has no id");
  refused_with([](HfFiles& f) { f.tokenizer["added_tokens"][0].erase("content"); },
               "an added token has no content");
  refused_with(
      [](HfFiles& f) {
        f.tokenizer_config["added_tokens_decoder"] = {{"x", Json::object()}};
      },
      "expected an id as key, found \"x\"");
  const TestFolder folder("hf-merges");
  HfFiles files;
  files.write(folder);
  folder.remove("tokenizer.json");
  folder.write("vocab.json", R"({"a":0,"b":1})");
  refused(folder, "no tokenizer", ErrorCode::not_found);
  folder.write("merges.txt", "a b\nab\n");
  refused(folder, "merges.txt:2: expected two tokens, found \"ab\"");
  folder.write("merges.txt", "a b\n");
  files.tokenizer_config["tokenizer_class"] = "GPT2Tokenizer";
  folder.write("tokenizer_config.json", files.tokenizer_config.dump());
  refused(folder, "tokenizer_class \"GPT2Tokenizer\" is not supported", ErrorCode::unsupported);
}

TEST_CASE("a SentencePiece model is stored whole and as pieces", "[formats]") {
  // Pieces as protobuf: field 1 with text, score and type.
  const auto piece = [](const std::string& text, float score, int type) {
    std::string inside = "\x0a";
    inside += static_cast<char>(text.size());
    inside += text + "\x15";
    inside.append(reinterpret_cast<const char*>(&score), 4);
    if (type != 1) inside += std::string("\x18") + static_cast<char>(type);
    return std::string("\x0a") + static_cast<char>(inside.size()) + inside;
  };
  const std::string trainer = "\x12\x02\x18\x02";  // field 2: another message
  const std::string model = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("<0x0A>", 0, 6) + trainer +
                            piece("\xE2\x96\x81", -1.5f, 1);
  const TestFolder folder("hf-sp");
  HfFiles files;
  files.write(folder);
  folder.write("tokenizer.model", model);
  const auto f = open(folder);
  CHECK(f->string("tokenizer.ggml.model") == "llama");
  CHECK(*f->strings("tokenizer.ggml.tokens") == Words{"<unk>", "<s>", "<0x0A>", "\xE2\x96\x81",
                                                      "<|endoftext|>", "<tool_call>", "<|im_end|>",
                                                      "[PAD7]"});
  CHECK(f->integers("tokenizer.ggml.token_type") == std::vector<std::int32_t>{2, 3, 6, 1, 3, 4, 3, 5});
  CHECK(f->floats("tokenizer.ggml.scores") == std::vector<float>{0, 0, 0, -1.5f, 0, 0, 0, 0});
  const auto* raw = f->find("qwen.sentencepiece.model");
  REQUIRE(raw != nullptr);
  CHECK(std::string(reinterpret_cast<const char*>(raw->numbers.data()), raw->numbers.size()) == model);

  folder.write("tokenizer.model", "");
  refused(folder, "it has no pieces");
  folder.write("tokenizer.model", "\x0a\x7f");
  refused(folder, "tokenizer.model: at byte 2: a field: expected 127 bytes");
  folder.write("tokenizer.model", std::string(11, '\xff'));
  refused(folder, "a number longer than 64 bits");
  folder.write("tokenizer.model", "\x0f");
  refused(folder, "wire type 7");
  folder.write("tokenizer.model", piece("x", 0, 9));
  refused(folder, "a piece of type 9");
  std::string many;
  for (int i = 0; i < 9; ++i) many += piece(cat("x", i), 0, 1);
  folder.write("tokenizer.model", many);
  refused(folder, "has id 8, the vocabulary has 8 tokens");
}
