// Log-probabilities of continuations: each node of their tree is one row of a pass, behind a copy of the prompt.
#include <algorithm>
#include <cmath>

#include "runtime/engine_core.h"
#include "runtime/token_logprobs.h"

namespace qwen::runtime {

void EngineCore::start_scoring(Running& running) {
  running.stage = Stage::scoring;
  running.request->draft.scores.assign(running.request->continuations->sequences().size(), 0);
  const Branch root{0, 0.0, nullptr, running.sequence};
  score_children(running, root, nullptr);
  if (running.branches.empty()) end(running, FinishReason::length);
}

// Starts as many nodes as the pass and the KV limit have room for. A node is a copy of its parent's sequence, of which
// at most one page is its own.
void EngineCore::start_branches() {
  int left = kMaxBranches;
  for (const auto& running : running_) {
    if (running->stage != Stage::scoring) continue;
    int count = std::min(left, static_cast<int>(running->branches.size()));
    if (count > 1) {
      pages_.clear();
      add_pages(pages_);
      const std::size_t wanted = static_cast<std::size_t>(count) * prefixes_.page_bytes();
      const std::size_t used = prefixes_.evict_to(pages_, kv_limit_ > wanted ? kv_limit_ - wanted : 0);
      const std::size_t room = used < kv_limit_ ? (kv_limit_ - used) / prefixes_.page_bytes() : 0;
      count = std::clamp(static_cast<int>(std::min<std::size_t>(room, kMaxBranches)), 1, count);
    }
    // One node of each request at least, so that none waits for another.
    count = std::max(count, 1);
    for (; count > 0 && !running->branches.empty(); --count, --left) {
      Branch branch = std::move(running->branches.back());
      running->branches.pop_back();
      branch.sequence = std::make_shared<Sequence>(*branch.from);
      running->active.push_back(std::move(branch));
    }
    left = std::max(left, 0);
  }
}

// `logits` [vocab_size] follow the branch's token; null if all continuations pass through it: the normalizer is common
// to all of them then and is left out, and only the children's rows of the head are computed.
void EngineCore::score_children(Running& running, const Branch& branch, const float* logits) {
  const auto& nodes = running.request->tree().nodes;
  const TokenTree::Node& node = nodes[static_cast<std::size_t>(branch.node)];
  std::vector<Token> tokens;
  for (const int child : node.children) tokens.push_back(nodes[static_cast<std::size_t>(child)].token);
  std::vector<float> values(tokens.size());
  double normalizer = 0;
  if (logits != nullptr) {
    for (std::size_t i = 0; i < tokens.size(); ++i) values[i] = logits[tokens[i]];
    normalizer = log_sum_exp({logits, static_cast<std::size_t>(model.tokenizer().size())});
  } else {
    executor_->logits_for(branch.sequence->hidden.data(), tokens, values.data());
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const TokenTree::Node& child = nodes[static_cast<std::size_t>(node.children[i])];
    const double score = branch.score + (static_cast<double>(values[i]) - normalizer);
    if (child.ending >= 0) running.request->draft.scores[static_cast<std::size_t>(child.ending)] = score;
    if (!child.children.empty()) running.branches.push_back({node.children[i], score, branch.sequence});
  }
}

// The nodes of this pass are computed; logits[i] are those of running.active[i], null if it asked for none.
void EngineCore::finish_branches(Running& running, std::span<const float* const> logits) {
  for (std::size_t i = 0; i < running.active.size(); ++i)
    score_children(running, running.active[i], logits[i]);
  running.active.clear();
  if (running.branches.empty()) end(running, FinishReason::length);
}

}  // namespace qwen::runtime
