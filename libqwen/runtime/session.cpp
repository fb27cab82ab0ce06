#include "qwen/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "model/lm_head.h"
#include "runtime/session_file.h"
#include "runtime/state.h"

namespace qwen {
namespace {

using runtime::SessionState;

std::size_t logits_stride(const SessionState& s) {
  return round_up(static_cast<std::size_t>(s.m().info.shape.embedding_rows), kernels::kPanelRows);
}

float* logits_buffer(SessionState& s) {
  if (s.logits.size() == 0) s.logits = AlignedBuffer(logits_stride(s) * sizeof(float));
  return s.logits.as<float>();
}

void check_tokens(const SessionState& s, std::span<const Token> tokens) {
  if (tokens.empty()) fail(ErrorCode::invalid_argument, "no tokens to compute: the prompt is empty");
  const int vocab = s.m().info.shape.embedding_rows;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= vocab)
      fail(ErrorCode::invalid_argument, "token ", i, ": expected an id from 0 to ", vocab - 1, ", found ",
           tokens[i]);
  const auto free = static_cast<std::size_t>(s.options.context - s.position());
  if (tokens.size() > free)
    fail(ErrorCode::context_full, "the context is full: ", tokens.size(), " more tokens do not fit behind ",
         s.position(), " of ", s.options.context);
}

void check_ids(const SessionState& s, std::span<const Token> ids, const char* caller) {
  const int vocab = s.m().info.shape.embedding_rows;
  for (const Token id : ids)
    if (id < 0 || id >= vocab)
      fail(ErrorCode::invalid_argument, caller, ": expected ids from 0 to ", vocab - 1, ", found ", id);
}

// Appends tokens in batches. each(first, count) is called after each batch, whose last `outputs(count)`
// hidden states are then in the workspace.
template <class Outputs, class Each>
void append(SessionState& s, std::span<const Token> tokens, const Outputs& outputs, const Each& each) {
  check_tokens(s, tokens);
  const int total = static_cast<int>(tokens.size());
  s.tokens.reserve(static_cast<std::size_t>(s.options.context));
  for (int done = 0; done < total;) {
    const int count = std::min(s.options.prefill_chunk, total - done);
    const int from = s.position();
    s.m().weights->check_file();
    s.cache.prepare(from, from + count);
    const auto part = tokens.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count));
    const model::SequenceInput input{&s.cache, from, part, outputs(done, count)};
    model::forward(s.m().engine(), *s.workspace, {&input, 1});
    s.tokens.insert(s.tokens.end(), part.begin(), part.end());
    s.hidden.clear();
    each(done, count);
    done += count;
    if (s.on_prefill && !s.on_prefill(done, total))
      fail(ErrorCode::cancelled, "the prompt was cancelled after ", done, " of ", total, " tokens");
  }
}

void keep_hidden(SessionState& s, const float* hidden) {
  s.hidden.assign(hidden, hidden + s.m().info.shape.hidden);
}

void forward_last(SessionState& s, std::span<const Token> tokens) {
  const int total = static_cast<int>(tokens.size());
  append(
      s, tokens, [&](int done, int count) { return done + count == total ? 1 : 0; },
      [&](int done, int count) {
        if (done + count == total) keep_hidden(s, s.workspace->hidden);
      });
}

}  // namespace

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

SessionState::SessionState(Model handle, const SessionOptions& session_options,
                           std::shared_ptr<model::Workspace> shared)
    : model(std::move(handle)),
      options(session_options),
      cache(model::kv_layout(model.state().info.shape, kv_type_for(model.state(), session_options.kv_type))),
      workspace(
          shared ? std::move(shared)
                 : std::make_shared<model::Workspace>(*model.state().weights, model.state().pool->size())) {}

}  // namespace runtime

Session::Session(Model model, const SessionOptions& options) {
  SessionOptions chosen = options;
  chosen.context = runtime::checked_context(model, options.context);
  if (options.prefill_chunk < 1 || options.prefill_chunk > 1 << 16)
    fail(ErrorCode::invalid_argument, "prefill_chunk: expected 1 to 65536, found ", options.prefill_chunk);
  state_ = std::make_unique<SessionState>(std::move(model), chosen);
}

