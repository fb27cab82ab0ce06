#include "qwen/evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/fail.h"

namespace qwen {
namespace {

constexpr std::size_t kBins = 15;

struct Bin {
  int texts = 0, right = 0;
  double confidence = 0;
};

double ratio(double a, double b) {
  return b > 0 ? a / b : 0;
}

void add_labels(Evaluation& out) {
  const std::size_t count = out.confusion.size();
  int occurring = 0, right = 0;
  for (std::size_t k = 0; k < count; ++k) {
    LabelEvaluation label;
    int answered = 0;
    for (const int n : out.confusion[k]) label.texts += n;
    for (std::size_t i = 0; i < count; ++i) answered += out.confusion[i][k];
    const int hits = out.confusion[k][k];
    label.precision = ratio(hits, answered);
    label.recall = ratio(hits, label.texts);
    label.f1 = ratio(2.0 * hits, answered + label.texts);
    occurring += label.texts > 0;
    right += hits;
    if (label.texts > 0) out.macro_f1 += label.f1;
    out.labels.push_back(label);
  }
  out.macro_f1 = ratio(out.macro_f1, occurring);
  out.accuracy = ratio(right, out.texts);
}

}  // namespace

Evaluation evaluate(std::span<const Classification> results, std::span<const int> truth, std::size_t labels) {
  if (results.size() != truth.size())
    fail(ErrorCode::invalid_argument, "evaluate: expected a label for each of ", results.size(),
         " texts, found ", truth.size());
  Evaluation out;
  out.texts = static_cast<int>(results.size());
  out.confusion.assign(labels, std::vector<int>(labels + 1));
  std::array<Bin, kBins> bins{};
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Classification& result = results[i];
    const bool inside = truth[i] >= 0 && truth[i] < static_cast<int>(labels);
    if (!inside || result.label >= static_cast<int>(labels))
      fail(ErrorCode::invalid_argument, "evaluate: text ", i + 1, " has no label of the ", labels);
    const auto right = static_cast<std::size_t>(truth[i]);
    const bool answered = result.label >= 0 && !result.abstained;
    out.answered += answered;
    ++out.confusion[right][answered ? static_cast<std::size_t>(result.label) : labels];
    if (result.probabilities.empty()) continue;
    out.scored = true;
    const double confidence = result.probabilities[static_cast<std::size_t>(result.label)];
    Bin& bin = bins[std::min(kBins - 1, static_cast<std::size_t>(confidence * kBins))];
    ++bin.texts;
    bin.right += result.label == truth[i];
    bin.confidence += confidence;
    out.log_loss -=
        std::log(std::max(result.probabilities[right], 1e-300)) / static_cast<double>(results.size());
  }
  for (const Bin& bin : bins) out.calibration_error += ratio(std::abs(bin.right - bin.confidence), out.texts);
  add_labels(out);
  return out;
}

}  // namespace qwen
