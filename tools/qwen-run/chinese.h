// The words of --help in Chinese.
#pragma once
#include <string>

namespace qwen_run {

// Whether messages are wanted in Chinese: LC_ALL, LC_MESSAGES or LANG begins with zh.
bool chinese_locale();
// A command's summary; "" if there is none.
std::string chinese_summary(const std::string& command);
// The description of an option, or a heading; the English text if it has no translation.
std::string chinese_option(const std::string& english);

}  // namespace qwen_run
