// How good a classifier is on texts whose labels are known.
#pragma once
#include <span>
#include <vector>

#include "qwen/classifier.h"
#include "qwen/export.h"

namespace qwen {

struct LabelEvaluation {                     // one label's part
  int texts = 0;                             // that have the label
  double precision = 0, recall = 0, f1 = 0;  // 0 where there is nothing to divide by
};

struct Evaluation {                     // of a classifier, on labelled texts
  int texts = 0, answered = 0;          // answered: neither unparsed nor abstained
  double accuracy = 0;                  // of all texts; no answer is a wrong one
  double macro_f1 = 0;                  // mean over the labels that occur
  std::vector<LabelEvaluation> labels;  // [labels]
  // [labels][labels + 1]: texts of the row's label that were answered with the column's; the last column:
  // none.
  std::vector<std::vector<int>> confusion;
  // With probabilities (score mode) only:
  bool scored = false;
  double calibration_error =
      0;                // ECE: mean |accuracy - confidence| over 15 bins of confidence, weighted by texts
  double log_loss = 0;  // mean -log(probability of the right label)
};

// `truth` are label indices. Error(invalid_argument) for lists of different length or labels out of range.
QWEN_API Evaluation evaluate(std::span<const Classification> results, std::span<const int> truth,
                             std::size_t labels);

}  // namespace qwen
