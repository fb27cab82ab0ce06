// A reply. With a model's path, by that model; else by the bundled one.
#include <qwen/qwen.h>

#include <iostream>

int main(int argc, char** argv) {
  const qwen::Model model = argc > 1 ? qwen::Model::load(argv[1]) : qwen::Model::builtin();
  qwen::reply(model, "你好", [](std::string_view text) { std::cout << text << std::flush; });
  std::cout << '\n';
}
