#include "constraints/automaton.h"

#include <algorithm>

namespace qwen::constraints {
namespace {

bool may_close(const StringBody& body, std::uint32_t counter) noexcept {
  return body.automaton.empty() ? counter >= body.min : body.automaton.states[counter].accepts;
}

}  // namespace

Automaton::Automaton(std::shared_ptr<const Program> program, Spelling spelling)
    : program_(std::move(program)), spelling_(spelling) {
  frames_.emplace_back();  // the bottom of every stack
  push({program_->rules[program_->root].start, 0, 0, 0});
  start_ = intern();
}

Cost Automaton::string_cost(const StringBody& body, const Thread& thread) const noexcept {
  const auto counted = [&](std::uint32_t characters) -> Cost {
    return (characters < body.min ? body.min - characters : 0) + (body.raw ? 0u : 1u);
  };
  if (thread.partial == 0)
    return body.automaton.empty() ? counted(thread.counter) : body.costs[thread.counter];
  if (body.automaton.empty() && thread.counter >= body.max) return kImpossible;
  Cost best = kImpossible;
  for_each_reachable(
      thread.partial, spelling_ == Spelling::any, [&](std::uint32_t low, std::uint32_t high, int bytes) {
        const Cost missing = static_cast<Cost>(bytes);
        if (body.automaton.empty()) {
          best = std::min(best, missing + counted(thread.counter + 1));
          return;
        }
        const auto& ranges = body.automaton.states[thread.counter].ranges;
        auto it = std::lower_bound(ranges.begin(), ranges.end(), low,
                                   [](const auto& range, std::uint32_t c) { return range.high < c; });
        for (; it != ranges.end() && it->low <= high; ++it)
          best = std::min(best, add_cost(missing, body.costs[it->next]));
      });
  return best;
}

Cost Automaton::thread_cost(const Thread& thread) const noexcept {
  const State& state = program_->states[thread.state];
  Cost cost;
  if (state.kind == State::Kind::string) {
    const StringBody& body = program_->strings[state.index];
    cost = add_cost(string_cost(body, thread), program_->states[body.after].cost);
  } else {
    cost = state_cost(*program_, thread.state, thread.counter);
  }
  return add_cost(cost, frames_[thread.frame].cost);
}

Automaton::FrameId Automaton::frame(std::vector<Link> links) {
  const auto [it, added] = frame_ids_.try_emplace(links, static_cast<FrameId>(frames_.size()));
  if (added) {
    Cost cost = kImpossible;
    for (const Link& link : links)
      cost = std::min(cost,
                      add_cost(state_cost(*program_, link.state, link.counter), frames_[link.parent].cost));
    frames_.push_back({std::move(links), cost});
  }
  return it->second;
}

Automaton::FrameId Automaton::merged(FrameId a, FrameId b) {
  if (a == b) return a;
  std::vector<Link> links = frames_[a].links;
  links.insert(links.end(), frames_[b].links.begin(), frames_[b].links.end());
  std::sort(links.begin(), links.end());
  // Links to the same place share one parent, except the bottom, which has no links.
  std::vector<Link> out;
  for (const Link& link : links) {
    if (!out.empty() && out.back().state == link.state && out.back().counter == link.counter &&
        out.back().parent != 0 && link.parent != 0) {
      out.back().parent = merged(out.back().parent, link.parent);
    } else {
      out.push_back(link);
    }
  }
  return frame(std::move(out));
}

void Automaton::enter(RuleId rule, const Link& link) {
  if (add_cost(program_->rules[rule].cost, state_cost(*program_, link.state, link.counter)) >= limit())
    return;
  push({program_->rules[rule].start, 0, 0, frame({link})});
}

void Automaton::push(Thread thread) {
  if (thread_cost(thread) >= limit()) return;
  const State& state = program_->states[thread.state];
  if (std::find(visited_.begin(), visited_.end(), thread) != visited_.end()) return;
  visited_.push_back(thread);
  bool reads = state.kind == State::Kind::item_loop;
  if (state.kind == State::Kind::string) {
    reads = true;
    const StringBody& body = program_->strings[state.index];
    if (body.raw && thread.partial == 0 && may_close(body, thread.counter))
      push({body.after, 0, 0, thread.frame});
  } else if (state.kind == State::Kind::exit) {
    if (thread.frame == 0) pending_accepts_ = true;
    // A copy: pushing may add frames.
    const std::vector<Link> links = frames_[thread.frame].links;
    for (const Link& link : links) push({link.state, link.counter, 0, link.parent});
  }
  if (state.kind == State::Kind::member) {
    const MemberSet& set = program_->members[state.index];
    for (std::size_t i = 0; i < set.listed.size(); ++i)
      if ((thread.counter >> i & 1) == 0)
        enter(set.listed[i], {set.value_end, thread.counter | std::uint32_t{1} << i, thread.frame});
    for (const RuleId rule : set.unlisted) enter(rule, {set.value_end, thread.counter, thread.frame});
  }
  if (state.kind == State::Kind::member_end) reads = thread.state == program_->members[state.index].value_end;
  for (std::uint32_t e = state.first_edge; e < state.end_edge; ++e) {
    const Edge& edge = program_->edges[e];
    if (edge.read_only && spelling_ != Spelling::any) continue;
    const std::uint32_t counter =
        edge.counter >= 0 ? static_cast<std::uint32_t>(edge.counter) : thread.counter;
    if (edge.kind == Edge::Kind::byte) {
      reads = true;
    } else if (edge.kind == Edge::Kind::empty) {
      push({edge.target, counter, 0, thread.frame});
    } else {
      enter(edge.rule, {edge.target, counter, thread.frame});
    }
  }
  if (reads) pending_.push_back(thread);
}

void Automaton::step_string(const Thread& thread, unsigned char byte) {
  const StringBody& body = program_->strings[program_->states[thread.state].index];
  const LexStep step = lex_byte(thread.partial, byte, body.raw, spelling_ == Spelling::any);
  Thread next = thread;
  switch (step.kind) {
    case LexStep::Kind::invalid: return;
    case LexStep::Kind::quote:
      if (may_close(body, thread.counter)) push({body.after, 0, 0, thread.frame});
      return;
    case LexStep::Kind::partial: next.partial = step.value; break;
    case LexStep::Kind::character:
      next.partial = 0;
      if (body.automaton.empty()) {
        if (thread.counter >= body.max) return;
        if (body.max != kUnlimited || thread.counter < body.min) ++next.counter;
      } else {
        const std::int64_t state = body.automaton.step(thread.counter, step.value);
        if (state < 0) return;
        next.counter = static_cast<std::uint32_t>(state);
      }
      break;
  }
  push(next);
}

void Automaton::step_thread(const Thread& thread, unsigned char byte) {
  const State& state = program_->states[thread.state];
  if (state.kind == State::Kind::string) return step_string(thread, byte);
  if (state.kind == State::Kind::item_loop) {
    const ItemLoop& loop = program_->loops[state.index];
    if (byte == ']' && thread.counter >= loop.min) push({loop.after, 0, 0, thread.frame});
    if (byte == ',' && thread.counter < loop.max) {
      const std::uint32_t most = loop.max != kUnlimited ? loop.max : std::max<std::uint32_t>(loop.min, 1);
      push({loop.separator, std::min(thread.counter + 1, most), 0, thread.frame});
    }
    return;
  }
  if (state.kind == State::Kind::member_end) {
    const MemberSet& set = program_->members[state.index];
    if (thread.state == set.value_end) {
      if (byte == ',') push({set.separator, thread.counter, 0, thread.frame});
      if (byte == '}' && (thread.counter & set.required) == set.required)
        push({set.after, 0, 0, thread.frame});
      return;
    }
  }
  for (std::uint32_t e = state.first_edge; e < state.end_edge; ++e) {
    const Edge& edge = program_->edges[e];
    if (edge.kind != Edge::Kind::byte || byte < edge.low || byte > edge.high) continue;
    if (edge.read_only && spelling_ != Spelling::any) continue;
    push({edge.target, edge.counter >= 0 ? static_cast<std::uint32_t>(edge.counter) : thread.counter, 0,
          thread.frame});
  }
}

Config Automaton::intern() {
  std::sort(pending_.begin(), pending_.end());
  std::vector<Thread> threads;
  for (const Thread& thread : pending_) {
    if (!threads.empty() && threads.back().state == thread.state &&
        threads.back().counter == thread.counter && threads.back().partial == thread.partial) {
      threads.back().frame = merged(threads.back().frame, thread.frame);
    } else {
      threads.push_back(thread);
    }
  }
  const bool accepts = pending_accepts_;
  pending_.clear();
  visited_.clear();
  pending_accepts_ = false;
  if (threads.empty() && !accepts) return kDead;
  const auto [it, added] =
      config_ids_.try_emplace({accepts, std::move(threads)}, static_cast<Config>(configs_.size()));
  if (added) {
    ConfigData data;
    data.threads = it->first.second;
    data.accepts = accepts;
    data.cost = accepts ? 0 : kImpossible;
    for (const Thread& thread : data.threads) data.cost = std::min(data.cost, thread_cost(thread));
    configs_.push_back(std::move(data));
  }
  return it->second;
}

Config Automaton::step(Config config, unsigned char byte) {
  if (config < 0) return kDead;
  ConfigData& data = configs_[index(config)];
  if (!data.next) {
    data.next = std::make_unique<std::array<Config, 256>>();
    data.next->fill(kUnknown);
  }
  const Config known = (*data.next)[byte];
  if (known != kUnknown) return known;
  for (const Thread& thread : data.threads) step_thread(thread, byte);
  const Config next = intern();  // may move configs_
  (*configs_[index(config)].next)[byte] = next;
  return next;
}

Config Automaton::run(Config config, std::string_view text) {
  for (const char c : text) {
    config = step(config, static_cast<unsigned char>(c));
    if (config < 0) break;
  }
  return config;
}

void Automaton::candidates(const Thread& thread, std::bitset<256>& out) const {
  const State& state = program_->states[thread.state];
  if (state.kind == State::Kind::item_loop) {
    out.set(','), out.set(']');
    return;
  }
  if (state.kind == State::Kind::member_end) out.set(','), out.set('}');
  for (std::uint32_t e = state.first_edge; e < state.end_edge; ++e) {
    const Edge& edge = program_->edges[e];
    if (edge.kind != Edge::Kind::byte) continue;
    for (unsigned b = edge.low; b <= edge.high; ++b) out.set(b);
  }
  if (state.kind != State::Kind::string) return;
  const StringBody& body = program_->strings[state.index];
  if (thread.partial != 0 || body.automaton.empty()) {
    out.set();
    return;
  }
  if (!body.raw) out.set('"'), out.set('\\');
  for (const auto& range : body.automaton.states[thread.counter].ranges) {
    for (std::uint32_t c = range.low; c <= std::min<std::uint32_t>(range.high, 0x7F); ++c) out.set(c);
    if (range.high < 0x80) continue;
    const auto lead = [](std::uint32_t c) {
      return c < 0x800 ? 0xC0 | (c >> 6) : c < 0x10000 ? 0xE0 | (c >> 12) : 0xF0 | (c >> 18);
    };
    for (std::uint32_t b = lead(std::max<std::uint32_t>(range.low, 0x80)); b <= lead(range.high); ++b)
      out.set(b);
  }
}

std::bitset<256> Automaton::next_bytes(Config config) {
  std::bitset<256> possible;
  if (config < 0) return possible;
  for (const Thread& thread : configs_[index(config)].threads) candidates(thread, possible);
  for (std::size_t b = 0; b < 256; ++b)
    if (possible[b] && step(config, static_cast<unsigned char>(b)) < 0) possible.reset(b);
  return possible;
}

std::string Automaton::shortest(Config config) {
  // Quotes first, then letters and digits, then the rest: an order that depends on nothing.
  static const std::array<unsigned char, 256> kOrder = [] {
    std::array<unsigned char, 256> order{};
    std::string first = "\"";
    for (char c = 'a'; c <= 'z'; ++c) first += c;
    for (char c = 'A'; c <= 'Z'; ++c) first += c;
    for (char c = '0'; c <= '9'; ++c) first += c;
    std::size_t n = 0;
    for (const char c : first) order[n++] = static_cast<unsigned char>(c);
    for (unsigned b = 0; b < 256; ++b)
      if (first.find(static_cast<char>(b)) == std::string::npos) order[n++] = static_cast<unsigned char>(b);
    return order;
  }();
  std::string out;
  while (config >= 0 && cost(config) > 0 && cost(config) < kReadOnlyCost) {
    std::bitset<256> possible;
    for (const Thread& thread : configs_[index(config)].threads) candidates(thread, possible);
    Config next = kDead;
    for (const unsigned char b : kOrder) {
      if (!possible[b]) continue;
      next = step(config, b);
      if (next >= 0 && cost(next) + 1 == cost(config)) {
        out += static_cast<char>(b);
        break;
      }
      next = kDead;
    }
    config = next;
  }
  return out;
}

std::string Automaton::forced(Config config, std::size_t limit) {
  std::string out;
  while (out.size() < limit && config >= 0 && !accepts(config)) {
    std::bitset<256> possible;
    for (const Thread& thread : configs_[index(config)].threads) candidates(thread, possible);
    int only = -1;
    for (std::size_t b = 0; b < 256 && only > -2; ++b)
      if (possible[b] && step(config, static_cast<unsigned char>(b)) >= 0)
        only = only == -1 ? static_cast<int>(b) : -2;
    if (only < 0) break;
    out += static_cast<char>(only);
    config = step(config, static_cast<unsigned char>(only));
  }
  return out;
}

Automaton::PlainString Automaton::plain_string(Config config) const noexcept {
  PlainString best;
  const ConfigData& data = configs_[index(config)];
  for (const Thread& thread : data.threads) {
    const State& state = program_->states[thread.state];
    if (state.kind != State::Kind::string || thread.partial != 0) continue;
    const StringBody& body = program_->strings[state.index];
    if (!body.automaton.empty() || body.raw) continue;
    const std::uint32_t free = body.max == kUnlimited ? kUnlimited : body.max - thread.counter;
    if (best.inside && best.free >= free) continue;
    best.inside = true;
    best.free = free;
    best.alone = data.threads.size() == 1;
    best.long_enough = thread.counter >= body.min;
  }
  return best;
}

bool Automaton::in_character(Config config) const noexcept {
  const auto& threads = configs_[index(config)].threads;
  return !threads.empty() && std::all_of(threads.begin(), threads.end(),
                                         [](const Thread& thread) { return thread.partial != 0; });
}

Config Automaton::compact(Config config) {
  std::vector<Frame> frames = std::move(frames_);
  const std::vector<Thread> threads = std::move(configs_[index(config)].threads);
  const bool accepts = configs_[index(config)].accepts;
  frames_.clear(), frame_ids_.clear(), configs_.clear(), config_ids_.clear();
  frames_.emplace_back();
  std::vector<bool> needed(frames.size(), false);
  for (const Thread& thread : threads) needed[thread.frame] = true;
  // A frame is made after its parents.
  for (std::size_t i = frames.size(); i-- > 0;)
    if (needed[i])
      for (const Link& link : frames[i].links) needed[link.parent] = true;
  std::vector<FrameId> ids(frames.size(), 0);
  for (std::size_t i = 1; i < frames.size(); ++i) {
    if (!needed[i]) continue;
    for (Link& link : frames[i].links) link.parent = ids[link.parent];
    std::sort(frames[i].links.begin(), frames[i].links.end());
    ids[i] = frame(std::move(frames[i].links));
  }
  push({program_->rules[program_->root].start, 0, 0, 0});
  start_ = intern();
  for (Thread thread : threads) {
    thread.frame = ids[thread.frame];
    pending_.push_back(thread);
  }
  pending_accepts_ = accepts;
  return intern();
}

}  // namespace qwen::constraints
