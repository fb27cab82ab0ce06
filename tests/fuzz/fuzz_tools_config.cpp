// config.yaml of the programs: its values become defaults of options, or are refused as errors of usage.
#include <cstdint>

#include "common/config.h"
#include "common/program.h"
#include "fuzz/memory_file.h"
#include "qwen/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qwen::fuzz::MemoryFile file(data, size);
  CLI::App app;
  std::string model, host;
  int context = 0, port = 0, turns = 0;
  double temperature = 0;
  bool pin = false;
  app.add_option("-m,--model", model);
  app.add_option("-c,--ctx-size", context);
  app.add_option("--temp", temperature)->check(CLI::Range(0.0, 2.0));
  app.add_option("--turns", turns);
  app.add_option("--host", host);
  app.add_option("--port", port)->check(CLI::Range(0, 65535));
  app.add_flag("--pin-threads", pin);
  tools::add_config_option(app);
  try {
    tools::apply_config(app, {"--config", file.path()});
  } catch (const tools::UsageError&) {
  } catch (const qwen::Error&) {
  }
  return 0;
}
