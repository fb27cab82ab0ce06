#include "model/weights.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <unordered_set>

#include "base/checked.h"
#include "kernels/pack.h"
#include "kernels/panel.h"
#include "model/config.h"
#include "model/unsupported.h"
#include "quant/quant.h"

namespace qwen::model {
namespace {

using kernels::Matrix;

constexpr int kMinPanelDim = 16;
// Smaller tensors are packed by the calling thread alone: waking the others would take longer.
constexpr std::size_t kSingleThreadBytes = std::size_t{1} << 19;

class Binder {
 public:
  Binder(Weights& weights, ThreadPool& pool, const BindOptions& options)
      : weights_(weights), file_(*weights.file), pool_(pool), options_(options) {
    for (const formats::Tensor& tensor : file_.tensors()) total_bytes_ += tensor.data.size();
  }

  Matrix matrix(const std::string& name, int rows, int cols) {
    const formats::Tensor& tensor =
        find(name, {static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)});
    Matrix result{type_of(tensor), false, rows, cols, tensor.data.data()};
    result.stride = row_bytes(result.type, static_cast<std::size_t>(cols));
    if (!options_.reference)
      pack(tensor, result);
    else if (result.type != tensor.type)
      convert(tensor, result);
    else
      stays_in_file_ = true;
    advance(tensor);
    return result;
  }

  // The output head. Q8_0 is cut into two planes, so that the largest logits can be found from about half of it.
  Matrix lm_head(const std::string& name, int rows, int cols) {
    const formats::Tensor& tensor =
        find(name, {static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)});
    if (options_.reference || type_of(tensor) != TensorType::q8_0) return matrix(name, rows, cols);
    Matrix result{kernels::kQ8TwoPlane, true, rows, cols};
    result.stride = kernels::panel_bytes(result.type, cols);
    result.low_stride = kernels::low_panel_bytes(cols);
    const auto panels = static_cast<std::size_t>(result.panel_count());
    std::byte* high = own(checked_mul(result.stride, panels, name));
    std::byte* low = own(checked_mul(result.low_stride, panels, name));
    auto* norms = reinterpret_cast<float*>(own(panels * kernels::kPanelRows * sizeof(float)));
    if (options_.plan_only) return result;
    in_panels(tensor, TensorType::q8_0, result, [&](const std::byte* source, int count, int panel) {
      const auto at = static_cast<std::size_t>(panel);
      kernels::pack_two_plane_panels(source, count, cols, high + at * result.stride,
                                     low + at * result.low_stride, norms + at * kernels::kPanelRows);
    });
    result.data = high;
    result.low = low;
    result.low_norm = norms;
    advance(tensor);
    return result;
  }

  // A matrix of which only single rows are read: it stays in the file.
  Matrix rows_of(const std::string& name, int rows, int cols) {
    const formats::Tensor& tensor =
        find(name, {static_cast<std::size_t>(rows), static_cast<std::size_t>(cols)});
    stays_in_file_ = true;
    advance(tensor);
    return {tensor.type,
            false,
            rows,
            cols,
            tensor.data.data(),
            row_bytes(tensor.type, static_cast<std::size_t>(cols))};
  }

  const float* vector(const std::string& name, int n) {
    const formats::Tensor& tensor = find(name, {static_cast<std::size_t>(n)});
    auto* out = reinterpret_cast<float*>(own(static_cast<std::size_t>(n) * sizeof(float)));
    if (options_.plan_only) return nullptr;
    quant::dequantize(tensor.type, tensor.data.data(), {out, static_cast<std::size_t>(n)});
    for (int i = 0; i < n; ++i)
      if (!std::isfinite(out[i]))
        fail(ErrorCode::bad_format, file_.path(), ": tensor ", name, ": element ", i, " is not finite");
    advance(tensor);
    return out;
  }

  const float* optional_vector(bool present, const std::string& name, int n) {
    return present ? vector(name, n) : nullptr;
  }

  // Tensors bound so far.
  const std::unordered_set<const formats::Tensor*>& used() const noexcept { return used_; }
  // True if a matrix points into the file.
  bool stays_in_file() const noexcept { return stays_in_file_; }

 private:
  TensorType type_of(const formats::Tensor& tensor) const {
    return options_.type_of ? options_.type_of(tensor) : tensor.type;
  }

  const formats::Tensor& find(const std::string& name, const std::vector<std::size_t>& shape) {
    const formats::Tensor* tensor = file_.find_tensor(name);
    if (tensor == nullptr) fail(ErrorCode::not_found, file_.path(), ": tensor ", name, " is missing");
    if (tensor->shape != shape)
      fail(ErrorCode::bad_format, file_.path(), ": tensor ", name, ": expected shape ", text(shape),
           ", found ", text(tensor->shape));
    used_.insert(tensor);
    file_.check_unchanged(*tensor);  // before its bytes are read: a truncated file would raise SIGBUS
    return *tensor;
  }

