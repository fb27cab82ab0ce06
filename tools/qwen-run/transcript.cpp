#include "qwen-run/transcript.h"

#include "common/output.h"

namespace qwen_run {

using tools::Json;

void save_transcript(const std::string& path, const std::string& model,
                     const std::vector<qwen::Message>& messages) {
  Json list = Json::array();
  for (const auto& [role, content] : messages) list.push_back({{"role", role}, {"content", content}});
  const Json json = {{"model", model}, {"messages", std::move(list)}};
  tools::OutputFile file(path);
  file.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  file.commit();
}

std::vector<qwen::Message> load_transcript(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    throw qwen::Error(qwen::ErrorCode::bad_format, path + " is no saved conversation: " + why);
  };
  std::vector<qwen::Message> messages;
  try {
    const Json json = Json::parse(tools::read_file(path));
    for (const Json& message : json.is_array() ? json : json.at("messages"))
      messages.push_back({message.at("role").get<std::string>(), message.at("content").get<std::string>()});
  } catch (const Json::exception& error) {
    refuse(error.what());
  }
  const std::size_t first = !messages.empty() && messages.front().role == "system";
  for (std::size_t i = first; i < messages.size(); ++i) {
    const char* expected = (i - first) % 2 == 0 ? "user" : "assistant";
    if (messages[i].role != expected)
      refuse("message " + std::to_string(i + 1) + " is from \"" + messages[i].role + "\", expected \"" +
             expected + "\"");
  }
  if (messages.size() > first && messages.back().role == "user") refuse("the last question has no answer");
  return messages;
}

}  // namespace qwen_run
