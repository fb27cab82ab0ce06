#include "qwen/embedder.h"

#include <cmath>
#include <utility>

#include "base/fail.h"
#include "tasks/batch.h"
#include "tasks/inline_engine.h"

namespace qwen {
namespace {

using OnEmbedding = Callback<std::size_t, const Embedding&>;

// The chosen values of the state [ModelShape::hidden], normalized if that is wanted.
std::vector<float> finish_values(const std::vector<float>& hidden, const EmbedOptions& options) {
  const std::size_t count =
      options.dimensions > 0 ? static_cast<std::size_t>(options.dimensions) : hidden.size();
  std::vector<float> values(hidden.begin(), hidden.begin() + static_cast<std::ptrdiff_t>(count));
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  if (!std::isfinite(squares)) fail(ErrorCode::bad_format, "embedding: the model computes NaN or infinity");
  const double norm = std::sqrt(squares);
  if (options.normalize && norm > 0)
    for (float& value : values) value = static_cast<float>(value / norm);
  return values;
}

}  // namespace

struct Embedder::State {
  explicit State(std::shared_ptr<Engine> with)
      : engine(std::move(with)), model(engine->model()), limit(engine->options().context) {
    const std::vector<Token> whole = model.tokenizer().encode_prompt("a");
    const std::vector<Token> text = model.tokenizer().encode("a");
    ends_with_token = whole.size() > text.size() && (text.empty() || whole.back() != text.back());
  }

  void check(const EmbedOptions& options) const {
    if (options.dimensions < 0 || options.dimensions > model.shape().hidden)
      fail(ErrorCode::invalid_argument, "embedding: expected 1 to ", model.shape().hidden,
           " dimensions (0: all), found ", options.dimensions);
  }
  std::vector<Token> tokens_of(std::string_view text, const EmbedOptions& options) const {
    if (options.instruction.empty()) return model.tokenizer().encode_prompt(text);
    return model.tokenizer().encode_prompt(cat("Instruct: ", options.instruction, "\nQuery:", text));
  }
  tasks::Prompt make_prompt(std::vector<Token> tokens, bool keep_last, const EmbedOptions& options) const;
  // `ended`: the last token of each text is the end token, which truncation keeps.
  std::vector<Embedding> embed(std::size_t count,
                               const std::function<std::vector<Token>(std::size_t)>& tokens_of, bool ended,
                               const EmbedOptions& options, const OnEmbedding& on_result,
                               const CancelToken& cancel) const;
  std::vector<Embedding> embed(std::span<const std::string> texts, const EmbedOptions& options,
                               const OnEmbedding& on_result, const CancelToken& cancel) const {
    return embed(
        texts.size(), [&](std::size_t i) { return tokens_of(texts[i], options); }, ends_with_token, options,
        on_result, cancel);
  }

  std::shared_ptr<Engine> engine;
  Model model;
  int limit = 0;                 // tokens of a text
  bool ends_with_token = false;  // encode_prompt() adds one
};

tasks::Prompt Embedder::State::make_prompt(std::vector<Token> tokens, bool keep_last,
                                           const EmbedOptions& options) const {
  if (tokens.empty()) fail(ErrorCode::invalid_argument, "embedding: the text is empty");
  const int over = static_cast<int>(tokens.size()) - limit;
  if (over <= 0) return {std::move(tokens), 0};
  if (options.overflow == TextOverflow::refuse || limit < 2)
    fail(ErrorCode::context_full, "embedding: the text has ", tokens.size(), " tokens; expected at most ",
         limit, ", the context");
  const Token last = tokens.back();
  tokens.resize(static_cast<std::size_t>(limit));
  if (keep_last) tokens.back() = last;
  return {std::move(tokens), over};
}

std::vector<Embedding> Embedder::State::embed(std::size_t count,
                                              const std::function<std::vector<Token>(std::size_t)>& tokens_of,
                                              bool ended, const EmbedOptions& options,
                                              const OnEmbedding& on_result, const CancelToken& cancel) const {
  check(options);
  tasks::BatchSteps<tasks::PendingText, Embedding> steps;
  steps.find_known = [](std::size_t, Embedding&) { return false; };
  steps.make_prompt = [&](std::size_t i) { return make_prompt(tokens_of(i), ended, options); };
  steps.submit = [&](tasks::PendingText& pending) {
    PromptRequest request;
    request.prompt = pending.prompt.tokens;
    request.hidden = true;
    request.cancel = cancel;
    pending.job = engine->submit(std::move(request));
  };
  steps.finish = [&](tasks::PendingText& pending) {
    const EngineResult& found = pending.job.result();
    if (found.generation.finish == FinishReason::cancelled)
      fail(ErrorCode::cancelled, "the embedding was cancelled");
    Embedding result;
    result.values = finish_values(found.hidden, options);
    result.prompt_tokens = found.prompt_tokens;
    result.cached_tokens = found.cached_tokens;
    result.truncated_tokens = pending.prompt.truncated_tokens;
    result.seconds = pending.seconds + found.total_seconds;
    result.queue_seconds = found.queue_seconds;
    return result;
  };
  return tasks::run_batch(*engine, count, steps, on_result);
}

Embedder::Embedder(Model model) : Embedder(tasks::inline_engine(std::move(model), tasks::kTogether)) {}

Embedder::Embedder(std::shared_ptr<Engine> engine) {
  if (!engine) fail(ErrorCode::invalid_argument, "embedder: the engine is null");
  state_ = std::make_unique<State>(std::move(engine));
}

Embedder::Embedder(Embedder&&) noexcept = default;
Embedder& Embedder::operator=(Embedder&&) noexcept = default;
Embedder::~Embedder() = default;

int Embedder::dimensions() const noexcept {
  return state_->model.shape().hidden;
}
const Model& Embedder::model() const noexcept {
  return state_->model;
}
const std::shared_ptr<Engine>& Embedder::engine() const noexcept {
  return state_->engine;
}

std::vector<Token> Embedder::prompt(std::string_view text, const EmbedOptions& options) const {
  return state_->tokens_of(text, options);
}

Embedding Embedder::embed(std::string_view text, const EmbedOptions& options, const CancelToken& cancel) {
  if (cancel.cancelled()) fail(ErrorCode::cancelled, "the embedding was cancelled");
  const std::string one(text);
  return std::move(state_->embed({&one, 1}, options, {}, cancel).front());
}

std::vector<Embedding> Embedder::embed_batch(std::span<const std::string> texts, const EmbedOptions& options,
                                             const OnEmbedding& on_result, const CancelToken& cancel) {
  return state_->embed(texts, options, on_result, cancel);
}

std::vector<Embedding> Embedder::embed_batch(std::span<const std::vector<Token>> texts,
                                             const EmbedOptions& options, const OnEmbedding& on_result,
                                             const CancelToken& cancel) {
  if (!options.instruction.empty())
    fail(ErrorCode::invalid_argument, "embedding: token ids take no instruction");
  return state_->embed(
      texts.size(), [&](std::size_t i) { return texts[i]; }, false, options, on_result, cancel);
}

}  // namespace qwen
