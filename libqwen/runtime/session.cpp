#include "qwen/session.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/fail.h"
#include "runtime/executor.h"
#include "runtime/session_file.h"

namespace qwen {
namespace runtime {

// Half precision costs more than F32 weights' own error, and nothing beside that of the other types.
KvType kv_type_for(const ModelState& model, KvType wanted) {
  if (wanted != KvType::automatic) return wanted;
  return model.reference || model.weights->float32_source ? KvType::f32 : KvType::f16;
}

int checked_context(const Model& model, int wanted) {
  const int limit = model.shape().max_context;
  const int chosen = wanted == 0 ? std::min(2048, limit) : wanted;
  if (chosen < 1 || chosen > limit)
    fail(ErrorCode::invalid_argument, "context: expected 1 to ", limit,
         " (what the model was trained for), found ", chosen);
  return chosen;
}

void check_ids(const ModelState& model, std::span<const Token> ids, const char* what) {
  const int rows = model.info.shape.embedding_rows;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= rows)
      fail(ErrorCode::invalid_argument, what, ": token ", i, ": expected an id from 0 to ", rows - 1,
           ", found ", ids[i]);
}

int common_prefix(std::span<const Token> a, std::span<const Token> b) noexcept {
  return static_cast<int>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

void Sequence::rewind(int length) {
  if (length == position()) return;
  tokens.resize(static_cast<std::size_t>(length));
  cache.rewind(length);
  hidden.clear();
}

SnapshotPointer Sequence::snapshot(int length) const {
  const bool whole = length == -1 || length == position();
  const int count = whole ? position() : length;
  auto out = std::make_shared<SnapshotState>(SnapshotState{model->fingerprint,
                                                           cache,
                                                           {tokens.begin(), tokens.begin() + count},
                                                           whole ? hidden : std::vector<float>{}});
  out->cache.truncate(count);
  return out;
}

void Sequence::restore(const SnapshotState& from, int length) {
  const int all = static_cast<int>(from.tokens.size());
  const int count = length == -1 ? all : length;
  cache = from.cache;
  cache.truncate(count);
  tokens.assign(from.tokens.begin(), from.tokens.begin() + count);
  hidden = count == all ? from.hidden : std::vector<float>{};
}

SessionState::SessionState(Model handle, const SessionOptions& session_options)
    : model(std::move(handle)),
      options(session_options),
      sequence(state_of(model), checked_context(model, options.context), options.kv_type),
      executor(std::make_shared<Executor>(state_of(model))) {
  options.context = sequence.context;
  if (options.prefill_chunk < 1 || options.prefill_chunk > 1 << 16)
    fail(ErrorCode::invalid_argument, "prefill_chunk: expected 1 to 65536, found ", options.prefill_chunk);
}

SessionState::~SessionState() = default;

}  // namespace runtime

namespace {

using runtime::SessionState;
using runtime::StepItem;

void check_tokens(const SessionState& s, std::span<const Token> tokens) {
  if (tokens.empty()) fail(ErrorCode::invalid_argument, "no tokens to compute: the prompt is empty");
  check_ids(s.m(), tokens, "prompt");
  if (tokens.size() > static_cast<std::size_t>(s.sequence.room()))
    fail(ErrorCode::context_full, "context full: ", s.sequence.position(), " of ", s.sequence.context,
         " tokens used, ", tokens.size(), " more requested");
}

// Appends tokens chunk by chunk. `last` is the item of the last chunk, `rows_of(count)` the rows of the others.
template <class RowsOf, class AfterChunk>
void append(SessionState& s, std::span<const Token> tokens, StepItem& last, const RowsOf& rows_of,
            const AfterChunk& after_chunk) {
  check_tokens(s, tokens);
  const int total = static_cast<int>(tokens.size());
  for (int done = 0; done < total;) {
    const int count = std::min(s.options.prefill_chunk, total - done);
    StepItem chunk;
    StepItem& item = done + count == total ? last : chunk;
    item.sequence = &s.sequence;
    item.tokens = tokens.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count));
    item.rows = rows_of(done + count == total, count);
    s.executor->step({&item, 1});
    after_chunk(done, count);
    done += count;
    if (!s.on_prefill(done, total))
      fail(ErrorCode::cancelled, "the prompt was cancelled after ", done, " of ", total, " tokens");
  }
}

std::span<const float> append_last(SessionState& s, std::span<const Token> tokens, StepItem& last) {
  append(
      s, tokens, last, [](bool is_last, int) { return is_last ? 1 : 0; }, [](int, int) {});
  return {last.first_row, last.first_row ? static_cast<std::size_t>(s.m().info.shape.embedding_rows) : 0};
}

void require_state(const SessionState& s, const char* caller) {
  if (s.sequence.hidden.empty())
    fail(ErrorCode::invalid_argument, caller,
         ": no token was computed since the session began or was rewound");
}

}  // namespace

