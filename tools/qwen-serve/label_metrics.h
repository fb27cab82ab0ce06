// qwen_labels_total: classified texts by task and label.
#pragma once
#include <prometheus/metric_family.h>

#include <vector>

#include "qwen/classifier.h"

namespace qwen_serve {

// Counts a text in this process. The label is one of the task's, or "other" for abstentions; `own_labels`: the labels
// came with the request, and their texts are never used. So the number of time series is bounded.
void count_label(const qwen::Task& task, const qwen::Classification& found, bool own_labels);
// For /metrics.
std::vector<prometheus::MetricFamily> collect_labels();

}  // namespace qwen_serve
