#include "run.h"

#include <algorithm>
#include <memory>
#include <set>

#include "base/fail.h"
#include "clock.h"
#include "kernels/panel.h"
#include "runtime/state.h"
#include "statistics.h"

namespace qwen::bench {
namespace {

// What the arithmetic of a matrix is bound by, and its size in the file's type.
struct MatrixCost {
  double bytes = 0;
  double int8_macs = 0, float_macs = 0;  // for one token

  void add(const kernels::Matrix& matrix) {
    const double weights = static_cast<double>(matrix.rows) * matrix.cols;
    const TensorType type = matrix.type == kernels::kQ8TwoPlane ? TensorType::q8_0 : matrix.type;
    bytes += static_cast<double>(matrix.rows) *
             static_cast<double>(row_bytes(type, static_cast<std::size_t>(matrix.cols)));
    (kernels::activation_format(matrix) == kernels::kActivationQ8 ? int8_macs : float_macs) += weights;
  }
  double ideal_seconds(const MachinePeaks& peaks) const {
    return 1e-9 * (int8_macs / peaks.int8_gmac_per_s + float_macs / peaks.float_gmac_per_s);
  }
};

struct ModelCost {
  MatrixCost body, head;
  double high_plane = 1;  // the part of the head's bytes that the largest logits cost
};

ModelCost cost_of(const Model& model) {
  const model::Weights& weights = *runtime::state_of(model).weights;
  ModelCost cost;
  for (const model::LayerWeights& layer : weights.layers)
    for (const kernels::Matrix* matrix :
         {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      cost.body.add(*matrix);
  cost.head.add(weights.lm_head);
  if (weights.lm_head.low != nullptr)
    cost.high_plane = static_cast<double>(weights.lm_head.stride) /
                      static_cast<double>(weights.lm_head.stride + weights.lm_head.low_stride);
  return cost;
}

// Tokens that no two calls share and that any vocabulary has.
std::vector<Token> made_up_tokens(int count, int vocab, std::uint64_t seed) {
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  for (Token& token : tokens) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    token = static_cast<Token>((seed >> 33) % static_cast<std::uint64_t>(vocab));
  }
  return tokens;
}

// One number of threads: owns the model while it is measured.
class ThreadRun {
 public:
  ThreadRun(const RunOptions& options, const std::string& path, int threads,
            const std::function<void(const std::string&)>& step)
      : options_(options), step_(step) {
    result_.threads = threads;
    step_("machine");
    result_.peaks = probe();
    peak_known_ = reset_peak_memory();
    load(path);
  }

  ThreadResult measure() {
    const Activity before = activity_now();
    for (const int depth : options_.depths) {
      for (const int batch : options_.batches)
        for (const int tokens : options_.prompts) prefill(tokens, depth, batch);
      for (const int count : options_.sequences)
        for (const int tokens : options_.generate)
          for (const int top : options_.tops)
            if (top == 0 || count == 1) decode(tokens, depth, count, top);
    }
    read_memory();
    result_.noise = noise_between(before, activity_now());
    probe_again();
    for (PrefillResult& p : result_.prefill) {
      const double ideal =
          p.tokens * cost_.body.ideal_seconds(result_.peaks) + cost_.head.ideal_seconds(result_.peaks);
      p.peak_percent = 100 * ideal / median(p.first_token_s);
    }
    for (DecodeResult& d : result_.decode)
      d.bandwidth_percent = 100 * d.gb_per_s / result_.peaks.read_gb_per_s;
    return std::move(result_);
  }

  const Model& model() const { return *model_; }

 private:
  MachinePeaks probe() const {
    ThreadPool pool(result_.threads, options_.pin);
    return Probe(kernels::choose_kernels().isa, pool).measure();
  }

  // The better of before and after is what the machine can do; much less after is a processor that slowed
  // down.
  void probe_again() {
    constexpr double kSlowdown = 0.07;
    const MachinePeaks after = probe();
    MachinePeaks& peaks = result_.peaks;
    const double lost = 1 - after.float_gmac_per_s / peaks.float_gmac_per_s;
    if (lost > kSlowdown && result_.noise.empty())
      result_.noise = cat("the processor was ", static_cast<int>(100 * lost + 0.5), " % slower at the end");
    peaks.read_gb_per_s = std::max(peaks.read_gb_per_s, after.read_gb_per_s);
    peaks.int8_gmac_per_s = std::max(peaks.int8_gmac_per_s, after.int8_gmac_per_s);
    peaks.float_gmac_per_s = std::max(peaks.float_gmac_per_s, after.float_gmac_per_s);
  }

  void load(const std::string& path) {
    step_("load");
    LoadOptions load;
    load.threads = result_.threads;
    load.reference = options_.exact;
    load.pin_threads = options_.pin;
    load.quantize = options_.quantize;
    double mapped = 0, tokenized = 0;
    const auto start = Clock::now();
    load.on_progress = [&](const LoadProgress& progress) {
      const std::string_view stage = progress.stage;
      if (stage == "map") mapped = since(start);
      if (stage == "tokenizer") tokenized = since(start);
      return true;
    };
    model_.emplace(Model::load(path, load));
    const double loaded = since(start);
    cost_ = cost_of(*model_);
    kv_token_bytes_ = static_cast<double>(
        model::kv_layout(model_->shape(), runtime::kv_type_for(runtime::Access::state(*model_), options_.kv))
            .token_bytes());
    const int limit = model_->shape().max_context;
    int most = 1;
    for (const int depth : options_.depths) {
      for (const int n : options_.prompts) most = std::max(most, depth + n);
      for (const int n : options_.generate) most = std::max(most, depth + n);
    }
    if (most > limit)
      fail(ErrorCode::invalid_argument, "depth and tokens make ", most, ": the model's context is ", limit);
    session_options_.context = std::min(limit, most);
    session_options_.prefill_chunk = options_.batches.at(0);
    session_options_.kv_type = options_.kv;
    sessions_.emplace_back(*model_, session_options_);
    const Token first = 1 % model_->shape().embedding_rows;
    sessions_[0].forward({&first, 1});
    result_.load = {mapped, tokenized - mapped, loaded - tokenized, since(start) - loaded};
  }

  Session& session(int index) {
    while (static_cast<int>(sessions_.size()) <= index) sessions_.emplace_back(*model_, session_options_);
    return sessions_[static_cast<std::size_t>(index)];
  }

  // `depth` tokens in the context of a session, the ones there kept where they are enough.
  void fill(Session& session, int depth) {
    if (session.position() > depth) session.rewind(depth);
    const int missing = depth - session.position();
    if (missing > 0) session.prefill(made_up_tokens(missing, model_->shape().embedding_rows, 7));
  }

  void prefill(int tokens, int depth, int batch) {
    if (tokens == 0) return;
    step_(cat("prefill ", tokens, depth > 0 ? cat(" @ ", depth) : ""));
    PrefillResult out;
    out.tokens = tokens;
    out.depth = depth;
    out.batch = batch;
    std::optional<Session> other;
    if (batch != session_options_.prefill_chunk) {
      SessionOptions options = session_options_;
      options.prefill_chunk = batch;
      other.emplace(*model_, options);
    }
    Session& s = other ? *other : session(0);
    fill(s, depth);
    const std::vector<Token> prompt = made_up_tokens(tokens, model_->shape().embedding_rows, 11);
    s.forward(std::span(prompt).first(static_cast<std::size_t>(std::min(tokens, 32))));  // warm up
    for (int i = 0; i < options_.repeats; ++i) {
      s.rewind(depth);
      const auto start = Clock::now();
      s.forward(prompt);
      const double seconds = since(start);
      out.first_token_s.push_back(seconds);
      out.tokens_per_s.push_back(tokens / seconds);
    }
    s.rewind(depth);
    result_.prefill.push_back(std::move(out));
  }

  void decode(int tokens, int depth, int sequences, int top) {
    if (tokens == 0) return;
    step_(cat("decode ", tokens, depth > 0 ? cat(" @ ", depth) : "",
              sequences > 1 ? cat(" x ", sequences) : ""));
    DecodeResult out;
    out.tokens = tokens;
    out.depth = depth;
    out.sequences = sequences;
    out.top = top;
    session(sequences - 1);
    const std::vector<Token> next = made_up_tokens(tokens * sequences, model_->shape().embedding_rows, 13);
    std::vector<Session::BatchItem> items(static_cast<std::size_t>(sequences));
    for (int i = -1; i < options_.repeats; ++i) {  // the first one warms up
      for (int k = 0; k < sequences; ++k) fill(session(k), depth);
      const int count = i < 0 ? std::min(tokens, 4) : tokens;
      const auto start = Clock::now();
      double last = 0;
      for (int t = 0; t < count; ++t) {
        const auto at = static_cast<std::size_t>(t * sequences);
        if (top > 0) {
          sessions_[0].forward_top_k({&next[at], 1}, top);
        } else if (sequences == 1) {
          sessions_[0].forward({&next[at], 1});
        } else {
          for (std::size_t k = 0; k < items.size(); ++k)
            items[k] = {&sessions_[k], {&next[at + k], 1}, true, {}};
          Session::forward_batch(items);
        }
        const double now = since(start);
        if (i >= 0) out.token_s.push_back(now - last);
        last = now;
      }
      if (i >= 0) out.tokens_per_s.push_back(tokens * sequences / last);
    }
    const double bytes = cost_.body.bytes + cost_.head.bytes * (top > 0 ? cost_.high_plane : 1) +
                         sequences * kv_token_bytes_ * (depth + 0.5 * tokens);
    out.gb_per_s = bytes * median(out.tokens_per_s) / sequences * 1e-9;
    result_.decode.push_back(std::move(out));
  }

  void read_memory() {
    MemorySplit& memory = result_.memory;
    const ProcessMemory now = process_memory();
    memory.weights = model_->weight_bytes();
    for (const Session& s : sessions_) {
      memory.kv += s.kv_bytes();
      memory.scratch += s.scratch_bytes();
    }
    memory.resident = now.resident;
    memory.peak = peak_known_ ? now.peak : 0;
    const std::uint64_t known = memory.weights + memory.kv + memory.scratch;
    memory.other = now.resident > known ? now.resident - known : 0;
  }

  const RunOptions& options_;
  const std::function<void(const std::string&)>& step_;
  ThreadResult result_;
  bool peak_known_ = false;
  std::optional<Model> model_;
  SessionOptions session_options_;
  std::vector<Session> sessions_;
  ModelCost cost_;
  double kv_token_bytes_ = 0;
};

void check(const RunOptions& options, const std::vector<int>& threads) {
  const auto need = [](const char* flag, const std::vector<int>& values, int least) {
    for (const int n : values)
      if (n < least) fail(ErrorCode::invalid_argument, flag, ": expected at least ", least, ", found ", n);
  };
  need("-p", options.prompts, 0);
  need("-n", options.generate, 0);
  need("-d", options.depths, 0);
  need("-t", threads, 1);
  need("--top", options.tops, 0);
  need("--sequences", options.sequences, 1);
  need("-b", options.batches, 1);
  need("-r", {options.repeats}, 1);
  const int cores = static_cast<int>(physical_core_cpus().size());
  for (const int n : threads)
    if (n > cores)
      fail(ErrorCode::invalid_argument, "-t ", n, ": this process may use ", cores,
           cores == 1 ? " core" : " cores", "; more threads than cores only get in each other's way");
}

}  // namespace

RunResult run_benchmark(const RunOptions& options,
                        const std::function<void(const std::string&, double)>& on_step) {
  std::vector<int> threads = options.threads;
  if (threads.empty()) threads.push_back(default_threads());
  check(options, threads);
  RunResult result;
  result.cpu = cpu_model();
  result.repeats = options.repeats;
  const double steps_in_all =
      1 + static_cast<double>(threads.size()) *
              (2 + static_cast<double>(options.depths.size()) *
                       static_cast<double>(options.prompts.size() * options.batches.size() +
                                           options.generate.size() * options.sequences.size() *
                                               options.tops.size()));
  double done = 0;
  const std::function<void(const std::string&)> step = [&](const std::string& what) {
    on_step(what, done++ / steps_in_all);
  };
  std::string path = options.model;
  std::unique_ptr<ModelInMemory> synthetic;
  if (options.synthetic) {
    step("synthetic weights");
    const auto start = Clock::now();
    if (options.keep.empty()) {
      synthetic = std::make_unique<ModelInMemory>(*options.synthetic);
      path = synthetic->path();
    } else {
      write_synthetic(*options.synthetic, options.keep);
      path = options.keep;
    }
    result.synthetic_seconds = since(start);
  }
  for (const int count : threads) {
    ThreadRun one(options, path, count, step);
    const ModelCost cost = cost_of(one.model());
    result.bytes_per_token = static_cast<std::uint64_t>(cost.body.bytes + cost.head.bytes);
    result.body_macs = cost.body.int8_macs + cost.body.float_macs;
    result.head_macs = cost.head.int8_macs + cost.head.float_macs;
    result.head_bytes = cost.head.bytes;
    result.isa = std::string(one.model().isa());
    const ModelInfo& info = one.model().info();
    result.model = options.synthetic ? options.synthetic->shape.name : info.name;
    result.type = options.synthetic ? options.synthetic->type : info.file_type;
    result.parameters = info.parameters;
    result.runs.push_back(one.measure());
  }
  on_step("", 1);
  return result;
}

}  // namespace qwen::bench