  static std::string text(const std::vector<std::size_t>& shape) {
    std::string out = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) out += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return out + "]";
  }

  std::byte* own(std::size_t bytes) {
    weights_.bytes += bytes;
    return options_.plan_only ? nullptr : weights_.buffers.emplace_back(bytes).data();
  }

  // Checks piece by piece and releases the pages; the first piece usually decides.
  bool is_bf16(const formats::Tensor& tensor) const {
    const std::size_t piece_bytes = std::size_t{options_.plan_only ? 64u : 4096u} << 10;
    for (std::size_t at = 0; at < tensor.data.size(); at += piece_bytes) {
      const auto piece = tensor.data.subspan(at, std::min(piece_bytes, tensor.data.size() - at));
      if (!kernels::f32_is_bf16(piece)) return false;
      if (options_.plan_only) return true;
      file_.release(tensor, piece);
    }
    return true;
  }

  void pack(const formats::Tensor& tensor, Matrix& matrix) {
    const TensorType source = tensor.type;
    if (matrix.type == TensorType::f32 && is_bf16(tensor)) matrix.type = TensorType::bf16;
    const TensorType rows_type = matrix.type == TensorType::bf16 ? source : matrix.type;
    matrix.panels = true;
    matrix.stride = kernels::panel_bytes(matrix.type, matrix.cols);
    std::byte* out =
        own(checked_mul(matrix.stride, static_cast<std::size_t>(matrix.panel_count()), tensor.name));
    if (options_.plan_only) return;
    in_panels(tensor, rows_type, matrix, [&](const std::byte* rows, int count, int panel) {
      kernels::pack_panels(matrix.type, rows_type, rows, count, matrix.cols,
                           out + static_cast<std::size_t>(panel) * matrix.stride);
    });
    matrix.data = out;
  }

  // Calls body(rows, count, first panel) for all panels of the tensor, a few at a time, on all threads; `rows` are
  // its rows, converted to `type`.
  template <class Body>
  void in_panels(const formats::Tensor& tensor, TensorType type, const Matrix& matrix, const Body& body) {
    in_chunks(tensor, matrix.panel_count(), kernels::kPanelRows, [&](int begin, int end) {
      const int first = begin * kernels::kPanelRows;
      const int count = std::min(matrix.rows, end * kernels::kPanelRows) - first;
      if (type == tensor.type)
        return body(tensor.data.data() + static_cast<std::size_t>(first) * row_bytes(type, tensor.cols()),
                    count, begin);
      std::vector<std::byte> rows(static_cast<std::size_t>(count) * row_bytes(type, tensor.cols()));
      convert_rows(tensor, type, first, count, rows.data());
      body(rows.data(), count, begin);
    });
  }

  // Rows of another type, for the reference path.
  void convert(const formats::Tensor& tensor, Matrix& matrix) {
    std::byte* out = own(checked_mul(matrix.stride, static_cast<std::size_t>(matrix.rows), tensor.name));
    if (options_.plan_only) return;
    in_chunks(tensor, matrix.rows, 1, [&](int begin, int end) {
      convert_rows(tensor, matrix.type, begin, end - begin,
                   out + static_cast<std::size_t>(begin) * matrix.stride);
    });
    matrix.data = out;
  }

  static void convert_rows(const formats::Tensor& tensor, TensorType type, int first, int count,
                           std::byte* out) {
    const std::size_t cols = tensor.cols();
    quant::convert_rows(tensor.type,
                        tensor.data.data() + static_cast<std::size_t>(first) * row_bytes(tensor.type, cols),
                        type, out, static_cast<std::size_t>(count), cols);
  }

  // Calls body(begin, end) for [0, count) units of `unit_rows` rows on all threads; errors name the tensor. The
  // source's pages are released after each chunk, so that resident memory stays near one copy.
  template <class Body>
  void in_chunks(const formats::Tensor& tensor, int count, int unit_rows, Body&& body) {
    const std::size_t unit_bytes =
        row_bytes(tensor.type, tensor.cols()) * static_cast<std::size_t>(unit_rows);
    std::atomic<int> next{0};
    std::mutex mutex;
    std::exception_ptr failure;
    const int chunk = std::max(1, std::min(64, count / (4 * pool_.size())));
    auto work = [&](int) {
      try {
        for (int begin = next.fetch_add(chunk); begin < count; begin = next.fetch_add(chunk)) {
          const int end = std::min(count, begin + chunk);
          body(begin, end);
          const std::size_t from = unit_bytes * static_cast<std::size_t>(begin);
          const std::size_t to = std::min(unit_bytes * static_cast<std::size_t>(end), tensor.data.size());
          file_.release(tensor, tensor.data.subspan(from, to - from));
        }
      } catch (...) {
        next.store(count);
        const std::lock_guard lock(mutex);
        failure = std::current_exception();
      }
    };
    if (tensor.data.size() < kSingleThreadBytes)
      work(0);
    else
      pool_.run(work);
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const Error& error) {
      fail(error.code(), file_.path(), ": tensor ", tensor.name, ": ", error.what());
    }
  }

  void advance(const formats::Tensor& tensor) {
    done_bytes_ += tensor.data.size();
    if (options_.on_progress &&
        !options_.on_progress(static_cast<double>(done_bytes_) / static_cast<double>(total_bytes_)))
      fail(ErrorCode::cancelled, "loading ", file_.path(), " was cancelled");
  }

  Weights& weights_;
  const formats::ModelFile& file_;
  ThreadPool& pool_;
  const BindOptions& options_;
  std::size_t total_bytes_ = 0, done_bytes_ = 0;
  bool stays_in_file_ = false;
  std::unordered_set<const formats::Tensor*> used_;
};

