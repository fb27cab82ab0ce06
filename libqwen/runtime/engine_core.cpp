#include "runtime/engine_core.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/fail.h"
#include "kernels/kernels.h"

namespace qwen::runtime {
namespace {

// Places that only interactive requests take.
constexpr int kInteractivePlaces = 2;

void require(bool ok, const char* name, int found, const char* expected) {
  if (!ok) fail(ErrorCode::invalid_argument, "engine: ", name, ": expected ", expected, ", found ", found);
}

EngineOptions checked(const Model& model, EngineOptions options) {
  options.context = checked_context(model, options.context);
  options.kv_type = kv_type_for(model.state(), options.kv_type);
  require(options.max_sequences >= 1 && options.max_sequences <= 256, "max_sequences", options.max_sequences,
          "1 to 256");
  require(options.max_queued >= 0 && options.max_queued <= 1 << 20, "max_queued", options.max_queued,
          "0 to 1048576");
  require(options.prefill_tokens >= 1 && options.prefill_tokens <= 1 << 16, "prefill_tokens",
          options.prefill_tokens, "1 to 65536");
  require(options.prefill_tokens_while_decoding >= 1 && options.prefill_tokens_while_decoding <= 1 << 16,
          "prefill_tokens_while_decoding", options.prefill_tokens_while_decoding, "1 to 65536");
  return options;
}

PrefixCacheOptions prefix_options(const EngineOptions& options) {
  PrefixCacheOptions out;
  out.folder = options.prefix_folder;
  out.context = options.context;
  out.kv_type = options.kv_type;
  out.bytes = options.prefix_bytes;
  if (options.prefix_bytes == 0) out.recent = 0;
  return out;
}

void check_request(const Model& model, const EngineOptions& options, const EngineRequest& request) {
  if (request.prompt.empty())
    fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least 1 token");
  const int vocab = model.shape().embedding_rows, size = model.tokenizer().size();
  for (const Token token : request.prompt)
    if (token < 0 || token >= vocab)
      fail(ErrorCode::invalid_argument, "prompt: expected ids from 0 to ", vocab - 1, ", found ", token);
  if (request.prompt.size() > static_cast<std::size_t>(options.context))
    fail(ErrorCode::context_full, "the prompt of ", request.prompt.size(),
         " tokens does not fit into the context of ", options.context);
  for (const auto& [token, bias] : request.generate.sampling.logit_bias)
    if (token >= size)
      fail(ErrorCode::invalid_argument, "logit_bias: token ", token, " is outside of the vocabulary of ",
           size);
}

}  // namespace

EngineCore::EngineCore(Model handle, const EngineOptions& wanted)
    : model(std::move(handle)),
      options(checked(model, wanted)),
      places_(options.max_sequences + kInteractivePlaces),
      prefixes_(model, prefix_options(options)),
      workspace_(std::make_shared<model::Workspace>(*model.state().weights, model.threads())),
      kv_limit_(static_cast<std::size_t>(options.max_sequences) *
                static_cast<std::size_t>(ceil_div(options.context, kernels::kPageTokens)) *
                model::kv_layout(model.shape(), options.kv_type).page_bytes()) {
  const std::size_t stride = round_up(static_cast<std::size_t>(model.shape().embedding_rows),
                                      static_cast<std::size_t>(kernels::kPanelRows));
  // All at once, so that no pass fails for want of memory.
  const int rows = places_ + std::max(options.prefill_tokens, options.prefill_tokens_while_decoding);
  workspace_->reserve(rows, places_, options.context);
  logits_ = AlignedBuffer(static_cast<std::size_t>(places_) * stride * sizeof(float));
  counters_.scratch_bytes = workspace_->bytes() + logits_.size();
  running_.reserve(static_cast<std::size_t>(places_));
  thread_ = std::thread([this] { loop(); });
}

EngineCore::~EngineCore() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = draining_ = true;
    cancel_all_.store(true);
  }
  work_.notify_all();
  thread_.join();
}

std::shared_ptr<EngineRequestState> EngineCore::submit(EngineRequest request) {
  check_request(model, options, request);
  return enqueue(std::move(request), false);
}

