// A task of one's own, as YAML, and one whose labels are only known now. docs/tasks.md lists the keys.
#include <qwen/qwen.h>

#include <iostream>

int main() {
  const qwen::Model model = qwen::Model::builtin();

  const qwen::Task review = qwen::Task::parse(R"(
name: review
kind: classify
system: "判断评论的情感，只回答：正面或负面。"
template: "评论：{text}"
labels:
  - {text: "正面", display: "recommended"}
  - {text: "负面", display: "not recommended"}
)",
                                              "review.yaml");
  qwen::Classifier by_task(model, review);
  for (const char* text : {"书很好看，物流也快，五星好评！", "外卖送了两个小时，菜都凉了"}) {
    const qwen::Classification found = by_task.classify(text);
    std::cout << text << " -> " << review.labels[static_cast<std::size_t>(found.label)].display << '\n';
  }

  qwen::Classifier by_labels(model, qwen::Task::for_labels({"酒店", "书", "外卖"}));
  const qwen::Classification kind = by_labels.classify("房间很干净");
  std::cout << kind.probabilities.size() << " labels, margin " << kind.margin << '\n';
}
