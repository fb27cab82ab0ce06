#include "common/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include "common/program.h"

namespace tools {
namespace {

constexpr const char* kOneOf = "one of\n";  // begins the name of a validator that lists the values

std::string value_text(const std::string& value) {
  return value;
}
std::string value_text(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}
template <std::integral T>
std::string value_text(T value) {
  return std::to_string(value);
}
template <class T>
std::string value_text(const std::optional<T>& value) {
  return value ? value_text(*value) : "";
}
template <class T>
std::string value_text(const std::vector<T>& values) {
  return values.empty() ? "" : value_text(values.front());
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// From CLI11's "Could not convert: --temp = abc".
std::string explain_conversion(const std::string& message) {
  const std::size_t name = message.find(": "), value = message.find(" = ");
  if (name == std::string::npos || value == std::string::npos || value < name) return one_line(message);
  return message.substr(name + 2, value - name - 2) + ": expected a number, found \"" +
         message.substr(value + 3) + "\"";
}

std::string check_range(double low, double high, std::string text) {
  double value = 0;
  if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) return "";
  char expected[80];
  const char* format = high >= kMaxInt ? "expected a number of %.15g or more, found "
                                       : "expected a number from %.15g to %.15g, found ";
  std::snprintf(expected, sizeof expected, format, low, high);
  return expected + ("\"" + text + "\"");
}

}  // namespace

Option Option::type(const char* name) const {
  option_->type_name(name);
  return *this;
}
Option Option::group(const char* name) const {
  option_->group(name);
  return *this;
}
Option Option::range(double low, double high) const {
  return check([=](const std::string& text) { return check_range(low, high, text); });
}
Option Option::one_of(std::initializer_list<const char*> values) const {
  const auto check = [allowed =
                          std::vector<std::string>(values.begin(), values.end())](const std::string& text) {
    if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return std::string();
    std::string list;
    for (const std::string& value : allowed) list += (list.empty() ? "" : ", ") + value;
    return "expected one of " + list + ", found \"" + text + "\"";
  };
  std::string name = kOneOf;  // for options()
  for (const char* value : values) name += std::string(value) + "\n";
  option_->check(CLI::Validator([check](std::string& text) { return check(text); }, "").name(name));
  return *this;
}
Option Option::check(std::function<std::string(const std::string&)> check) const {
  option_->check(CLI::Validator([check = std::move(check)](std::string& text) { return check(text); }, ""));
  return *this;
}
Option Option::excludes(Option other) const {
  option_->excludes(other.option_);
  return *this;
}
Option Option::needs(Option other) const {
  option_->needs(other.option_);
  return *this;
}
Option Option::required() const {
  option_->required();
  return *this;
}
Option Option::environment(const std::string& variable) const {
  option_->envname(variable);
  return *this;
}
Option Option::show_default() const {
  option_->capture_default_str();
  return *this;
}
Option Option::count(int values) const {
  option_->expected(values);
  return *this;
}
Option Option::comma_list() const {
  option_->delimiter(',');
  return *this;
}
Option Option::one_per_use() const {
  option_->allow_extra_args(false);
  return *this;
}

bool Option::given() const {
  return option_->count() > 0;
}
bool Option::on_command_line() const {
  const char* variable = std::getenv(option_->get_envname().c_str());
  return given() && !(variable != nullptr && option_->results().front() == variable);
}

std::string Option::origin() const {
  if (option_ == nullptr) return "";
  if (given()) return on_command_line() ? "" : " (from the variable " + option_->get_envname() + ")";
  return option_->get_default_str().empty() ? "" : " (from the config file)";
}

CommandLine::CommandLine() : app_(std::make_unique<CLI::App>()) {
  app_->set_help_flag("-h,--help", "This help");
  app_->set_version_flag("--version", version_text(), "Version, compiler and build type");
}
CommandLine::~CommandLine() = default;
CommandLine::CommandLine(CommandLine&&) noexcept = default;
CommandLine& CommandLine::operator=(CommandLine&&) noexcept = default;

template <class T>
Option CommandLine::add_value(const char* names, T& value, const std::string& help) {
  CLI::Option* option = app_->add_option(names, value, help);
  values_[option] = [&value] { return value_text(value); };
  return Option(option);
}

#define ADD(type)                                                                    \
  Option CommandLine::add(const char* names, type& value, const std::string& help) { \
    return add_value(names, value, help);                                            \
  }
ADD(std::string)
ADD(int)
ADD(double)
ADD(std::optional<std::string>)
ADD(std::optional<int>)
ADD(std::optional<float>)
ADD(std::optional<std::uint64_t>)
ADD(std::vector<std::string>)
ADD(std::vector<int>)
#undef ADD

Option CommandLine::add(const char* names, const std::string& help) {
  return Option(app_->add_option(names, CLI::callback_t([](const CLI::results_t&) { return true; }), help));
}

Option CommandLine::add_flag(const char* names, bool& value, const std::string& help) {
  CLI::Option* option = app_->add_flag(names, value, help);
  values_[option] = [&value] { return std::string(value ? "true" : "false"); };
  return Option(option);
}

bool CommandLine::has(const std::string& name) const {
  return app_->get_option_no_throw(name) != nullptr;
}

bool CommandLine::given(const std::string& name) const {
  const CLI::Option* option = app_->get_option_no_throw(name);
  return option && option->count() > 0;
}

bool CommandLine::takes_value(const std::string& name) const {
  const CLI::Option* option = app_->get_option_no_throw(name);
  return option && option->get_items_expected_min() > 0;
}

void CommandLine::set_environment(const std::string& name, const std::string& variable) {
  CLI::Option* option = app_->get_option_no_throw(name);
  if (option && option->get_envname().empty()) option->envname(variable);
}

void CommandLine::set_default(const std::string& name, const std::string& value) {
  CLI::Option* option = app_->get_option(name);
  try {
    option->run_callback_for_default();
    option->default_val(value);
  } catch (const CLI::ConversionError&) {
    throw UsageError("expected a number, found \"" + value + "\"");
  } catch (const CLI::Error& error) {  // "--port: expected ..."
    const std::string message = one_line(error.what());
    const std::size_t colon = message.find(": ");
    throw UsageError(message.rfind("--", 0) == 0 && colon != std::string::npos ? message.substr(colon + 2)
                                                                               : message);
  }
}

CommandLine::Result CommandLine::parse(std::vector<std::string> arguments, std::vector<std::string>* extras) {
  app_->allow_extras(extras != nullptr);
  // An error names the option: " (from the variable X)" if its value is not among the arguments.
  const auto origin = [&](const std::string& message) {
    const std::string name = message.substr(0, message.find(':'));
    const CLI::Option* option = app_->get_option_no_throw(name);
    if (option == nullptr || option->get_envname().empty()) return std::string();
    for (const std::string& argument : arguments_)
      if (argument == name || argument.starts_with(name + "=")) return std::string();
    for (const std::string& argument : arguments_)
      for (const std::string& letter : option->get_snames())
        if (argument.starts_with("-" + letter)) return std::string();
    return std::getenv(option->get_envname().c_str()) != nullptr
               ? " (from the variable " + option->get_envname() + ")"
               : std::string();
  };
  arguments_ = arguments;
  std::reverse(arguments.begin(), arguments.end());  // CLI11 expects the last argument first
  try {
    app_->parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return Result::help;
  } catch (const CLI::CallForVersion&) {
    return Result::version;
  } catch (const CLI::ConversionError& error) {
    const std::string message = explain_conversion(error.what());
    throw UsageError(message + origin(message));
  } catch (const CLI::ParseError& error) {
    const std::string message = one_line(error.what());
    throw UsageError(message + origin(message));
  }
  if (extras) {
    *extras = app_->remaining();
    std::erase(*extras, "--");  // CLI11 keeps the separator
  }
  return Result::run;
}

std::vector<OptionInfo> CommandLine::options() const {
  std::vector<OptionInfo> out;
  for (const std::string& group : app_->get_groups()) {
    for (const CLI::Option* option : std::as_const(*app_).get_options(
             [&](const CLI::Option* o) { return o->get_group() == group && o->nonpositional(); })) {
      OptionInfo info;
      for (const std::string& name : option->get_snames()) info.names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) info.names.push_back("--" + name);
      if (option->get_items_expected_max() > 0) info.type = option->get_type_name();
      info.description = option->get_description();
      info.group = group;
      const auto value_of = values_.find(option);
      if (value_of != values_.end()) info.value = value_of->second();
      std::string name;
      try {
        const CLI::Validator& validator = *const_cast<CLI::Option*>(option)->get_validator(0);
        name = validator.get_name();
        if (!validator(std::as_const(info.value)).empty()) info.value.clear();  // 0 for "not given"
      } catch (const CLI::OptionNotFound&) {                                    // it has none
      }
      if (name.starts_with(kOneOf))
        for (std::size_t at = std::strlen(kOneOf), end; (end = name.find('\n', at)) != std::string::npos;
             at = end + 1)
          info.values.push_back(name.substr(at, end - at));
      info.set = option->count() > 0 || !option->get_default_str().empty();
      out.push_back(std::move(info));
    }
  }
  return out;
}

void CommandLine::translate(const std::function<std::string(const std::string&)>& words) {
  app_->get_formatter()->label("Positionals", words("Positionals"));
  for (CLI::Option* option : app_->get_options()) {
    option->description(words(option->get_description()));
    option->group(words(option->get_group()));
  }
}

std::string CommandLine::option_help() const {
  std::string text = app_->help();
  for (std::size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
  // CLI11's usage line goes before the first heading.
  const std::size_t heading = text.find(":\n");
  if (heading != std::string::npos) text.erase(0, text.rfind('\n', heading) + 1);
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace tools
