#include "runtime/engine_core.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/checked.h"
#include "base/fail.h"
#include "kernels/kernels.h"

namespace qwen::runtime {
namespace {

// Places beyond max_sequences that only high-priority requests take.
constexpr int kHighPriorityPlaces = 2;

void require(bool ok, const char* name, int found, const char* expected) {
  if (!ok) fail(ErrorCode::invalid_argument, "engine: ", name, ": expected ", expected, ", found ", found);
}

EngineOptions checked(const Model& model, EngineOptions options) {
  options.context = checked_context(model, options.context);
  options.kv_type = kv_type_for(state_of(model), options.kv_type);
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

EngineOptions session_options(const SessionState& session) {
  EngineOptions options;
  options.context = session.options.context;
  options.kv_type = session.options.kv_type;
  options.max_sequences = 1;
  options.prefill_tokens = options.prefill_tokens_while_decoding = session.options.prefill_chunk;
  options.prefix_bytes = 0;
  options.background = false;
  return options;
}

void check_prompt(const Model& model, const EngineOptions& options, std::span<const Token> prompt) {
  if (prompt.empty()) fail(ErrorCode::invalid_argument, "the prompt is empty: expected at least 1 token");
  check_ids(state_of(model), prompt, "prompt");
  if (prompt.size() > static_cast<std::size_t>(options.context))
    fail(ErrorCode::context_full, "the prompt of ", prompt.size(),
         " tokens does not fit into the context of ", options.context);
}

std::size_t full_contexts(const Model& model, const EngineOptions& options) {
  return static_cast<std::size_t>(options.max_sequences) *
         static_cast<std::size_t>(ceil_div(options.context, kernels::kPageTokens)) *
         model::kv_layout(model.shape(), options.kv_type).page_bytes();
}

}  // namespace

EngineCore::EngineCore(Model handle, const EngineOptions& wanted)
    : model(std::move(handle)),
      options(checked(model, wanted)),
      places_(options.max_sequences + kHighPriorityPlaces),
      executor_(std::make_shared<Executor>(state_of(model))),
      prefixes_(state_of(model), options),
      kv_limit_(full_contexts(model, options)),
      borrowed_(false) {
  running_.reserve(static_cast<std::size_t>(places_));
  if (!options.background) return;
  // All at once, so that no pass fails for lack of memory.
  const int outputs = places_ + kMaxBranches;
  executor_->reserve(outputs + std::max(options.prefill_tokens, options.prefill_tokens_while_decoding),
                     outputs, options.context, outputs);
  counters_.scratch_bytes = executor_->bytes();
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (const std::system_error& error) {
    qwen::fail(ErrorCode::out_of_memory, "cannot start the engine's thread: ", error.code().message());
  }
}

EngineCore::EngineCore(SessionState& session)
    : model(session.model),
      options(checked(model, session_options(session))),
      places_(1),
      executor_(session.executor),
      prefixes_(state_of(model), options),
      kv_limit_(0),
      borrowed_(true) {}

EngineCore::~EngineCore() {
  stop();
}

void EngineCore::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = draining_ = true;
    cancel_all_.store(true);
  }
  work_.notify_all();
  if (thread_.joinable()) return thread_.join();
  const std::lock_guard turn(turn_);
  while (run_pass()) {
  }
}

EngineCore::RequestPointer EngineCore::submit(EngineRequest request) {
  process.require_same("engine");
  check_prompt(model, options, request.prompt);
  return enqueue(std::make_shared<RequestState>(model, std::move(request), options.context), false);
}

EngineCore::RequestPointer EngineCore::submit(PromptRequest request) {
  process.require_same("engine");
  check_prompt(model, options, request.prompt);
  if (request.continuations) {
    for (const auto& sequence : request.continuations->sequences())
      check_ids(state_of(model), sequence, "continuations");
    const std::size_t needed =
        request.prompt.size() + static_cast<std::size_t>(request.continuations->depth()) - 1;
    if (needed > static_cast<std::size_t>(options.context))
      qwen::fail(ErrorCode::context_full, "prompt and continuations need ", needed,
                 " tokens and do not fit into the context of ", options.context);
  }
  return enqueue(std::make_shared<RequestState>(std::move(request)), false);
}

EngineCore::RequestPointer EngineCore::submit_on(Sequence& sequence, RequestPointer request) {
  const std::lock_guard lock(mutex_);
  ++counters_.submitted;
  // The session owns the sequence.
  start(request, std::shared_ptr<Sequence>(&sequence, [](Sequence*) {}));
  Running& running = *running_.back();
  running.stage = Stage::prefilling;
  request->draft.cached_tokens = sequence.position();
  return request;
}

EngineCore::RequestPointer EngineCore::enqueue(RequestPointer request, bool beyond_limits) {
  const bool high = request->priority == Priority::high;
  {
    const std::lock_guard lock(mutex_);
    const int queued = static_cast<int>(high_.size() + normal_.size());
    const int running = running_high_ + running_normal_;
    const int limit = options.max_queued + (high ? places_ : options.max_sequences);
    const bool full = queued + running >= limit;
    if (draining_ || (full && !beyond_limits)) {
      ++counters_.refused;
      if (draining_) qwen::fail(ErrorCode::busy, "the engine is shutting down");
      qwen::fail(ErrorCode::busy, "queue full: ", running, " running, ", queued, " waiting");
    }
    (high ? high_ : normal_).push_back(request);
    ++counters_.submitted;
    update_queue_positions();
  }
  work_.notify_one();
  return request;
}

