#include "common/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "common/completion.h"
#include "common/output.h"
#include "common/program.h"

namespace tools {
namespace {

struct Key {
  const char* name;
  const char* option;  // in the programs that have it
  enum { value, path, name_or_path } kind = value;
};

// "cache.entries" is the key `entries` of the mapping `cache`.
constexpr Key kKeys[] = {
    {"model", "--model", Key::path},
    {"threads", "--threads"},
    {"pin_threads", "--pin-threads"},
    {"exact", "--exact"},
    {"quantize", "--quantize"},
    {"rope_scaling", "--rope-scaling"},
    {"rope_scale", "--rope-scale"},
    {"rope_freq_base", "--rope-freq-base"},
    {"rope_freq_scale", "--rope-freq-scale"},
    {"yarn_orig_ctx", "--yarn-orig-ctx"},
    {"yarn_ext_factor", "--yarn-ext-factor"},
    {"yarn_attn_factor", "--yarn-attn-factor"},
    {"yarn_beta_fast", "--yarn-beta-fast"},
    {"yarn_beta_slow", "--yarn-beta-slow"},
    {"encoding", "--encoding"},
    {"chat_template", "--chat-template", Key::name_or_path},
    {"context", "--ctx-size"},
    {"batch", "--batch-size"},
    {"kv_type", "--kv-type"},
    {"system", "--system"},
    {"max_new_tokens", "--predict"},
    {"temperature", "--temp"},
    {"top_k", "--top-k"},
    {"top_p", "--top-p"},
    {"min_p", "--min-p"},
    {"repetition_penalty", "--repeat-penalty"},
    {"presence_penalty", "--presence-penalty"},
    {"frequency_penalty", "--frequency-penalty"},
    {"seed", "--seed"},
    {"history_turns", "--turns"},
    {"enable_history", "--turns"},  // false: 0 turns
    {"tasks", "--tasks", Key::path},
    {"task", "--task"},
    {"chat_task", "--chat-task"},
    {"prefix_cache", "--prefix-cache", Key::path},
    {"cache.entries", "--cache"},
    {"cache.megabytes", "--cache-mb"},
    {"cache.seconds", "--cache-ttl"},
    {"host", "--host"},
    {"port", "--port"},
    {"api_key_file", "--api-key-file", Key::path},
    {"cors", "--cors"},
    {"parallel", "--parallel"},
    {"queue", "--queue"},
    {"rate", "--rate"},
    {"timeout", "--timeout"},
    {"session_seconds", "--session-ttl"},
    {"session_megabytes", "--session-mb"},
    {"sessions", "--sessions"},
    {"connections", "--connections"},
    {"max_body", "--max-body"},
    {"max_prompt", "--max-prompt"},
    {"drain", "--drain"},
    {"prefix_megabytes", "--prefix-mb"},
    {"access_log", "--access-log", Key::path},
    {"alias", "--alias"},
    {"strict_model", "--strict-model"},
    {"allowed_host", "--allowed-host"},
};

constexpr std::size_t kMaxFile = std::size_t{1} << 20;

std::string variable_of(const Key& key) {
  std::string name = std::string("LIBQWEN_") + key.name;
  for (char& c : name) c = c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

class ConfigFile {
 public:
  ConfigFile(CommandLine& app, std::string path) : app_(app), path_(std::move(path)) {}

  void apply() {
    const std::string text = read_file(path_);
    if (text.size() > kMaxFile) throw UsageError(path_ + ": larger than 1 MiB, not a configuration");
    YAML::Node top;
    try {
      top = YAML::Load(text);
    } catch (const YAML::Exception& error) {
      throw UsageError(path_ + ":" + std::to_string(error.mark.line + 1) + ": not YAML: " + error.msg);
    }
    if (!top || top.IsNull()) return;
    if (!top.IsMap()) fail(top, "expected key: value lines");
    apply_map(top, "");
  }

 private:
  [[noreturn]] void fail(const YAML::Node& node, const std::string& reason) const {
    throw UsageError(path_ + ":" + std::to_string(node.Mark().line + 1) + ": " + reason);
  }

  void apply_map(const YAML::Node& map, const std::string& prefix) {
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) fail(entry.first, "a key must be a word");
      const std::string name = prefix + entry.first.Scalar();
      if (std::find(seen_.begin(), seen_.end(), name) != seen_.end())
        fail(entry.first, "duplicate key " + name);
      seen_.push_back(name);
      if (entry.second.IsMap() && prefix.empty() && is_group(name)) {
        apply_map(entry.second, name + ".");
        continue;
      }
      const auto key =
          std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return k.name == name; });
      if (key == std::end(kKeys))
        fail(entry.first, "unknown key \"" + name + "\"; expected one of " + all_keys());
      if (!entry.second.IsScalar()) fail(entry.second, name + ": expected one value");
      set(*key, entry.second);
    }
  }

  static bool is_group(const std::string& name) {
    return std::any_of(std::begin(kKeys), std::end(kKeys),
                       [&](const Key& k) { return std::string(k.name).rfind(name + ".", 0) == 0; });
  }

  static std::string all_keys() {
    std::string out;
    for (const Key& key : kKeys) out += (out.empty() ? "" : ", ") + std::string(key.name);
    return out;
  }

  void set(const Key& key, const YAML::Node& node) {
    std::string value = node.Scalar();
    if (key.name == std::string("enable_history")) {
      bool enabled = false;
      if (!YAML::convert<bool>::decode(node, enabled)) fail(node, "enable_history: expected true or false");
      if (enabled) return;
      value = "0";
    }
    if (!app_.has(key.option)) return;  // an option of another program
    if (key.kind != Key::value) value = from_folder(key, value);
    try {
      app_.set_default(key.option, value);
    } catch (const UsageError& error) {
      fail(node, std::string(key.name) + ": " + error.what());
    }
  }

  // A relative path starts from the folder of the file. "-" is no path.
  std::string from_folder(const Key& key, const std::string& value) const {
    const std::filesystem::path path = std::filesystem::path(path_).parent_path() / value;
    if (value.empty() || value == "-") return value;
    return key.kind == Key::path || std::filesystem::exists(path) ? path.string() : value;
  }

  CommandLine& app_;
  std::string path_;
  std::vector<std::string> seen_;
};

}  // namespace

