#include "common/completion.h"

#include <algorithm>

#include "common/program.h"

namespace tools {
namespace {

bool is_path(const OptionInfo& option) {
  return option.type == "FILE" || option.type == "DIR" || option.type == "MODEL" || option.type == "PATH";
}

std::string joined(const std::vector<std::string>& words, const char* separator = " ") {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : separator) + word;
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// In single quotes for bash and zsh.
std::string quoted(const std::string& text) {
  return "'" + replaced(text, "'", "'\\''") + "'";
}

std::string command_names(const std::vector<CommandHelp>& commands, const char* separator) {
  std::vector<std::string> names;
  for (const CommandHelp& command : commands)
    if (!command.name.empty()) names.push_back(command.name);
  return joined(names, separator);
}

// Lines of a `case` about the option in front of the cursor: what follows it, for bash (words) and zsh (compadd).
std::string value_cases(const std::vector<CommandHelp>& commands, const char* words, const char* end_words,
                        const char* files) {
  std::string out;
  for (const CommandHelp& command : commands) {
    for (const OptionInfo& option : command.options) {
      if (option.type.empty()) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) patterns.push_back(command.name + ":" + name);
      out += "    " + joined(patterns, "|") + ") ";
      if (!option.values.empty())
        out += words + joined(option.values) + end_words;
      else if (is_path(option))
        out += files;
      out += "return ;;\n";
    }
  }
  return out;
}

// Sets `command` to the first of `words` that is one.
std::string find_command(const std::vector<CommandHelp>& commands, const char* words) {
  const std::string names = command_names(commands, "|");
  if (names.empty()) return "";
  return std::string("  for word in ") + words + "; do\n    case $word in " + names +
         ") command=$word; break ;; esac\n  done\n";
}

std::string bash(const std::string& program, const std::vector<CommandHelp>& commands) {
  const std::string function = "_" + replaced(program, "-", "_");
  std::string out =
      "# bash completion for " + program + "\n" + function +
      "() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= options= word\n" +
      find_command(commands, "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\"") + "  case $command:$prev in\n" +
      value_cases(commands, "COMPREPLY=($(compgen -W '", "' -- \"$cur\")); ",
                  "COMPREPLY=($(compgen -f -- \"$cur\")); ") +
      "  esac\n  case $command in\n";
  for (const CommandHelp& command : commands) {
    std::vector<std::string> names;
    for (const OptionInfo& option : command.options)
      names.insert(names.end(), option.names.begin(), option.names.end());
    out += "    " + (command.name.empty() ? "''" : command.name) + ") options='" + joined(names) + "' ;;\n";
  }
  return out +
         "  esac\n"
         "  if [[ $cur == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
         "  elif [[ -z $command ]]; then\n"
         "    COMPREPLY=($(compgen -W '" +
         command_names(commands, " ") +
         "' -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
         "  else\n"
         "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F " +
         function + " " + program + "\n";
}

std::string zsh(const std::string& program, const std::vector<CommandHelp>& commands) {
  const auto item = [](const std::string& name, const std::string& description) {
    return quoted(replaced(name, ":", "\\:") + ":" + description);
  };
  std::string out = "#compdef " + program +
                    "\nlocal command word\n"
                    "local -a options commands\n" +
                    find_command(commands, "${words[2,CURRENT-1]}") +
                    "case \"$command:${words[CURRENT-1]}\" in\n" +
                    value_cases(commands, "compadd -- ", "; ", "_files; ") + "esac\ncase $command in\n";
  for (const CommandHelp& command : commands) {
    out += "  " + (command.name.empty() ? "''" : command.name) + ") options=(\n";
    for (const OptionInfo& option : command.options)
      for (const std::string& name : option.names) out += "    " + item(name, option.description) + "\n";
    out += "  ) ;;\n";
  }
  out += "esac\ncommands=(\n";
  for (const CommandHelp& command : commands)
    if (!command.name.empty()) out += "  " + item(command.name, command.summary) + "\n";
  return out +
         ")\n"
         "if [[ $PREFIX == -* ]]; then\n"
         "  _describe -o option options\n"
         "else\n"
         "  [[ -z $command && ${#commands} -gt 0 ]] && _describe command commands\n"
         "  _files\n"
         "fi\n";
}

std::string fish(const std::string& program, const std::vector<CommandHelp>& commands) {
  const auto quote = [](const std::string& text) {
    return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
  };
  const std::string all = command_names(commands, " ");
  const std::string none = "not __fish_seen_subcommand_from " + all;
  std::string out = "# fish completion for " + program + "\n";
  for (const CommandHelp& command : commands) {
    if (!command.name.empty())
      out += "complete -c " + program + " -n " + quote(none) + " -a " + command.name + " -d " +
             quote(command.summary) + "\n";
    for (const OptionInfo& option : command.options) {
      out += "complete -c " + program;
      if (!all.empty())
        out += " -n " + quote(command.name.empty() ? none : "__fish_seen_subcommand_from " + command.name);
      for (const std::string& name : option.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.type.empty()) out += is_path(option) ? " -r" : " -x";
      if (!option.values.empty()) out += " -a " + quote(joined(option.values));
      out += " -d " + quote(option.description) + "\n";
    }
  }
  return out;
}

// Text for troff: no line begins a request, no escape is meant.
std::string troff(const std::string& text) {
  std::string out = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return replaced(replaced(out, "\n.", "\n\\&."), "\n'", "\n\\&'");
}

std::string man(const std::string& program, const std::string& description,
                const std::vector<CommandHelp>& commands) {
  std::string upper = program;
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  std::string out =
      ".TH " + upper + " 1\n.SH NAME\n" + troff(program + " - " + description) + "\n.SH SYNOPSIS\n";
  for (const CommandHelp& command : commands)
    out += ".B " + troff(program) + "\n" + troff(command.usage) + "\n.br\n";
  for (const CommandHelp& command : commands) {
    out += command.name.empty() ? ".SH OPTIONS\n" : ".SH \"" + troff(program + " " + command.name) + "\"\n";
    out += troff(command.summary) + "\n";
    for (const OptionInfo& option : command.options)
      out += ".TP\n\\fB" + troff(joined(option.names, ", ")) + "\\fR" +
             (option.type.empty() ? "" : " \\fI" + troff(option.type) + "\\fR") + "\n" +
             troff(option.description) + "\n";
    if (!command.examples.empty()) out += ".PP\nExamples:\n.nf\n" + troff(command.examples) + "\n.fi\n";
  }
  return out + ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl\\-C\n";
}

}  // namespace

std::string completion_text(const std::string& kind, const std::string& program,
                            const std::string& description, const std::vector<CommandHelp>& commands) {
  if (kind == "bash") return bash(program, commands);
  if (kind == "zsh") return zsh(program, commands);
  if (kind == "fish") return fish(program, commands);
  if (kind == "man") return man(program, description, commands);
  throw UsageError("--completion: expected bash, zsh, fish or man, found \"" + kind + "\"");
}

}  // namespace tools
