#include "qwen-run/chinese.h"

#include <cstdlib>
#include <string_view>

namespace qwen_run {
namespace {

struct Summary {
  std::string_view command;
  const char* text;
};

constexpr Summary kSummaries[] = {
    {"", "回答一条消息（默认）"},
    {"chat", "在终端里对话"},
    {"generate", "续写文本，不使用对话模板"},
    {"sentiment", "判断正面或负面，并给出概率"},
    {"analyze", "先判断情感，再回复"},
    {"task", "按名称运行任意任务：summary、intent 或自己写的任务（docs/tasks.md）"},
    {"classify", "用任意分类任务或 --labels 给文本打标签"},
    {"extract", "从文本中提取信息，输出符合任务格式的 JSON"},
    {"embed", "把文本转为向量，用于语义检索"},
    {"rerank", "按与查询的相关程度给文档打分，从高到低排列"},
    {"evaluate", "在已标注的文本上计算准确率、F1、混淆矩阵和校准误差"},
    {"calibrate", "用已标注的文本校准概率"},
    {"tasks", "列出所有任务，或查看一个任务"},
    {"tokenize", "文本转为 token id"},
    {"detokenize", "token id 转为文本"},
    {"apply-template", "查看对话模板渲染后的对话"},
    {"logits", "每个 token 的 logits（.npy），或最可能的后续 token"},
    {"perplexity", "模型对一段文本的困惑度"},
    {"info", "模型文件的内容和所需内存"},
    {"check-json", "检查 JSON 值是否符合 schema"},
    {"help", "查看一个命令的选项和示例"},
};

}  // namespace

bool chinese_locale() {
  for (const char* variable : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') return std::string_view(value).starts_with("zh");
  }
  return false;
}

std::string chinese_summary(const std::string& command) {
  for (const Summary& summary : kSummaries)
    if (summary.command == command) return summary.text;
  return "";
}

}  // namespace qwen_run
