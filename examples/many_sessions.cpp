// Eight threads, each with its own session, on one model: the weights are in memory once, and each thread gets the same
// reply as alone.
#include <qwen/qwen.h>

#include <array>
#include <iostream>
#include <thread>

namespace {

std::string answer(const qwen::Model& model, const std::string& question) {
  qwen::Session session(model, {.context = 256});
  const qwen::Message message{"user", question};
  const auto prompt = model.chat_template().render({&message, 1});
  const qwen::SamplingOptions greedy{.temperature = 0};
  return qwen::generate(session, prompt, {.max_new_tokens = 32, .sampling = greedy}).text;
}

}  // namespace

int main() {
  const qwen::Model model = qwen::Model::builtin();
  const std::array<std::string, 4> questions{"你好", "谢谢你", "你是谁？", "再见"};
  std::array<std::string, 8> replies;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < replies.size(); ++i)
      threads.emplace_back([&, i] { replies[i] = answer(model, questions[i % questions.size()]); });
  }
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const std::string alone = answer(model, questions[i]);
    std::cout << questions[i] << " -> " << alone << '\n';
    if (replies[i] != alone || replies[i + questions.size()] != alone) {
      std::cerr << "not the same as alone\n";
      return 1;
    }
  }
}
