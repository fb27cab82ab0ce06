// `qwen-bench run`: speed and memory of a model on this machine.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "probe.h"
#include "process.h"
#include "qwen/model.h"
#include "qwen/session.h"
#include "synthetic.h"

namespace qwen::bench {

struct RunOptions {
  std::string model;  // path, or "" if synthetic
  std::optional<SyntheticSpec> synthetic;
  std::string keep;                  // write the synthetic model to this file
  std::vector<int> prompts = {512};  // tokens of prefill
  std::vector<int> generate = {64};  // tokens of decode
  std::vector<int> depths = {0};     // tokens in the context before
  std::vector<int> threads;          // empty: the library's choice
  std::vector<int> sequences = {1};  // decoded at once
  std::vector<int> tops = {0};       // number of largest logits wanted of a single sequence; 0: all
  std::vector<int> batches = {512};  // prompt tokens computed at once
  int repeats = 5;
  bool exact = false;
  bool pin = false;
  KvType kv = KvType::automatic;
  QuantizeOnLoad quantize = QuantizeOnLoad::none;
};

struct LoadTimes {  // seconds
  double map = 0, tokenizer = 0, pack = 0, first_token = 0;
  double total() const { return map + tokenizer + pack + first_token; }
};

struct MemorySplit {  // bytes
  std::uint64_t weights = 0, kv = 0, scratch = 0, other = 0;
  std::uint64_t resident = 0;
  std::uint64_t peak = 0;  // 0: could not be measured
};

struct PrefillResult {
  int tokens = 0, depth = 0, batch = 0;
  std::vector<double> tokens_per_s;  // one a repeat
  std::vector<double> first_token_s;
  double peak_percent = 0;  // of the arithmetic peak
};

struct DecodeResult {
  int tokens = 0, depth = 0, sequences = 1, top = 0;
  std::vector<double> tokens_per_s;  // of all sequences together
  std::vector<double> token_s;       // of every step of every repeat
  double gb_per_s = 0, bandwidth_percent = 0;
};

// All that was measured with one number of threads.
struct ThreadResult {
  int threads = 0;
  MachinePeaks peaks;
  LoadTimes load;
  MemorySplit memory;
  std::vector<PrefillResult> prefill;
  std::vector<DecodeResult> decode;
  std::string noise;  // why the figures are unreliable
};

struct RunResult {
  std::string model, type, cpu, isa;
  std::uint64_t parameters = 0;
  std::uint64_t bytes_per_token = 0;  // of weights read for one decoded token
  double body_macs = 0;               // multiply-adds of one prompt token, the head left out
  double head_macs = 0, head_bytes = 0;
  int repeats = 0;
  double synthetic_seconds = 0;  // to make the weights
  std::vector<ThreadResult> runs;
};

// on_step receives the next step and the fraction done.
RunResult run_benchmark(const RunOptions& options,
                        const std::function<void(const std::string& what, double fraction)>& on_step);

}  // namespace qwen::bench
