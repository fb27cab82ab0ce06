#include "qwen/quantize.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <set>

#include "base/cpu.h"
#include "base/fail.h"
#include "base/thread_pool.h"
#include "formats/gguf_writer.h"
#include "formats/model_file.h"
#include "quant/quant.h"
#include "runtime/quant_preset.h"

namespace qwen {
namespace {

using runtime::QuantPreset;

// --- which tensor becomes what
// ------------------------------------------------------------------------------------------

struct Plan {
  const formats::Tensor* tensor;
  TensorType wanted;
  TensorType type;
};

// '*' any text, '?' one character; a pattern without either matches names that contain it.
bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.find_first_of("*?") == std::string_view::npos)
    return name.find(pattern) != std::string_view::npos;
  std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

TensorType parse_storage_type(std::string_view name, std::string_view option) {
  const TensorTypeInfo* info = find_tensor_type(name);
  if (!info) fail(ErrorCode::invalid_argument, option, ": ", quoted(name), " is not a storage type");
  return info->type;
}

const QuantPreset& parse_quant_preset(std::string_view name) {
  if (const QuantPreset* preset = runtime::find_quant_preset(name)) return *preset;
  std::string known;
  for (const QuantPreset& preset : runtime::all_quant_presets())
    known += cat(known.empty() ? "" : ", ", preset.name);
  fail(ErrorCode::invalid_argument, "type: expected one of ", known, ", found ", quoted(name));
}

struct Rule {
  std::string pattern;
  TensorType type;
  bool used = false;
};

// Chooses the types of all tensors.
class Planner {
 public:
  Planner(const formats::ModelFile& source, const QuantizeOptions& options)
      : source_(source), preset_(parse_quant_preset(options.type)), pure_(options.pure), roles_(source) {
    for (const auto& [pattern, type] : options.tensor_types)
      rules_.push_back({pattern, parse_storage_type(type, cat("type of tensor ", quoted(pattern)))});
    if (!options.output_type.empty()) output_ = parse_storage_type(options.output_type, "output type");
    if (!options.embedding_type.empty())
      embedding_ = parse_storage_type(options.embedding_type, "embedding type");
  }

  const QuantPreset& preset() const { return preset_; }

  std::vector<Plan> plan() {
    std::vector<Plan> plans;
    for (const formats::Tensor& tensor : source_.tensors()) {
      if (tensor.shape.size() < 2) {
        plans.push_back({&tensor, TensorType::f32, TensorType::f32});
        continue;
      }
      const TensorType wanted = wanted_type(tensor);
      plans.push_back({&tensor, wanted, runtime::fallback_type(wanted, tensor.cols())});
    }
    for (const Rule& rule : rules_)
      if (!rule.used)
        fail(ErrorCode::invalid_argument, "the pattern ", quoted(rule.pattern), " matches no matrix of ",
             source_.path(), that_other_rules_left());
    return plans;
  }

 private:
  const char* that_other_rules_left() const {
    return rules_.size() > 1 ? " that an earlier pattern has not taken" : "";
  }

  TensorType wanted_type(const formats::Tensor& tensor) {
    for (Rule& rule : rules_)
      if (matches(rule.pattern, tensor.name)) {
        rule.used = true;
        return rule.type;
      }
    const runtime::TensorRole role = roles_.of(tensor.name);
    if (tensor.name == "token_embd.weight" && embedding_) return *embedding_;
    if (role.is_head && output_) return *output_;
    return pure_ ? preset_.base : runtime::preset_type(preset_, role);
  }

  const formats::ModelFile& source_;
  const QuantPreset& preset_;
  const bool pure_;
  std::vector<Rule> rules_;
  std::optional<TensorType> output_, embedding_;
  const runtime::TensorRoles roles_;
};

// --- conversion
// -----------------------------------------------------------------------------------------------------------

// Converts tensors in slabs of rows on all threads; while a slab is converted, the one before it is written.
class Converter {
 public:
  Converter(const formats::ModelFile& source, formats::GgufWriter& writer, int threads)
      : source_(source), writer_(writer), pool_(threads) {}