void EngineCore::pin(std::span<const Token> tokens) {
  if (tokens.empty() || tokens.size() > static_cast<std::size_t>(options.context)) return;
  process.require_same("engine");
  check_prompt(model, options, tokens);
  std::vector<Token> prompt(tokens.begin(), tokens.end());
  {
    const std::lock_guard lock(mutex_);
    if (!draining_ && pinned_.contains(prompt)) return;
  }
  PromptRequest request;
  request.prompt = prompt;
  auto state = std::make_shared<RequestState>(std::move(request));
  state->pins = true;
  enqueue(state, true);
  wait_for_end(*state);
  if (state->result().generation.finish == FinishReason::cancelled) return;
  const std::lock_guard lock(mutex_);
  pinned_.insert(std::move(prompt));
}

bool EngineCore::drain(const Deadline& deadline) {
  process.require_same("engine");
  const auto idle = [this] { return queues_empty() && running_high_ + running_normal_ == 0; };
  const auto idle_now = [&] {
    const std::lock_guard lock(mutex_);
    return idle();
  };
  {
    std::unique_lock lock(mutex_);
    draining_ = true;
    if (options.background) {
      const bool in_time =
          deadline ? idle_.wait_until(lock, *deadline, idle) : (idle_.wait(lock, idle), true);
      if (!in_time) cancel_all_.store(true);
      idle_.wait(lock, idle);
      return in_time;
    }
  }
  compute_until(idle_now, deadline);
  const bool in_time = idle_now();
  if (!in_time) cancel_all_.store(true);
  compute_until(idle_now, Deadline());
  return in_time;
}

Engine::Counters EngineCore::counters() const {
  const std::lock_guard lock(mutex_);
  Engine::Counters out = counters_;
  out.queued = static_cast<int>(high_.size() + normal_.size());
  out.running = running_high_ + running_normal_;
  return out;
}

// Each thread computes passes until its own request is served; the others' requests go on in the same passes.
template <class Done>
void EngineCore::compute_until(const Done& done, const Deadline& deadline) {
  while (!done()) {
    std::unique_lock turn(turn_, std::defer_lock);
    if (deadline ? !turn.try_lock_until(*deadline) : (turn.lock(), false)) return;
    if (done()) return;
    run_pass();
    if (deadline && RequestState::Clock::now() >= *deadline) return;
  }
}

void EngineCore::wait_for_news(RequestState& request, const Deadline& deadline) {
  if (options.background)
    request.wait_for_news(deadline);
  else
    compute_until([&] { return request.has_news(); }, deadline);
}

void EngineCore::wait_for_end(RequestState& request) {
  if (!options.background) compute_until([&] { return request.has_ended(); }, Deadline());
}

void EngineCore::loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [&] { return stop_ || !queues_empty(); });
    }
    while (run_pass()) {
    }
    const std::lock_guard lock(mutex_);
    if (stop_ && queues_empty()) return;
  }
}

bool EngineCore::run_pass() {
  {
    const std::lock_guard lock(mutex_);
    if (!borrowed_) admit();
    if (running_.empty()) {
      idle_.notify_all();
      return false;
    }
  }
  try {
    step();
  } catch (...) {  // the model file has changed, or there is no memory outside of any request's own work
    fail_all(std::current_exception());
  }
  std::erase_if(running_,
                [](const std::unique_ptr<Running>& running) { return running->stage == Stage::ended; });
  return true;
}

void EngineCore::update_queue_positions() {
  int position = 0;
  for (const auto* queue : {&high_, &normal_})
    for (const RequestPointer& request : *queue)
      request->queue_position.store(++position, std::memory_order_relaxed);
}

void EngineCore::admit() {
  for (auto* queue : {&high_, &normal_})
    std::erase_if(*queue, [&](const RequestPointer& request) {
      if (!is_cancelled(*request)) return false;
      request->queue_position.store(0, std::memory_order_relaxed);
      request->close(FinishReason::cancelled);  // there is no text yet, so nothing is called
      ++counters_.cancelled;
      request->finish();
      return true;
    });
  // High-priority requests in places that are for all.
  const auto borrowed = [&] { return std::max(0, running_high_ - kHighPriorityPlaces); };
  while (!high_.empty() && running_high_ < kHighPriorityPlaces) start_next(high_);
  while (!normal_.empty() && running_normal_ + borrowed() < options.max_sequences) start_next(normal_);
  while (!high_.empty() && normal_.empty() && running_normal_ + borrowed() < options.max_sequences)
    start_next(high_);
  update_queue_positions();
}

void EngineCore::start_next(std::deque<RequestPointer>& queue) {
  const RequestPointer request = std::move(queue.front());
  queue.pop_front();
  request->queue_position.store(0, std::memory_order_relaxed);
  try {
    auto sequence = std::make_shared<Sequence>(state_of(model), options.context, options.kv_type);
    sequence->tokens.reserve(static_cast<std::size_t>(options.context));
    start(request, std::move(sequence));
  } catch (...) {
    ++counters_.failed;
    request->finish(std::current_exception());
  }
}

void EngineCore::start(RequestPointer request, std::shared_ptr<Sequence> sequence) {
  auto running = std::make_unique<Running>();
  running->request = request;
  running->sequence = std::move(sequence);
  running_.push_back(std::move(running));
  request->begin();
  counters_.prompt_tokens += request->prompt.size();
  ++(request->priority == Priority::high ? running_high_ : running_normal_);
}

}  // namespace qwen::runtime
