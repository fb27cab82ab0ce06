// A reply. With a model's path, by that model; else by the bundled one.
#include <qwen/qwen.h>

#include <iostream>

int main(int argc, char** argv) {
  const qwen::Model model = argc > 1 ? qwen::Model::load(argv[1]) : qwen::Model::builtin();
  qwen::Session session(model);
  const qwen::Message message{"user", "你好"};
  const auto prompt = model.chat_template().render({&message, 1});
  const qwen::GenerateOptions options{.max_new_tokens = 64, .sampling = {.temperature = 0}};
  qwen::generate(session, prompt, options,
                 [](std::string_view text) { return bool(std::cout << text << std::flush); });
  std::cout << '\n';
}
