#include "qwen-serve/request_fields.h"

namespace qwen_serve {
namespace {

using enum FieldScope;
using enum RequestField::Use;

const RequestField kFields[] = {
    {completions, ignored, "metadata"},
    {completions, ignored, "store"},
    {completions, ignored, "service_tier"},
    {completions, ignored, "prompt_cache_key"},
    {completions, ignored, "prompt_cache_retention"},
    {completions, ignored, "safety_identifier"},
    {completions, ignored, "cache_prompt"},
    {completions, ignored, "keep_alive"},
    {completions, ignored, "id_slot"},
    {completions, ignored, "priority"},
    {completions, ignored, "timings_per_token"},
    {completions, ignored, "return_progress"},
    {completions, ignored, "return_token_ids"},
    {completions, ignored, "request_id"},
    {completions, refused, "grammar"},
    {completions, refused, "guided_grammar"},
    {completions, refused, "structured_outputs"},
    {completions, refused, "bad_words"},
    {completions, refused, "typical_p", {{1}}},
    {completions, refused, "mirostat", {{0}}},
    {completions, refused, "dry_multiplier", {{0}}},
    {completions, refused, "xtc_probability", {{0}}},
    {completions, refused, "dynatemp_range", {{0}}},
    {completions, refused, "best_of", {{1}}},
    {completions, refused, "length_penalty", {{1}}},
    {completions, refused, "use_beam_search"},
    {completions, refused, "prompt_logprobs"},
    {completions, refused, "n_probs", {{0}}},
    {completions, refused, "lora"},
    {completions, refused, "logits_processors"},
    {completions, refused, "truncate_prompt_tokens"},
    {chat_completions, refused, "function_call", {{"none", "auto"}}},
    {chat_completions, refused, "functions"},
    {chat_completions, refused, "modalities", {{InputJson::array({"text"})}}},
    {chat_completions, refused, "audio"},
    {chat_completions, refused, "prediction"},
    {chat_completions, refused, "web_search_options"},
    {chat_completions, refused, "reasoning_effort", {{"none"}}},
    {chat_completions, refused, "verbosity", {{"medium"}}},
    {text_completions, refused, "suffix"},
    {stream_options, ignored, "include_obfuscation"},
    {stream_options, ignored, "continuous_usage_stats"},
    {message, ignored, "name"},
    {message, ignored, "annotations"},
    {message, ignored, "cache_control"},
    {message, ignored, "refusal"},
    {message, ignored, "parsed"},
    {message, refused, "function_call"},
    {message, refused, "audio"},
    {message_not_assistant, refused, "tool_calls"},
    {message_not_assistant, refused, "reasoning_content"},
    {message_not_assistant, refused, "reasoning"},
    {message_not_tool, refused, "tool_call_id"},
    {content_part, ignored, "cache_control"},
    {content_part, ignored, "annotations"},
    {tool_call, ignored, "index"},
    {tool_call_function, ignored, "index"},
    {tool_call_function, ignored, "parsed_arguments"},
    {ollama, ignored, "keep_alive"},
    {ollama, ignored, "top_logprobs"},
    {ollama, refused, "logprobs"},
    {ollama_generate, refused, "suffix"},
    {ollama_generate, refused, "images"},
    {ollama_generate, refused, "template"},
    {ollama_generate, refused, "context"},
    {ollama_options, ignored, "num_ctx"},
    {ollama_options, ignored, "num_keep"},
    {ollama_options, ignored, "num_batch"},
    {ollama_options, ignored, "num_gpu"},
    {ollama_options, ignored, "main_gpu"},
    {ollama_options, ignored, "num_thread"},
    {ollama_options, ignored, "use_mmap"},
    {ollama_options, ignored, "use_mlock"},
    {ollama_options, ignored, "low_vram"},
    {ollama_options, ignored, "numa"},
    {ollama_options, ignored, "f16_kv"},
    {ollama_options, ignored, "vocab_only"},
    {ollama_options, ignored, "draft_num_predict"},
    {ollama_options, ignored, "mirostat_eta"},
    {ollama_options, ignored, "mirostat_tau"},
    {ollama_options, ignored, "penalize_newline"},
    {ollama_options, refused, "typical_p", {{1, 0}}},
    {ollama_options, refused, "tfs_z", {{1, 0}}},
    {ollama_options, refused, "mirostat", {{0}}},
    {ollama_options, refused, "repeat_last_n", {{64}}},
    {ollama_show, ignored, "verbose"},
    {ollama_show, refused, "system"},
    {ollama_show, refused, "template"},
};

}  // namespace

std::span<const RequestField> request_fields() {
  return kFields;
}

const char* scope_name(FieldScope scope) {
  switch (scope) {
    case completions: return "completions";
    case chat_completions: return "chat_completions";
    case text_completions: return "text_completions";
    case stream_options: return "stream_options";
    case message: return "message";
    case message_not_assistant: return "message_not_assistant";
    case message_not_tool: return "message_not_tool";
    case content_part: return "content_part";
    case tool_call: return "tool_call";
    case tool_call_function: return "tool_call_function";
    case ollama: return "ollama";
    case ollama_generate: return "ollama_generate";
    case ollama_options: return "ollama_options";
    case ollama_show: return "ollama_show";
  }
  return "";
}

void ignore_and_refuse(Fields& fields, FieldScope scope) {
  for (const RequestField& field : kFields) {
    if (field.scope != scope) continue;
    if (field.use == ignored)
      fields.ignore({field.name});
    else
      fields.refuse(field.name, {field.harmless[0], field.harmless[1]});
  }
}

}  // namespace qwen_serve