std::shared_ptr<EngineRequestState> EngineCore::enqueue(EngineRequest request, bool beyond_limits) {
  auto task = std::make_shared<EngineRequestState>(model, std::move(request));
  const bool interactive = task->request.priority == Priority::high;
  {
    const std::lock_guard lock(mutex_);
    const int queued = static_cast<int>(interactive_.size() + normal_.size());
    const int limit = options.max_queued + (interactive ? places_ : options.max_sequences);
    const bool full = queued + running_interactive_ + running_normal_ >= limit;
    if (draining_ || (full && !beyond_limits)) {
      ++counters_.refused;
      if (draining_) qwen::fail(ErrorCode::busy, "the engine takes no more requests: it is shutting down");
      qwen::fail(ErrorCode::busy, "too many requests: ", queued, " wait already for one of ",
                 options.max_sequences, " places");
    }
    (interactive ? interactive_ : normal_).push_back(task);
    ++counters_.submitted;
    update_queue_positions();
  }
  work_.notify_one();
  return task;
}

void EngineCore::pin(std::span<const Token> tokens) {
  if (tokens.empty() || tokens.size() > static_cast<std::size_t>(options.context)) return;
  if (prefixes_.find_pinned(tokens)) return;
  EngineRequest request;
  request.prompt.assign(tokens.begin(), tokens.end());
  check_request(model, options, request);
  request.priority = Priority::high;
  request.on_prompt = [this](Session& session) { prefixes_.pin(session); };
  const TaskPointer task = enqueue(std::move(request), true);
  task->result();
}

bool EngineCore::drain(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto empty = [&] {
    return interactive_.empty() && normal_.empty() && running_interactive_ + running_normal_ == 0;
  };
  const bool in_time = idle_.wait_for(lock, wait, empty);
  if (!in_time) cancel_all_.store(true);
  idle_.wait(lock, empty);
  return in_time;
}

Engine::Counters EngineCore::counters() const {
  const std::lock_guard lock(mutex_);
  Engine::Counters out = counters_;
  out.queued = static_cast<int>(interactive_.size() + normal_.size());
  out.running = running_interactive_ + running_normal_;
  return out;
}

void EngineCore::loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (running_.empty()) idle_.notify_all();
      work_.wait(lock,
                 [&] { return stop_ || !running_.empty() || !interactive_.empty() || !normal_.empty(); });
      admit();
      if (running_.empty()) {
        idle_.notify_all();
        if (stop_) return;
        continue;
      }
    }
    try {
      step();
    } catch (...) {  // memory, outside of any request's own work
      fail_all(std::current_exception());
    }
    std::erase_if(running_, [](const std::unique_ptr<Sequence>& sequence) { return sequence->ended; });
  }
}

void EngineCore::update_queue_positions() {
  int place = 0;
  for (const auto* queue : {&interactive_, &normal_})
    for (const TaskPointer& task : *queue) task->place.store(++place, std::memory_order_relaxed);
}

void EngineCore::admit() {
  for (auto* queue : {&interactive_, &normal_})
    std::erase_if(*queue, [&](const TaskPointer& task) {
      if (!is_cancelled(*task)) return false;
      task->place.store(0, std::memory_order_relaxed);
      task->close(FinishReason::cancelled);  // there is no text yet, so nothing is called
      task->finish();
      ++counters_.cancelled;
      return true;
    });
  // Of the places for all, those that interactive requests hold.
  const auto borrowed = [&] { return std::max(0, running_interactive_ - kInteractivePlaces); };
  while (!interactive_.empty() && running_interactive_ < kInteractivePlaces) start_next(interactive_);
  while (!normal_.empty() && running_normal_ + borrowed() < options.max_sequences) start_next(normal_);
  while (!interactive_.empty() && normal_.empty() && running_normal_ + borrowed() < options.max_sequences)
    start_next(interactive_);
  update_queue_positions();
}

void EngineCore::start_next(std::deque<TaskPointer>& queue) {
  const TaskPointer task = std::move(queue.front());
  queue.pop_front();
  task->place.store(0, std::memory_order_relaxed);
  try {
    SessionOptions session;
    session.context = options.context;
    session.kv_type = options.kv_type;
    session.prefill_chunk = options.prefill_tokens;
    auto state = std::make_unique<SessionState>(model, session, workspace_);
    state->tokens.reserve(static_cast<std::size_t>(options.context));
    running_.push_back(std::make_unique<Sequence>(task, std::move(state)));
  } catch (...) {
    task->finish(std::current_exception());
    ++counters_.failed;
    return;
  }
  task->begin();
  counters_.prompt_tokens += task->request.prompt.size();
  ++(task->request.priority == Priority::high ? running_interactive_ : running_normal_);
}

}  // namespace qwen::runtime
