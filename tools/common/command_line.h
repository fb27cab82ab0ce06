// Command-line options. command_line.cpp alone includes CLI11, whose headers take seconds to compile.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tools {

inline constexpr double kMaxInt = 2147483647;

// One option of a CommandLine. Copies refer to the same option. The functions that return Option can be chained.
class Option {
 public:
  Option() = default;
  explicit Option(CLI::Option* option) : option_(option) {}

  Option type(const char* name) const;   // what the help shows for the value
  Option group(const char* name) const;  // heading in the help
  Option range(double low, double high) const;
  Option one_of(std::initializer_list<const char*> values) const;
  // `check` returns an error message, or "" if the value is valid.
  Option check(std::function<std::string(const std::string&)> check) const;
  Option excludes(Option other) const;
  Option needs(Option other) const;
  Option required() const;
  Option environment(const std::string& variable) const;
  Option show_default() const;
  Option count(int values) const;  // exactly this many values
  Option comma_list() const;       // values may be separated by commas
  Option one_per_use() const;      // repeatable, one value each time: the next argument may be a positional

  bool given() const;  // on the command line or in the environment
  bool on_command_line() const;
  // Where the value came from: "" for the command line and for defaults, " (from the variable X)", " (from the config file)".
  std::string origin() const;

 private:
  CLI::Option* option_ = nullptr;
};

// What the help says about an option.
struct OptionInfo {
  std::vector<std::string> names;  // "-m", "--model"
  std::string type;                // of the value; "" for a flag
  std::string description, group;
  std::vector<std::string> values;  // of one_of()
  // The first value as text: given, else the default, "" if there is none.
  std::string value;
  bool set = false;  // by the command line, the environment or config.yaml
};

// The options of one command, with -h, --help and --version. add() stores values in variables that must outlive the object.
class CommandLine {
 public:
  CommandLine();
  ~CommandLine();
  CommandLine(CommandLine&&) noexcept;
  CommandLine& operator=(CommandLine&&) noexcept;

  // `names`: "-m,--model", or "TEXT" for a positional argument.
  Option add(const char* names, std::string& value, const std::string& help);
  Option add(const char* names, int& value, const std::string& help);
  Option add(const char* names, double& value, const std::string& help);
  Option add(const char* names, std::optional<std::string>& value, const std::string& help);
  Option add(const char* names, std::optional<int>& value, const std::string& help);
  Option add(const char* names, std::optional<float>& value, const std::string& help);
  Option add(const char* names, std::optional<std::uint64_t>& value, const std::string& help);
  Option add(const char* names, std::vector<std::string>& value, const std::string& help);
  Option add(const char* names, std::vector<int>& value, const std::string& help);
  Option add(const char* names, const std::string& help);  // a value that the caller reads from the arguments
  Option add_flag(const char* names, bool& value, const std::string& help);

  bool has(const std::string& name) const;
  bool given(const std::string& name) const;  // as Option::given()
  // Whether the option exists and uses the next argument as its value.
  bool takes_value(const std::string& name) const;
  // Does nothing if there is no such option, or if it has a variable already.
  void set_environment(const std::string& name, const std::string& variable);
  // Throws UsageError with the reason if the option refuses the value.
  void set_default(const std::string& name, const std::string& value);

  enum class Result { run, help, version };
  // `extras` receives the arguments that belong to no option; without it they are errors. Throws UsageError with a one-line
  // message.
  Result parse(std::vector<std::string> arguments, std::vector<std::string>* extras = nullptr);
  // All but positional arguments, in the order of option_help().
  std::vector<OptionInfo> options() const;
  // Replaces the descriptions and headings of the help. Call it after all options have been added.
  void translate(const std::function<std::string(const std::string&)>& words);
  // Positional arguments and options, by group.
  std::string option_help() const;

 private:
  template <class T>
  Option add_value(const char* names, T& value, const std::string& help);

  std::unique_ptr<CLI::App> app_;
  std::map<const CLI::Option*, std::function<std::string()>> values_;  // the variables, as text
  std::vector<std::string> arguments_;                                 // of the last parse()
};

}  // namespace tools
