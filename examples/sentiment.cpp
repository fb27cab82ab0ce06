// Labels every argument as positive or negative, all in one pass.
#include <qwen/qwen.h>

#include <cstdio>
#include <iostream>

int main(int argc, char** argv) try {
  const qwen::Model model = qwen::Model::builtin();
  qwen::Classifier sentiment(model, qwen::TaskRegistry().get("sentiment"));
  std::vector<std::string> texts(argv + 1, argv + argc);
  if (texts.empty()) texts = {"今天的实验终于成功了，太棒了！", "房间很脏，空调也坏了，再也不来了。"};
  const auto results = sentiment.classify_batch(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto best = static_cast<std::size_t>(results[i].label);
    const qwen::TaskLabel& label = sentiment.task().labels[best];
    std::printf("%s %s %.2f  %s\n", label.emoji.c_str(), label.text.c_str(), results[i].probabilities[best],
                texts[i].c_str());
  }
} catch (const qwen::Error& error) {
  std::cerr << to_string(error.code()) << ": " << error.what() << '\n';
  return 1;
}
