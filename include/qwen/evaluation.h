// Quality of a classifier on texts with known labels.
#pragma once
#include <span>
#include <vector>

#include "qwen/classifier.h"
#include "qwen/export.h"

namespace qwen {

// Quality of the answers for one label.
struct LabelEvaluation {
  int texts = 0;                             // with this label
  double precision = 0, recall = 0, f1 = 0;  // 0 if undefined
};

// Quality of the answers for all texts.
struct Evaluation {
  int texts = 0;                        // all
  int answered = 0;                     // with a label, not abstained
  double accuracy = 0;                  // of all texts; no answer counts as wrong
  double macro_f1 = 0;                  // mean over the labels that occur
  std::vector<LabelEvaluation> labels;  // [labels]
  // [labels][labels + 1]: texts with the row's label that were answered with the column's; last column: not answered.
  std::vector<std::vector<int>> confusion;
  bool scored = false;  // the results have probabilities (score mode); else the rest is 0
  // ECE: mean |accuracy - confidence| over 15 bins of confidence, weighted by texts.
  double calibration_error = 0;
  double log_loss = 0;  // mean -log(probability of the right label)
};

// Compares results with the right label indices, `truth` [results], of a task with this many labels.
// Throws Error(invalid_argument) for lists of different length or labels out of range.
QWEN_API Evaluation evaluate(std::span<const Classification> results, std::span<const int> truth,
                             std::size_t labels);

}  // namespace qwen
