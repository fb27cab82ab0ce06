#include "qwen-serve/label_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>

namespace qwen_serve {
namespace {

struct Labels {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& counters =
      prometheus::BuildCounter()
          .Name("qwen_labels_total")
          .Help("Texts that were classified, by task and label")
          .Register(registry);
};

Labels& labels() {
  static Labels all;
  return all;
}

}  // namespace

void count_label(const qwen::Task& task, const qwen::Classification& found, bool own_labels) {
  const bool other = own_labels || found.abstained || found.label < 0;
  const std::string label = other ? "other" : task.labels.at(static_cast<std::size_t>(found.label)).text;
  labels().counters.Add({{"task", own_labels ? "labels" : task.name}, {"label", label}}).Increment();
}

std::vector<prometheus::MetricFamily> collect_labels() {
  return labels().registry.Collect();
}

}  // namespace qwen_serve
