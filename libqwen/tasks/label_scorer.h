// The log-probabilities of all labels after a prompt, through a trie of their tokens.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "qwen/session.h"
#include "qwen/task.h"

namespace qwen::tasks {

// Sessions to work with, made when first needed and used again.
class SessionPool {
 public:
  SessionPool(Model model, const SessionOptions& options) : model_(std::move(model)), options_(options) {}
  Session& at(std::size_t index) {
    while (sessions_.size() <= index) sessions_.push_back(std::make_unique<Session>(model_, options_));
    return *sessions_[index];
  }

 private:
  Model model_;
  SessionOptions options_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

class LabelScorer {
 public:
  // Error(invalid_argument) for labels that are the same tokens.
  LabelScorer(const Model& model, const Task& task, const SessionOptions& options);

  const std::vector<std::vector<Token>>& sequences() const noexcept { return sequences_; }
  int depth() const noexcept { return depth_; }  // tokens of the longest sequence

  // Each session holds a prompt, its last token just computed; it stays as it is. Scores by prompt and label.
  std::vector<std::vector<double>> score(std::span<Session* const> prompts);

 private:
  struct Node {
    Token token = 0;
    int label = -1;  // the sequence that ends here
    int labels = 0;  // sequences that pass through or end here
    std::vector<int> children;
  };
  // A node of the trie behind one of the prompts; `session` has computed it.
  struct Place {
    std::size_t prompt;
    int node;
    double score;
    Session* session;
    std::span<const float> logits;  // [vocab] below the root
  };
  void add(const std::vector<Token>& sequence, int label);
  std::vector<double> log_probabilities(const Place& place) const;
  // Computes the nodes below, a few at a time; `places` are theirs.
  void expand(std::vector<Place> places, std::size_t used, std::vector<std::vector<double>>& scores);

  std::vector<std::vector<Token>> sequences_;  // [labels]
  std::vector<Node> nodes_;                    // [0] is the root
  int depth_ = 0;
  SessionPool pool_;
};

}  // namespace qwen::tasks
