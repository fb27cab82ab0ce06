// Flags of llama-bench that mean nothing here: people type them from habit.
#include <algorithm>
#include <iterator>

#include "commands.h"
#include "common/program.h"

namespace qwen::bench {
namespace {

struct LlamaFlag {
  const char *name, *long_name;
  const char* same;    // the value that asks for what qwen-bench does anyway
  const char* answer;  // to another value
};

constexpr const char* kCpuOnly = "qwen-bench measures on the CPU only";
constexpr const char* kKvType = "use --kv-type f16 or f32, for keys and values alike";

constexpr LlamaFlag kFlags[] = {
    {"-ngl", "--n-gpu-layers", "0", kCpuOnly},
    {"-ncmoe", "--n-cpu-moe", "0", kCpuOnly},
    {"-dev", "--device", "none", kCpuOnly},
    {"-mg", "--main-gpu", "0", kCpuOnly},
    {"-sm", "--split-mode", "none", kCpuOnly},
    {"-ts", "--tensor-split", "0", kCpuOnly},
    {"-nkvo", "--no-kv-offload", "1", kCpuOnly},
    {"-fa", "--flash-attn", "1", "attention has one implementation; leave the flag out"},
    {"-mmp", "--mmap", "1", "model files are always mapped"},
    {"-embd", "--embeddings", "0", "there is no benchmark of embeddings"},
    {"-ub", "--ubatch-size", "", "use -b: prompt tokens computed at once"},
    {"-ctk", "--cache-type-k", "f16", kKvType},
    {"-ctv", "--cache-type-v", "f16", kKvType},
    {"-pg", "--prompt-gen", "", "give -p and -n: prefill and decode are measured one after the other"},
    {"-C", "--cpu-mask", "0x0", "use --pin-threads, or taskset"},
    {"--numa", "--numa", "", "use numactl"},
};

}  // namespace

void answer_llama_flags(std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size();) {
    const std::size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    const auto flag = std::find_if(std::begin(kFlags), std::end(kFlags),
                                   [&](const LlamaFlag& f) { return name == f.name || name == f.long_name; });
    if (flag == std::end(kFlags)) {
      ++i;
      continue;
    }
    const bool next = equals == std::string::npos && i + 1 < arguments.size();
    const std::string value = equals != std::string::npos ? arguments[i].substr(equals + 1)
                              : next                      ? arguments[i + 1]
                                                          : "";
    if (value.empty() || value != flag->same)
      throw tools::UsageError(name + (value.empty() ? "" : " " + value) + ": a flag of llama-bench; " +
                              flag->answer);
    const auto begin = arguments.begin() + static_cast<std::ptrdiff_t>(i);
    arguments.erase(begin, begin + (next ? 2 : 1));
  }
}

}  // namespace qwen::bench