Session::Session(std::unique_ptr<SessionState> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const Model& Session::model() const noexcept {
  return state_->model;
}
int Session::position() const noexcept {
  return state_->position();
}
int Session::context() const noexcept {
  return state_->options.context;
}
std::span<const Token> Session::tokens() const noexcept {
  return state_->tokens;
}
std::size_t Session::kv_bytes() const noexcept {
  return state_->cache.bytes();
}
std::size_t Session::scratch_bytes() const noexcept {
  return state_->workspace->bytes() + state_->logits.size() + state_->batch_logits.size();
}
std::function<bool(int, int)> Session::set_prefill_callback(std::function<bool(int, int)> callback) {
  return std::exchange(state_->on_prefill, std::move(callback));
}

std::span<const float> Session::forward(std::span<const Token> tokens) {
  SessionState& s = *state_;
  forward_last(s, tokens);
  return logits();
}

std::span<const float> Session::logits() {
  SessionState& s = *state_;
  if (s.hidden.empty())
    fail(ErrorCode::invalid_argument, "logits: no token was computed since the session began or was rewound");
  s.workspace->reserve(1, 1, 1);  // the token may have been computed in another session's batch
  float* logits = logits_buffer(s);
  model::lm_head_logits(s.m().engine(), *s.workspace, s.hidden.data(), 1, logits, logits_stride(s));
  return {logits, static_cast<std::size_t>(s.m().info.shape.embedding_rows)};
}

std::span<const float> Session::forward_top_k(std::span<const Token> tokens, int count,
                                              std::span<const Token> must_include) {
  SessionState& s = *state_;
  if (count < 1)
    fail(ErrorCode::invalid_argument, "forward_top_k: expected a count of at least 1, found ", count);
  check_ids(s, must_include, "forward_top_k");
  forward_last(s, tokens);
  float* logits = logits_buffer(s);
  model::lm_head_top_k(s.m().engine(), *s.workspace, s.hidden.data(), s.m().tokenizer.size(), count, must_include,
                       logits);
  return {logits, static_cast<std::size_t>(s.m().info.shape.embedding_rows)};
}

void Session::prefill(std::span<const Token> tokens) {
  forward_last(*state_, tokens);
}

void Session::forward_all_logits(std::span<const Token> tokens,
                                 const std::function<void(int, std::span<const float>)>& on_row) {
  SessionState& s = *state_;
  const auto hidden_size = static_cast<std::size_t>(s.m().info.shape.hidden);
  append(
      s, tokens, [](int, int count) { return count; },
      [&](int done, int count) {
        float* logits = logits_buffer(s);
        for (int i = 0; i < count; ++i) {
          const float* hidden = s.workspace->hidden + static_cast<std::size_t>(i) * hidden_size;
          model::lm_head_logits(s.m().engine(), *s.workspace, hidden, 1, logits, logits_stride(s));
          on_row(done + i, {logits, static_cast<std::size_t>(s.m().info.shape.embedding_rows)});
        }
        keep_hidden(s, s.workspace->hidden + static_cast<std::size_t>(count - 1) * hidden_size);
      });
}

void Session::logits_for(std::span<const Token> ids, std::span<float> out) const {
  SessionState& s = *state_;
  if (s.hidden.empty())
    fail(ErrorCode::invalid_argument,
         "logits_for: no token was computed since the session began or was rewound");
  if (out.size() < ids.size())
    fail(ErrorCode::invalid_argument, "logits_for: expected room for ", ids.size(), " logits, found ",
         out.size());
  check_ids(s, ids, "logits_of");
  model::lm_head_logits_for(s.m().engine(), *s.workspace, s.hidden.data(), ids, out.data());
}

void Session::rewind(int length) {
  SessionState& s = *state_;
  if (length < 0 || length > s.position())
    fail(ErrorCode::invalid_argument, "rewind: expected 0 to ", s.position(), ", found ", length);
  if (length == s.position()) return;
  s.tokens.resize(static_cast<std::size_t>(length));
  s.cache.rewind(length);
  s.hidden.clear();
}

Snapshot Session::snapshot(int length) const {
  const SessionState& s = *state_;
  if (length < -1 || length > s.position())
    fail(ErrorCode::invalid_argument, "snapshot: expected -1 to ", s.position(), ", found ", length);
  const bool whole = length == -1 || length == s.position();
  const int count = whole ? s.position() : length;
  auto data = std::make_shared<SnapshotData>(SnapshotData{s.m().fingerprint, s.cache, s.tokens, {}});
  data->cache.truncate(count);
  data->tokens.resize(static_cast<std::size_t>(count));
  if (whole) data->hidden = s.hidden;
  Snapshot result;
  result.data_ = std::move(data);
  return result;
}

void Session::restore(const Snapshot& snapshot, int length) {
  SessionState& s = *state_;
  if (!snapshot) fail(ErrorCode::invalid_argument, "restore: the snapshot is empty");
  const SnapshotData& data = *snapshot.data_;
  const int count = length == -1 ? snapshot.length() : length;
  if (count < 0 || count > snapshot.length())
    fail(ErrorCode::invalid_argument, "restore: expected -1 to ", snapshot.length(), ", found ", length);
  if (data.fingerprint != s.m().fingerprint || !(data.cache.layout() == s.cache.layout()))
    fail(ErrorCode::invalid_argument, "restore: the snapshot belongs to another model or KV type");
  if (count > s.options.context)
    fail(ErrorCode::context_full, "restore: ", count, " tokens do not fit into a context of ",
         s.options.context);
  s.cache = data.cache;
  s.cache.truncate(count);
  s.tokens.assign(data.tokens.begin(), data.tokens.begin() + count);
  s.hidden = count == snapshot.length() ? data.hidden : std::vector<float>{};
}

void Session::save(const std::string& path) const {
  runtime::save_session(*state_, path);
}
void Session::load(const std::string& path) {
  runtime::load_session(*state_, path);
}

int Snapshot::length() const noexcept {
  return data_ ? static_cast<int>(data_->tokens.size()) : 0;
}
std::span<const Token> Snapshot::tokens() const noexcept {
  return data_ ? std::span<const Token>(data_->tokens) : std::span<const Token>();
}
std::size_t Snapshot::bytes() const noexcept {
  return data_ ? data_->cache.bytes() + data_->tokens.size() * sizeof(Token) : 0;
}

void Session::forward_batch(std::span<BatchItem> items) {
  if (items.empty()) return;
  SessionState& lead = *items[0].session->state_;
  std::vector<model::SequenceInput>& inputs = lead.batch_inputs;
  inputs.clear();
  int wanted = 0;
  for (const BatchItem& item : items) {
    SessionState& s = *item.session->state_;
    if (&s.m() != &lead.m())
      fail(ErrorCode::invalid_argument, "forward_batch: all sessions must belong to one model");
    for (const BatchItem& other : items)
      if (&other != &item && other.session == item.session)
        fail(ErrorCode::invalid_argument, "forward_batch: a session stands in the batch twice");
    check_tokens(s, item.tokens);
  }
  lead.m().weights->check_file();
  for (const BatchItem& item : items) {
    SessionState& s = *item.session->state_;
    s.tokens.reserve(static_cast<std::size_t>(s.options.context));
    s.cache.prepare(s.position(), s.position() + static_cast<int>(item.tokens.size()));
    inputs.push_back({&s.cache, s.position(), item.tokens, 1});
    wanted += item.want_logits ? 1 : 0;
  }
  const model::ExecContext engine = lead.m().engine();
  model::forward(engine, *lead.workspace, inputs);
  const auto hidden_size = static_cast<std::size_t>(lead.m().info.shape.hidden);
  for (std::size_t i = 0; i < items.size(); ++i) {
    SessionState& s = *items[i].session->state_;
    s.tokens.insert(s.tokens.end(), items[i].tokens.begin(), items[i].tokens.end());
    keep_hidden(s, lead.workspace->hidden + i * hidden_size);
  }
  if (wanted == 0) return;
  // The wanted states side by side, so that the head's weights are read once.
  std::vector<float>& hidden = lead.batch_hidden;
  hidden.clear();
  for (const BatchItem& item : items)
    if (item.want_logits)
      hidden.insert(hidden.end(), item.session->state_->hidden.begin(), item.session->state_->hidden.end());
  const std::size_t stride = logits_stride(lead);
  AlignedBuffer& logits = lead.batch_logits;
  const std::size_t bytes = static_cast<std::size_t>(wanted) * stride * sizeof(float);
  if (logits.size() < bytes) {
    logits = AlignedBuffer();
    logits = AlignedBuffer(bytes);
  }
  model::lm_head_logits(engine, *lead.workspace, hidden.data(), wanted, logits.as<float>(), stride);
  std::size_t row = 0;
  for (BatchItem& item : items) {
    item.logits = {};
    if (!item.want_logits) continue;
    SessionState& s = *item.session->state_;
    std::memcpy(logits_buffer(s), logits.as<float>() + row++ * stride, stride * sizeof(float));
    item.logits = {s.logits.as<float>(), static_cast<std::size_t>(s.m().info.shape.embedding_rows)};
  }
}

}  // namespace qwen
