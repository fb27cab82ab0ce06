// From scores to probabilities.
#pragma once
#include <span>
#include <vector>

#include "qwen/classifier.h"

namespace qwen::tasks {

std::vector<double> softmax(std::span<const double> scores);
// Fills label, probabilities, logprobs, margin and abstained from `scores`.
void decide(Classification& result, const Calibration* calibration, double abstain_below);

}  // namespace qwen::tasks