  // on_slab(weights) is called before each slab with the number of weights it holds.
  template <class OnSlab>
  void convert(const Plan& plan, OnSlab&& on_slab) {
    const formats::Tensor& tensor = *plan.tensor;
    const std::size_t cols = tensor.cols(), rows = tensor.rows();
    const std::size_t slab = std::max<std::size_t>(1, kSlabWeights / std::max<std::size_t>(cols, 1));
    for (std::size_t first = 0; first < rows; first += slab) {
      const std::size_t count = std::min(slab, rows - first);
      on_slab(count * cols);
      convert_slab(plan, first, count);
    }
  }

  // Writes the slab before the current one.
  void flush() {
    if (!unwritten_.empty()) writer_.write(unwritten_);
    unwritten_ = {};
  }

 private:
  static constexpr std::size_t kSlabWeights = std::size_t{4} << 20;
  static constexpr std::size_t kChunkWeights = std::size_t{64} << 10;  // what a thread takes at a time

  void convert_slab(const Plan& plan, std::size_t first, std::size_t rows) {
    const formats::Tensor& tensor = *plan.tensor;
    const std::size_t cols = tensor.cols();
    const std::size_t in_stride = row_bytes(tensor.type, cols), out_stride = row_bytes(plan.type, cols);
    const std::size_t chunk = std::max<std::size_t>(1, kChunkWeights / std::max<std::size_t>(cols, 1));
    const std::byte* in = tensor.data.data() + first * in_stride;
    std::vector<std::byte>& out = buffers_[current_];
    if (out.size() < rows * out_stride) out.resize(rows * out_stride);
    std::atomic<std::size_t> next{0};
    pool_.run([&](int thread) {
      try {
        if (thread == 0) flush();
        for (std::size_t at; (at = next.fetch_add(chunk)) < rows;)
          quant::convert_rows(tensor.type, in + at * in_stride, plan.type, out.data() + at * out_stride,
                              std::min(chunk, rows - at), cols);
      } catch (...) {
        next.store(rows);
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    });
    if (failure_) std::rethrow_exception(failure_);
    source_.release(tensor, tensor.data.subspan(first * in_stride, rows * in_stride));
    unwritten_ = std::span(out).first(rows * out_stride);
    current_ ^= 1;
  }

  const formats::ModelFile& source_;
  formats::GgufWriter& writer_;
  ThreadPool pool_;
  std::vector<std::byte> buffers_[2];
  std::span<const std::byte> unwritten_;  // in the other buffer
  int current_ = 0;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

// --- the report
// -----------------------------------------------------------------------------------------------------------

// One line for each pair of types.
void note_fallbacks(const std::vector<Plan>& plans, QuantizeReport& report) {
  struct Kind {
    TensorType wanted, type;
    int count = 0;
    std::string_view first;
    std::set<std::size_t> cols;
  };
  std::vector<Kind> kinds;
  for (const Plan& plan : plans) {
    if (plan.type == plan.wanted) continue;
    auto kind = std::find_if(kinds.begin(), kinds.end(),
                             [&](const Kind& k) { return k.wanted == plan.wanted && k.type == plan.type; });
    if (kind == kinds.end()) kind = kinds.insert(kind, {plan.wanted, plan.type, 0, plan.tensor->name, {}});
    ++kind->count;
    kind->cols.insert(plan.tensor->cols());
  }
  for (const Kind& kind : kinds) {
    std::string cols;
    for (const std::size_t n : kind.cols) cols += cat(cols.empty() ? "" : " and ", n);
    const std::string which =
        kind.count == 1 ? cat(kind.first, " is ") : cat(kind.count, " matrices (", kind.first, ", ...) are ");
    report.notes.push_back(cat(which, "written as ", name_of(kind.type), " instead of ", name_of(kind.wanted),
                               ": rows of ", cols, " weights are no multiple of ",
                               info_of(kind.wanted).block_weights));
  }
}

void note_sources(const std::vector<Plan>& plans, QuantizeReport& report) {
  int again = 0;
  for (const Plan& plan : plans)
    again += info_of(plan.tensor->type).block_weights > 1 && plan.type != plan.tensor->type;
  if (again > 0)
    report.notes.push_back(
        cat(again, again == 1 ? " matrix was" : " matrices were",
            " quantized in the source already: their errors add up, a float source gives better files"));
}

void summarize(const std::vector<Plan>& plans, QuantizeReport& report) {
  for (const Plan& plan : plans) {
    const formats::Tensor& tensor = *plan.tensor;
    const std::uint64_t weights = tensor.rows() * tensor.cols();
    const std::uint64_t bytes = tensor.rows() * row_bytes(plan.type, tensor.cols());
    report.tensors.push_back({std::string(tensor.name), name_of(tensor.type), name_of(plan.type),
                              name_of(plan.wanted), weights, bytes});
    report.parameters += weights;
    report.source_bytes += tensor.data.size();
    report.tensor_bytes += bytes;
    auto of_type = std::find_if(report.types.begin(), report.types.end(),
                                [&](const TensorSummary& s) { return s.type == name_of(plan.type); });
    if (of_type == report.types.end()) of_type = report.types.insert(of_type, {name_of(plan.type), 0, 0, 0});
    ++of_type->count;
    of_type->weights += weights;
    of_type->bytes += bytes;
  }
  std::stable_sort(report.types.begin(), report.types.end(),
                   [](const TensorSummary& a, const TensorSummary& b) { return a.bytes > b.bytes; });
  if (report.parameters > 0)
    report.bits_per_weight =
        static_cast<double>(report.tensor_bytes) * 8 / static_cast<double>(report.parameters);
}

void describe(const std::vector<Plan>& plans, const formats::ModelFile& source, const QuantPreset& preset,
              formats::GgufWriter& writer) {
  writer.copy_metadata(source);
  writer.set("general.quantization_version", formats::meta_u32(2));
  writer.set("general.file_type", formats::meta_u32(preset.file_type));
  for (const Plan& plan : plans) writer.add_tensor(plan.tensor->name, plan.type, plan.tensor->shape);
}

}  // namespace

std::vector<QuantizeType> quantize_types() {
  std::vector<QuantizeType> types;
  for (const QuantPreset& preset : runtime::all_quant_presets())
    types.push_back({preset.name, preset.description});
  return types;
}

QuantizeReport quantize_file(const std::string& in, const std::string& out, const QuantizeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.threads < 0)
    fail(ErrorCode::invalid_argument, "threads: expected 0 or more, found ", options.threads);
  const std::shared_ptr<const formats::ModelFile> source = formats::open_model_file(in);
  if (source->tensors().empty())
    fail(ErrorCode::bad_format, in, " holds no tensors: there is nothing to quantize");
  Planner planner(*source, options);
  const std::vector<Plan> plans = planner.plan();

  QuantizeReport report;
  report.type = planner.preset().name;
  summarize(plans, report);
  note_fallbacks(plans, report);
  note_sources(plans, report);

  formats::GgufWriter writer(out, options.overwrite);
  describe(plans, *source, planner.preset(), writer);
  writer.begin();
  Converter converter(*source, writer, options.threads > 0 ? options.threads : default_threads());
  std::uint64_t done = 0;
  for (const Plan& plan : plans) {
    try {
      converter.convert(plan, [&](std::size_t weights) {
        const double fraction = static_cast<double>(done) / static_cast<double>(report.parameters);
        if (options.on_progress && !options.on_progress({plan.tensor->name, fraction}))
          fail(ErrorCode::cancelled, "stopped before ", plan.tensor->name);
        done += weights;
      });
    } catch (const Error& error) {
      if (error.code() != ErrorCode::bad_format) throw;
      fail(error.code(), "tensor ", plan.tensor->name, " of ", in, ": ", error.what());
    }
  }
  converter.flush();
  source->check_unchanged();
  writer.finish();
  if (options.on_progress) options.on_progress({{}, 1.0});
  report.file_bytes = writer.file_bytes();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace qwen
