// config.yaml of the programs: its values become defaults of options, or are refused as errors of usage.
#include <cstdint>

#include "common/config.h"
#include "common/program.h"
#include "fuzz/memory_file.h"
#include "qwen/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const qwen::fuzz::MemoryFile file(data, size);
  tools::CommandLine app;
  std::string model, host;
  int context = 0, port = 0, turns = 0;
  double temperature = 0;
  bool pin = false;
  app.add("-m,--model", model, "");
  app.add("-c,--ctx-size", context, "");
  app.add("--temp", temperature, "").range(0.0, 2.0);
  app.add("--turns", turns, "");
  app.add("--host", host, "");
  app.add("--port", port, "").range(0, 65535);
  app.add_flag("--pin-threads", pin, "");
  tools::add_config_option(app);
  try {
    tools::apply_config(app, {"--config", file.path()});
  } catch (const tools::UsageError&) {
  } catch (const qwen::Error&) {
  }
  return 0;
}
