#include "tasks/calibration.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "base/fail.h"

namespace qwen {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kMinSharpness = 1e-2, kMaxSharpness = 1e2;  // 1 / temperature
constexpr double kPull = 1;  // weight of the pull to sharpness 1 and offsets 0, in texts

// The log loss of labeled scores under softmax(sharpness * score + offset). Parameters: sharpness, then the
// offsets if they are fitted. Convex: the exponent is linear in them.
class LogLoss {
 public:
  LogLoss(MatrixXd scores, std::vector<int> labels, bool offsets)
      : scores_(std::move(scores)), labels_(std::move(labels)), offsets_(offsets) {}

  Eigen::Index parameters() const { return 1 + (offsets_ ? scores_.cols() : 0); }

  double value(const VectorXd& at) const {
    double loss = 0.5 * kPull * pulled(at).squaredNorm();
    for (Eigen::Index i = 0; i < scores_.rows(); ++i) {
      const VectorXd z = exponents(at, i);
      const double largest = z.maxCoeff();
      loss += largest + std::log((z.array() - largest).exp().sum()) - z[labels_[static_cast<std::size_t>(i)]];
    }
    return loss;
  }

  // Each label's exponent has the derivatives: its score, and 1 for its own offset. The cost is that of one product
  // [labels, texts] x [texts, labels].
  void derivatives(const VectorXd& at, VectorXd& gradient, MatrixXd& hessian) const {
    const Eigen::Index labels = scores_.cols();
    MatrixXd p(scores_.rows(), labels);
    gradient = kPull * pulled(at);
    hessian = kPull * MatrixXd::Identity(parameters(), parameters());
    for (Eigen::Index i = 0; i < scores_.rows(); ++i) {
      VectorXd row = exponents(at, i);
      row = (row.array() - row.maxCoeff()).exp();
      p.row(i) = row.transpose() / row.sum();
      const auto label = static_cast<Eigen::Index>(labels_[static_cast<std::size_t>(i)]);
      gradient[0] -= scores_(i, label);
      if (offsets_) gradient[1 + label] -= 1;
    }
    const MatrixXd weighted = p.cwiseProduct(scores_);
    const VectorXd mean = weighted.rowwise().sum();  // [texts] expected score
    gradient[0] += mean.sum();
    hessian(0, 0) += weighted.cwiseProduct(scores_).sum() - mean.squaredNorm();
    if (!offsets_) return;
    const VectorXd total = p.colwise().sum().transpose();
    gradient.tail(labels) += total;
    const VectorXd cross = weighted.colwise().sum().transpose() - p.transpose() * mean;
    hessian.block(1, 0, labels, 1) += cross;
    hessian.block(0, 1, 1, labels) += cross.transpose();
    hessian.bottomRightCorner(labels, labels) -= p.transpose() * p;
    hessian.bottomRightCorner(labels, labels).diagonal() += total;
  }

 private:
  VectorXd exponents(const VectorXd& at, Eigen::Index i) const {
    VectorXd z = at[0] * scores_.row(i).transpose();
    if (offsets_) z += at.tail(scores_.cols());
    return z;
  }
  static VectorXd pulled(VectorXd at) {
    at[0] -= 1;
    return at;
  }
  MatrixXd scores_;  // [texts, labels]
  std::vector<int> labels_;
  bool offsets_;
};

VectorXd minimize(const LogLoss& loss) {
  VectorXd at = VectorXd::Zero(loss.parameters()), gradient;
  MatrixXd hessian;
  at[0] = 1;
  double value = loss.value(at);
  for (int step = 0; step < 100; ++step) {
    loss.derivatives(at, gradient, hessian);
    const VectorXd direction = hessian.ldlt().solve(-gradient);
    const double slope = gradient.dot(direction);
    if (!(slope < -1e-10)) break;
    double length = 1;
    VectorXd tried = at + direction;
    // Newton's step, halved until the loss decreases as the slope predicts.
    while (length > 1e-8 && !(loss.value(tried) <= value + 1e-4 * length * slope)) {
      length *= 0.5;
      tried = at + length * direction;
    }
    if (length <= 1e-8) break;
    at = tried;
    value = loss.value(at);
  }
  return at;
}

}  // namespace

Calibration fit_calibration(std::span<const Classification> results, std::span<const int> labels,
                            bool offsets) {
  if (results.size() != labels.size() || results.size() < 2)
    fail(ErrorCode::invalid_argument, "calibration: expected at least 2 texts with a label each, found ",
         std::min(results.size(), labels.size()));
  const std::size_t count = results[0].scores.size();
  MatrixXd scores(static_cast<Eigen::Index>(results.size()), static_cast<Eigen::Index>(count));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].scores.size() != count || count == 0 || labels[i] < 0 ||
        labels[i] >= static_cast<int>(count))
      fail(ErrorCode::invalid_argument, "calibration: text ", i + 1,
           " has no scores, or no label of the task");
    // A constant of each text changes nothing; without it the numbers stay small.
    const double largest = *std::max_element(results[i].scores.begin(), results[i].scores.end());
    for (std::size_t k = 0; k < count; ++k)
      scores(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)) = results[i].scores[k] - largest;
  }
  const VectorXd at = minimize(LogLoss(std::move(scores), {labels.begin(), labels.end()}, offsets));
  Calibration calibration;
  calibration.temperature = 1 / std::clamp(at[0], kMinSharpness, kMaxSharpness);
  if (offsets) calibration.offsets.assign(at.data() + 1, at.data() + at.size());
  calibration.examples = static_cast<int>(results.size());
  return calibration;
}

std::vector<double> apply_calibration(std::span<const double> scores, const Calibration& calibration) {
  std::vector<double> exponents(scores.begin(), scores.end());
  for (std::size_t i = 0; i < exponents.size(); ++i) {
    exponents[i] /= calibration.temperature;
    if (!calibration.offsets.empty()) exponents[i] += calibration.offsets.at(i);
  }
  return tasks::softmax(exponents);
}

namespace tasks {

std::vector<double> softmax(std::span<const double> scores) {
  std::vector<double> out(scores.begin(), scores.end());
  const double largest = *std::max_element(out.begin(), out.end());
  double sum = 0;
  for (double& value : out) sum += value = std::exp(value - largest);
  for (double& value : out) value /= sum;
  return out;
}

void decide(Classification& result, const Calibration* calibration, double abstain_below) {
  result.probabilities =
      calibration ? apply_calibration(result.scores, *calibration) : softmax(result.scores);
  result.logprobs.clear();
  for (const double p : result.probabilities) result.logprobs.push_back(std::log(p));
  const auto best = std::max_element(result.probabilities.begin(), result.probabilities.end());
  result.label = static_cast<int>(best - result.probabilities.begin());
  double second = 0;
  for (auto it = result.probabilities.begin(); it != result.probabilities.end(); ++it)
    if (it != best) second = std::max(second, *it);
  result.margin = *best - second;
  result.abstained = *best < abstain_below;
}

}  // namespace tasks
}  // namespace qwen