void add_config_option(CommandLine& app) {
  app.add("--config", "YAML file with values for options that are not given (else $LIBQWEN_CONFIG)")
      .type("FILE")
      .group("Input");
  for (const Key& key : kKeys) app.set_environment(key.option, variable_of(key));
}

void apply_config(CommandLine& app, const std::vector<std::string>& arguments) {
  std::string path;
  if (const char* variable = std::getenv("LIBQWEN_CONFIG")) path = variable;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i] == "--config" && i + 1 < arguments.size()) path = arguments[i + 1];
    if (arguments[i].rfind("--config=", 0) == 0) path = arguments[i].substr(9);
  }
  if (!path.empty()) ConfigFile(app, path).apply();
}

std::string config_sample(const CommandLine& app) {
  std::string text = "# Lines without a # are set. Relative paths start from the folder of this file.\n";
  std::string group;
  std::set<std::string> done;
  const std::vector<OptionInfo> options = app.options();
  for (const Key& key : kKeys) {
    const auto option = std::find_if(options.begin(), options.end(), [&](const OptionInfo& o) {
      return std::find(o.names.begin(), o.names.end(), key.option) != o.names.end();
    });
    if (option == options.end() || !done.insert(key.option).second) continue;
    const std::string name = key.name;
    const std::size_t dot = name.find('.');
    const std::string indent = dot == std::string::npos ? "" : "  ";
    if (dot != std::string::npos && name.substr(0, dot) != group) {
      group = name.substr(0, dot);
      const bool any = std::any_of(options.begin(), options.end(), [&](const OptionInfo& o) {
        return o.set && std::any_of(std::begin(kKeys), std::end(kKeys), [&](const Key& k) {
                 return std::string(k.name).starts_with(group + ".") &&
                        std::find(o.names.begin(), o.names.end(), k.option) != o.names.end();
               });
      });
      text += (any ? "\n" : "\n#") + group + ":\n";
    }
    // In JSON's quotes, which are YAML's; a number or a flag has none.
    const bool plain = option->type.empty() || option->type == "N" || option->type == "X" ||
                       option->type == "P" || option->type == "K";
    const std::string value =
        plain ? option->value : Json(option->value).dump(-1, ' ', false, Json::error_handler_t::replace);
    text += "\n" + indent + "# " + option->description + "\n" + indent + (option->set ? "" : "#") +
            name.substr(dot == std::string::npos ? 0 : dot + 1) + ": " + value + "\n";
  }
  return text;
}

namespace {

// The intro is "PROGRAM: description\nusage: PROGRAM ...\n".
std::string completion_of(const CommandLine& app, const CommandText& text, const std::string& kind) {
  const auto between = [&](const std::string& begin) {
    const std::size_t at = text.intro.find(begin) + begin.size();
    return text.intro.substr(at, text.intro.find('\n', at) - at);
  };
  return completion_text(kind, text.program, between(text.program + ": "),
                         {{"", between("usage: " + text.program + " "), "", "", app.options()}});
}

}  // namespace

int run_command_line(CommandLine& app, const CommandText& text, const std::vector<std::string>& arguments,
                     const std::function<int()>& body) {
  add_config_option(app);
  if (arguments.size() == 2 && arguments[0] == "--completion") {
    write_out(completion_of(app, text, arguments[1]));
    return kExitOk;
  }
  apply_config(app, arguments);
  CommandLine::Result result;
  try {
    result = app.parse(arguments);
  } catch (const UsageError& error) {
    throw UsageError(std::string(error.what()) + "; see " + text.command + " --help");
  }
  switch (result) {
    case CommandLine::Result::help: write_out(text.intro + app.option_help() + text.footer); return kExitOk;
    case CommandLine::Result::version: write_out(text.program + " " + version_text() + "\n"); return kExitOk;
    case CommandLine::Result::run: break;
  }
  return body();
}

}  // namespace tools
