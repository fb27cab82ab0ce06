#include "qwen/reranker.h"

#include <array>
#include <cmath>
#include <utility>

#include "base/fail.h"
#include "tasks/batch.h"
#include "tasks/inline_engine.h"

namespace qwen {
namespace {

using OnRelevance = Callback<std::size_t, const Relevance&>;

// https://huggingface.co/Qwen/Qwen3-Reranker-0.6B
constexpr std::string_view kBegin =
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the "
    "Instruct "
    "provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
constexpr std::string_view kAnswerBegin = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

Continuations answers(const Tokenizer& tokenizer) {
  return Continuations({tokenizer.encode("yes"), tokenizer.encode("no")});
}

std::shared_ptr<Engine> checked(std::shared_ptr<Engine> engine) {
  if (!engine) fail(ErrorCode::invalid_argument, "reranker: the engine is null");
  for (const char* token : {"<|im_start|>", "<|im_end|>"})
    if (!engine->model().tokenizer().find_added_token(token))
      fail(ErrorCode::unsupported, "reranker: the vocabulary has no token ", token);
  return engine;
}

}  // namespace

struct Reranker::State {
  explicit State(std::shared_ptr<Engine> with)
      : engine(checked(std::move(with))), model(engine->model()), yes_no(answers(model.tokenizer())) {
    limit = engine->options().context - yes_no.depth();
  }

  std::vector<Token> render(std::string_view query, std::string_view document,
                            const RerankOptions& options) const {
    using enum Tokenizer::ControlTokens;
    const std::array<Tokenizer::TextPart, 8> parts = {{{kBegin, parse},
                                                       {"<Instruct>: ", as_text},
                                                       {options.instruction, as_text},
                                                       {"\n<Query>: ", as_text},
                                                       {query, as_text},
                                                       {"\n<Document>: ", as_text},
                                                       {document, as_text},
                                                       {kAnswerBegin, parse}}};
    return model.tokenizer().encode(parts);
  }
  std::vector<Relevance> score(std::string_view query, std::span<const std::string> documents,
                               const RerankOptions& options, const OnRelevance& on_result,
                               const CancelToken& cancel) const;

  std::shared_ptr<Engine> engine;
  Model model;
  Continuations yes_no;
  int limit = 0;  // tokens of a prompt
};

std::vector<Relevance> Reranker::State::score(std::string_view query, std::span<const std::string> documents,
                                              const RerankOptions& options, const OnRelevance& on_result,
                                              const CancelToken& cancel) const {
  Task task;  // names the prompt in errors
  task.name = "rerank";
  task.overflow = options.overflow;
  tasks::BatchSteps<tasks::PendingText, Relevance> steps;
  steps.find_known = [](std::size_t, Relevance&) { return false; };
  steps.make_prompt = [&](std::size_t i) {
    return tasks::make_prompt(model, task, documents[i], limit,
                              [&](auto document) { return render(query, document, options); });
  };
  steps.submit = [&](tasks::PendingText& pending) {
    PromptRequest request;
    request.prompt = pending.prompt.tokens;
    request.continuations = yes_no;
    request.cancel = cancel;
    pending.job = engine->submit(std::move(request));
  };
  steps.finish = [&](tasks::PendingText& pending) {
    const EngineResult& found = pending.job.result();
    if (found.generation.finish == FinishReason::cancelled)
      fail(ErrorCode::cancelled, "the rerank was cancelled");
    Relevance result;
    result.score = 1 / (1 + std::exp(found.scores[1] - found.scores[0]));
    if (!std::isfinite(result.score))
      fail(ErrorCode::bad_format, "rerank: the model computes NaN or infinity");
    result.prompt_tokens = found.prompt_tokens;
    result.cached_tokens = found.cached_tokens;
    result.truncated_tokens = pending.prompt.truncated_tokens;
    result.seconds = pending.seconds + found.total_seconds;
    result.queue_seconds = found.queue_seconds;
    return result;
  };
  return tasks::run_batch(*engine, documents.size(), steps, on_result);
}

Reranker::Reranker(Model model) : Reranker(tasks::inline_engine(std::move(model), tasks::kTogether)) {}
Reranker::Reranker(std::shared_ptr<Engine> engine) : state_(std::make_unique<State>(std::move(engine))) {}

Reranker::Reranker(Reranker&&) noexcept = default;
Reranker& Reranker::operator=(Reranker&&) noexcept = default;
Reranker::~Reranker() = default;

const Model& Reranker::model() const noexcept {
  return state_->model;
}
const std::shared_ptr<Engine>& Reranker::engine() const noexcept {
  return state_->engine;
}

std::vector<Token> Reranker::prompt(std::string_view query, std::string_view document,
                                    const RerankOptions& options) const {
  return state_->render(query, document, options);
}

Relevance Reranker::score(std::string_view query, std::string_view document, const RerankOptions& options,
                          const CancelToken& cancel) {
  if (cancel.cancelled()) fail(ErrorCode::cancelled, "the rerank was cancelled");
  const std::string one(document);
  return state_->score(query, {&one, 1}, options, {}, cancel).front();
}

std::vector<Relevance> Reranker::score_batch(std::string_view query, std::span<const std::string> documents,
                                             const RerankOptions& options, const OnRelevance& on_result,
                                             const CancelToken& cancel) {
  return state_->score(query, documents, options, on_result, cancel);
}

}  // namespace qwen