// Binds every tensor of the shape, in the order of the graph.
void bind_all(Binder& bind, Weights& weights, const ModelShape& shape) {
  const int hidden = shape.hidden, ffn = shape.ffn;
  const int q_dim = query_dim(shape), k_dim = kv_dim(shape);
  weights.layers.reserve(static_cast<std::size_t>(shape.layers));
  for (int i = 0; i < shape.layers; ++i) {
    const std::string blk = "blk." + std::to_string(i) + ".";
    LayerWeights layer;
    layer.attn_norm = bind.vector(blk + "attn_norm.weight", hidden);
    layer.q = bind.matrix(blk + "attn_q.weight", q_dim, hidden);
    layer.k = bind.matrix(blk + "attn_k.weight", k_dim, hidden);
    layer.v = bind.matrix(blk + "attn_v.weight", k_dim, hidden);
    layer.q_bias = bind.optional_vector(shape.qkv_bias, blk + "attn_q.bias", q_dim);
    layer.k_bias = bind.optional_vector(shape.qkv_bias, blk + "attn_k.bias", k_dim);
    layer.v_bias = bind.optional_vector(shape.qkv_bias, blk + "attn_v.bias", k_dim);
    layer.q_norm = bind.optional_vector(shape.qk_norm, blk + "attn_q_norm.weight", shape.head_dim);
    layer.k_norm = bind.optional_vector(shape.qk_norm, blk + "attn_k_norm.weight", shape.head_dim);
    layer.o = bind.matrix(blk + "attn_output.weight", hidden, q_dim);
    layer.ffn_norm = bind.vector(blk + "ffn_norm.weight", hidden);
    layer.gate = bind.matrix(blk + "ffn_gate.weight", ffn, hidden);
    layer.up = bind.matrix(blk + "ffn_up.weight", ffn, hidden);
    layer.down = bind.matrix(blk + "ffn_down.weight", hidden, ffn);
    weights.layers.push_back(layer);
  }
  weights.output_norm = bind.vector("output_norm.weight", hidden);
  if (shape.tied_head) {
    weights.lm_head = bind.lm_head("token_embd.weight", shape.embedding_rows, hidden);
    weights.embedding = weights.lm_head;
  } else {
    weights.lm_head = bind.lm_head("output.weight", shape.embedding_rows, hidden);
    weights.embedding = bind.rows_of("token_embd.weight", shape.embedding_rows, hidden);
  }
}

}  // namespace

std::shared_ptr<const Weights> bind_weights(std::shared_ptr<const formats::ModelFile> file,
                                            const ModelShape& shape, ThreadPool& pool,
                                            const BindOptions& options) {
  if (shape.head_dim % kMinPanelDim != 0)
    fail(ErrorCode::unsupported, file->path(), ": head dimension: expected a multiple of ", kMinPanelDim,
         ", found ", shape.head_dim);
  file->check_unchanged();
  auto weights = std::make_shared<Weights>();
  weights->shape = shape;
  weights->rope = make_rope_table(shape);
  weights->file = std::move(file);
  if (const formats::Tensor* k = weights->file->find_tensor("blk.0.attn_k.weight"))
    weights->float32_source = k->type == TensorType::f32;
  if (!options.plan_only) {  // finds every error before anything is packed
    Weights plan;
    plan.shape = shape;
    plan.file = weights->file;
    BindOptions planning = options;
    planning.plan_only = true;
    planning.on_progress = {};
    Binder check(plan, pool, planning);
    bind_all(check, plan, shape);
    check_all_used(*plan.file, shape, check.used());
  }
  Binder bind(*weights, pool, options);
  bind_all(bind, *weights, shape);
  if (options.plan_only) check_all_used(*weights->file, shape, bind.used());
  weights->file->check_unchanged();
  // Nothing reads the file any more.
  if (!bind.stays_in_file()) weights->file.reset();
  return weights;
}

}  // namespace qwen::model