Session::Session(Model model, const SessionOptions& options)
    : state_(std::make_unique<SessionState>(std::move(model), options)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const Model& Session::model() const noexcept {
  return state_->model;
}
int Session::position() const noexcept {
  return state_->sequence.position();
}
int Session::context() const noexcept {
  return state_->sequence.context;
}
std::span<const Token> Session::tokens() const noexcept {
  return state_->sequence.tokens;
}
std::size_t Session::kv_bytes() const noexcept {
  return state_->sequence.cache.bytes();
}
std::size_t Session::scratch_bytes() const noexcept {
  return state_->executor->bytes();
}
PrefillCallback Session::set_prefill_callback(PrefillCallback callback) {
  return std::exchange(state_->on_prefill, std::move(callback));
}

std::span<const float> Session::forward(std::span<const Token> tokens) {
  StepItem last;
  last.logits = 1;
  return append_last(*state_, tokens, last);
}

std::span<const float> Session::forward_top_k(std::span<const Token> tokens, int count,
                                              std::span<const Token> must_include) {
  if (count < 1)
    fail(ErrorCode::invalid_argument, "forward_top_k: expected a count of at least 1, found ", count);
  check_ids(state_->m(), must_include, "forward_top_k: must_include");
  StepItem last;
  last.logits = 1;
  last.request = {count, must_include};
  return append_last(*state_, tokens, last);
}

void Session::prefill(std::span<const Token> tokens) {
  StepItem last;
  append_last(*state_, tokens, last);
}

void Session::forward_all_logits(std::span<const Token> tokens,
                                 const std::function<void(int, std::span<const float>)>& on_row) {
  SessionState& s = *state_;
  const auto size = static_cast<std::size_t>(s.m().info.shape.embedding_rows);
  StepItem last;
  append(
      s, tokens, last, [](bool, int count) { return count; },
      [&](int done, int count) {
        s.executor->logits_of_each(
            s.executor->states(), count, [&](int first, int rows, const float* logits) {
              for (int i = 0; i < rows; ++i)
                on_row(done + first + i, {logits + static_cast<std::size_t>(i) * s.executor->stride(), size});
            });
      });
}

std::span<const float> Session::logits() {
  SessionState& s = *state_;
  require_state(s, "logits");
  return {s.executor->logits(s.sequence.hidden.data(), 1),
          static_cast<std::size_t>(s.m().info.shape.embedding_rows)};
}

std::span<const float> Session::hidden() const {
  require_state(*state_, "hidden");
  return state_->sequence.hidden;
}

void Session::logits_for(std::span<const Token> ids, std::span<float> out) const {
  SessionState& s = *state_;
  require_state(s, "logits_for");
  if (out.size() < ids.size())
    fail(ErrorCode::invalid_argument, "logits_for: expected room for ", ids.size(), " logits, found ",
         out.size());
  check_ids(s.m(), ids, "logits_for");
  s.executor->logits_for(s.sequence.hidden.data(), ids, out.data());
}

void Session::rewind(int length) {
  if (length < 0 || length > position())
    fail(ErrorCode::invalid_argument, "rewind: expected 0 to ", position(), ", found ", length);
  state_->sequence.rewind(length);
}

Snapshot Session::snapshot(int length) const {
  if (length < -1 || length > position())
    fail(ErrorCode::invalid_argument, "snapshot: expected -1 to ", position(), ", found ", length);
  return runtime::Access::make_snapshot(state_->sequence.snapshot(length));
}

void Session::restore(const Snapshot& snapshot, int length) {
  runtime::Sequence& sequence = state_->sequence;
  if (!snapshot) fail(ErrorCode::invalid_argument, "restore: the snapshot is empty");
  const runtime::SnapshotState& from = runtime::Access::state(snapshot);
  const int count = length == -1 ? snapshot.length() : length;
  if (count < 0 || count > snapshot.length())
    fail(ErrorCode::invalid_argument, "restore: expected -1 to ", snapshot.length(), ", found ", length);
  if (from.fingerprint != sequence.model->fingerprint || !(from.cache.layout() == sequence.cache.layout()))
    fail(ErrorCode::invalid_argument, "restore: the snapshot belongs to another model or KV type");
  if (count > sequence.context)
    fail(ErrorCode::context_full, "restore: ", count, " tokens do not fit into a context of ",
         sequence.context);
  sequence.restore(from, length);
}

void Session::save(const std::string& path) const {
  runtime::save_sequence(state_->sequence, path);
}
void Session::load(const std::string& path) {
  runtime::load_sequence(state_->sequence, path);
}

int Snapshot::length() const noexcept {
  return state_ ? static_cast<int>(state_->tokens.size()) : 0;
}
std::span<const Token> Snapshot::tokens() const noexcept {
  return state_ ? std::span<const Token>(state_->tokens) : std::span<const Token>();
}
std::size_t Snapshot::bytes() const noexcept {
  return state_ ? state_->cache.bytes() + state_->tokens.size() * sizeof(Token) : 0;
}

void Session::forward_batch(std::span<BatchItem> items) {
  if (items.empty()) return;
  for (const BatchItem& item : items)
    if (item.session == nullptr || item.session->state_ == nullptr)
      fail(ErrorCode::invalid_argument, "forward_batch: a session is null");
  SessionState& lead = *items[0].session->state_;
  std::vector<StepItem>& steps = lead.batch;
  steps.clear();
  for (const BatchItem& item : items) {
    SessionState& s = *item.session->state_;
    if (&s.m() != &lead.m())
      fail(ErrorCode::invalid_argument, "forward_batch: all sessions must belong to one model");
    for (const BatchItem& other : items)
      if (&other != &item && other.session == item.session)
        fail(ErrorCode::invalid_argument, "forward_batch: duplicate session");
    check_tokens(s, item.tokens);
    StepItem& step = steps.emplace_back();
    step.sequence = &s.sequence;
    step.tokens = item.tokens;
    step.logits = item.want_logits ? 1 : 0;
  }
  lead.executor->step(steps);
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i].logits = {steps[i].first_row,
                       steps[i].first_row ? static_cast<std::size_t>(lead.m().info.shape.embedding_rows) : 0};
}

}  // namespace qwen
