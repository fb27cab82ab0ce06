// The memory that a model will need, by the code of a load; only the activations are allocated.
#include <algorithm>

#include "base/checked.h"
#include "model/config.h"
#include "runtime/quant_preset.h"
#include "runtime/state.h"

namespace qwen {
namespace {

// The program itself with its libraries, the allocator's reserve and the threads' stacks: measured.
constexpr std::uint64_t kProgramBytes = 9'000'000;

// The tokenizer holds its text, about 36 bytes for each token, and 20 for each merge (hash tables are up to half
// empty).
std::uint64_t tokenizer_bytes(const formats::ModelFile& file) {
  std::uint64_t bytes = 0;
  if (const auto* tokens = file.strings("tokenizer.ggml.tokens"))
    for (const std::string_view token : *tokens) bytes += token.size() + 36;
  if (const auto* merges = file.strings("tokenizer.ggml.merges")) bytes += merges->size() * 20;
  return bytes;
}

// A file that weights are read from in place stays open: its header, which parsing has touched, and 16 bytes
// for each string of a list.
std::uint64_t open_file_bytes(const formats::ModelFile& file) {
  std::uint64_t bytes = 0;
  for (const auto& [key, value] : file.metadata()) {
    bytes += key.size() + value.string.size() + value.numbers.size() + value.strings.size() * (8 + 16);
    for (const std::string_view item : value.strings) bytes += item.size();
  }
  return bytes;
}

}  // namespace

MemoryEstimate Model::estimate(const std::string& path, int context, int sequences,
                               const LoadOptions& options) {
  const std::shared_ptr<const formats::ModelFile> file = formats::open_model_file(path);
  const ModelShape shape = model::read_shape(*file, options.rope);
  if (context < 1 || context > shape.max_context)
    fail(ErrorCode::invalid_argument, "context: expected 1 to ", shape.max_context,
         " (what the model was trained for), found ", context);
  if (sequences < 1) fail(ErrorCode::invalid_argument, "sequences: expected at least 1, found ", sequences);
  if (file->tensors().empty()) fail(ErrorCode::bad_format, path, ": it has a vocabulary but no weights");

  const int threads = options.threads > 0 ? options.threads : default_threads();
  ThreadPool pool(1);
  model::BindOptions bind;
  bind.reference = options.reference;
  bind.plan_only = true;
  bind.type_of = runtime::types_on_load(options.quantize, *file);
  const auto weights = model::bind_weights(file, shape, pool, bind);

  MemoryEstimate result;
  result.weights = weights->bytes;
  for (const formats::Tensor& tensor : file->tensors()) {
    // Read in place: the reference path's matrices, and the rows of a separate embedding, a few pages for each
    // token.
    const bool embedding = tensor.name == "token_embd.weight" && !shape.tied_head;
    constexpr std::uint64_t kBytesPerLookUp = 16 * 4096;  // the kernel maps a page's neighbors with it
    if (embedding) {
      const auto lookups = static_cast<std::uint64_t>(context) * static_cast<std::uint64_t>(sequences);
      result.weights += std::min<std::uint64_t>(tensor.data.size(), lookups * kBytesPerLookUp);
    } else if (options.reference && tensor.shape.size() > 1 && !bind.type_of) {
      result.weights += tensor.data.size();
    }
  }
  const KvType kv_type = options.reference || weights->float32_source ? KvType::f32 : KvType::f16;
  const auto pages = static_cast<std::uint64_t>(ceil_div(context, kernels::kPageTokens));
  result.kv_cache =
      static_cast<std::uint64_t>(sequences) * pages * model::kv_layout(shape, kv_type).page_bytes();
  model::Workspace workspace(*weights, threads);
  workspace.reserve(std::min(SessionOptions{}.prefill_chunk, context), 1, context);
  const std::uint64_t logits =
      round_up(static_cast<std::size_t>(shape.embedding_rows), kernels::kPanelRows) * sizeof(float);
  result.scratch = static_cast<std::uint64_t>(sequences) * (workspace.bytes() + logits);
  result.other = kProgramBytes + tokenizer_bytes(*file) + (weights->file ? open_file_bytes(*file) : 0);
  return result;
}

}  // namespace qwen
