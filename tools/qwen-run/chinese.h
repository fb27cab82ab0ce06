// The overview of --help in Chinese.
#pragma once
#include <string>

namespace qwen_run {

// Whether messages are wanted in Chinese: LC_ALL, LC_MESSAGES or LANG begins with zh.
bool chinese_locale();
// A command's summary; "" if there is none.
std::string chinese_summary(const std::string& command);

}  // namespace qwen_run
