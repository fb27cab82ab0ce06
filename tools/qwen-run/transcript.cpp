#include "qwen-run/transcript.h"

#include <nlohmann/json.hpp>

#include "common/output.h"

namespace qwen_run {

using tools::Json;

void save_transcript(const std::string& path, const std::string& model, const Transcript& transcript) {
  Json list = Json::array();
  const auto add = [&](const char* role, const std::string& content) {
    list.push_back({{"role", role}, {"content", content}});
  };
  if (transcript.system) add("system", *transcript.system);
  for (const qwen::ChatTurn& turn : transcript.turns) {
    add("user", turn.user);
    add("assistant", turn.assistant);
  }
  const Json json = {{"model", model}, {"messages", std::move(list)}};
  tools::OutputFile file(path);
  file.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  file.commit();
}

Transcript load_transcript(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    throw qwen::Error(qwen::ErrorCode::bad_format, path + ": not a saved conversation: " + why);
  };
  Transcript transcript;
  bool answered = true;
  const auto take = [&](std::size_t index, const std::string& role, std::string content) {
    if (index == 0 && role == "system") {
      transcript.system = std::move(content);
      return;
    }
    const char* expected = answered ? "user" : "assistant";
    if (role != expected)
      refuse("message " + std::to_string(index + 1) + " is from \"" + role + "\", expected \"" + expected +
             "\"");
    if (answered)
      transcript.turns.push_back({std::move(content), ""});
    else
      transcript.turns.back().assistant = std::move(content);
    answered = !answered;
  };
  try {
    const Json json = Json::parse(tools::read_file(path));
    const Json& messages = json.is_array() ? json : json.at("messages");
    for (std::size_t i = 0; i < messages.size(); ++i)
      take(i, messages.at(i).at("role").get<std::string>(), messages.at(i).at("content").get<std::string>());
  } catch (const Json::exception& error) {
    refuse(error.what());
  }
  if (!answered) refuse("the last question has no answer");
  return transcript;
}

}  // namespace qwen_run
