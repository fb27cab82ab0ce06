#include "tasks/label_scorer.h"

#include <algorithm>
#include <cmath>

#include "qwen/prefix_cache.h"
#include "tasks/errors.h"

namespace qwen::tasks {
namespace {

// Rows of logits of the whole vocabulary that are held at once.
constexpr std::size_t kMaxRows = 16;

// What the model would write after the prompt: the turn rendered with the answer, less the turn without it.
// The border is the tokeniser's business: a vocabulary may treat the beginning of a text apart.
std::vector<Token> answer_tokens(const Model& model, const Task& task, const std::string& label) {
  const ChatTemplate& chat = model.chat_template();
  std::vector<Message> messages = task.messages("");
  const std::vector<Token> prompt = chat.render(messages);
  messages.push_back({"assistant", label});
  ChatTemplate::RenderOptions options;
  options.add_generation_prompt = false;
  const std::vector<Token> whole = chat.render(messages, options);
  if (common_prefix(prompt, whole) == static_cast<int>(prompt.size())) {
    const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(prompt.size());
    const auto end = std::find(begin, whole.end(), chat.end_of_turn().front());
    if (begin < end) return {begin, end};
  }
  return model.tokenizer().encode(label);
}

bool begins(const std::vector<Token>& whole, const std::vector<Token>& part) {
  return part.size() < whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

double log_sum_exp(std::span<const float> logits) {
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

}  // namespace

LabelScorer::LabelScorer(const Model& model, const Task& task, const SessionOptions& options)
    : nodes_(1), pool_(model, options) {
  std::vector<std::vector<Token>> answers;
  for (const TaskLabel& label : task.labels) answers.push_back(answer_tokens(model, task, label.text));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k)
      if (answers[k] == answers[i])
        fail(ErrorCode::invalid_argument, "task ", task.name, ": the labels ", quote(task.labels[k].text),
             " and ", quote(task.labels[i].text), " are the same tokens");
    sequences_.push_back(answers[i]);
    const auto extends = [&](const std::vector<Token>& other) { return begins(other, answers[i]); };
    if (std::any_of(answers.begin(), answers.end(), extends))
      sequences_.back().push_back(model.chat_template().end_of_turn().front());
    add(sequences_.back(), static_cast<int>(i));
    depth_ = std::max(depth_, static_cast<int>(sequences_.back().size()));
  }
}

void LabelScorer::add(const std::vector<Token>& sequence, int label) {
  std::size_t at = 0;
  ++nodes_[at].labels;
  for (const Token token : sequence) {
    const auto& children = nodes_[at].children;
    const auto is_it = [&](int child) { return nodes_[static_cast<std::size_t>(child)].token == token; };
    const auto found = std::find_if(children.begin(), children.end(), is_it);
    std::size_t next = nodes_.size();
    if (found != children.end()) {
      next = static_cast<std::size_t>(*found);
    } else {
      nodes_[at].children.push_back(static_cast<int>(next));
      nodes_.push_back({token, -1, 0, {}});
    }
    at = next;
    ++nodes_[at].labels;
  }
  nodes_[at].label = label;
}

// Of the node's children, in order. Where every label passes through the node, its normaliser is common to
// all and is left out: for labels of one token each, the rows of the head for these tokens are all that is
// computed.
std::vector<double> LabelScorer::log_probabilities(const Place& place) const {
  const Node& node = nodes_[static_cast<std::size_t>(place.node)];
  std::vector<Token> tokens;
  for (const int child : node.children) tokens.push_back(nodes_[static_cast<std::size_t>(child)].token);
  std::vector<float> logits(tokens.size());
  place.session->logits_for(tokens, logits);
  const bool common = node.labels == static_cast<int>(sequences_.size());
  const double normaliser = common ? 0 : log_sum_exp(place.logits);
  std::vector<double> out;
  for (const float logit : logits) out.push_back(static_cast<double>(logit) - normaliser);
  return out;
}

std::vector<std::vector<double>> LabelScorer::score(std::span<Session* const> prompts) {
  std::vector<std::vector<double>> scores(prompts.size(), std::vector<double>(sequences_.size()));
  std::vector<Place> roots;
  for (std::size_t i = 0; i < prompts.size(); ++i) roots.push_back({i, 0, 0.0, prompts[i], {}});
  expand(std::move(roots), 0, scores);
  return scores;
}

void LabelScorer::expand(std::vector<Place> places, std::size_t used,
                         std::vector<std::vector<double>>& scores) {
  std::vector<Place> next;  // their sessions are still their parents'
  for (const Place& place : places) {
    const Node& node = nodes_[static_cast<std::size_t>(place.node)];
    const std::vector<double> logprobs = log_probabilities(place);
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      const Node& child = nodes_[static_cast<std::size_t>(node.children[i])];
      const double score = place.score + logprobs[i];
      if (child.label >= 0) scores[place.prompt][static_cast<std::size_t>(child.label)] = score;
      if (!child.children.empty()) next.push_back({place.prompt, node.children[i], score, place.session, {}});
    }
  }
  for (std::size_t begin = 0; begin < next.size(); begin += kMaxRows) {
    const std::size_t count = std::min(kMaxRows, next.size() - begin);
    std::vector<Place> group(next.begin() + static_cast<std::ptrdiff_t>(begin),
                             next.begin() + static_cast<std::ptrdiff_t>(begin + count));
    std::vector<Session::BatchItem> items;
    for (std::size_t i = 0; i < count; ++i) {
      Session& session = pool_.at(used + i);
      session.restore(group[i].session->snapshot());
      group[i].session = &session;
      items.push_back({&session, {&nodes_[static_cast<std::size_t>(group[i].node)].token, 1}, true, {}});
    }
    Session::forward_batch(items);
    for (std::size_t i = 0; i < count; ++i) group[i].logits = items[i].logits;
    expand(std::move(group), used + count, scores);
  }
}

}  // namespace qwen::tasks
