// Many requests at once: the engine computes them together, in shared passes. Requests may come from any thread; here
// one thread submits all of them, streams the first reply, and then waits for the others.
#include <qwen/qwen.h>

#include <iostream>

int main() try {
  const qwen::Model model = qwen::Model::builtin();
  qwen::Engine engine(model, {.context = 256, .max_sequences = 4});
  const auto ask = [&](const std::string& question) {
    const qwen::Message message{"user", question};
    qwen::EngineRequest request;
    request.prompt = model.chat_template().render({&message, 1});
    request.generate.max_new_tokens = 64;
    request.generate.sampling = qwen::SamplingOptions{.temperature = 0};
    return engine.submit(std::move(request));
  };

  std::vector<qwen::EngineJob> jobs;
  for (const char* question : {"你好", "谢谢你", "你是谁？", "再见"}) jobs.push_back(ask(question));
  while (const auto chunk = jobs[0].next()) std::cout << chunk->text << std::flush;
  std::cout << '\n';
  for (std::size_t i = 1; i < jobs.size(); ++i) std::cout << jobs[i].result().generation.text << '\n';

  const qwen::Engine::Counters counters = engine.counters();
  std::cerr << counters.generated_tokens << " tokens in " << counters.passes << " passes\n";
} catch (const qwen::Error& error) {  // busy: the queue is full
  std::cerr << to_string(error.code()) << ": " << error.what() << '\n';
  return 1;
}
