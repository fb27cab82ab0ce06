#include "qwen/constraint.h"

#include "constraints/automaton.h"
#include "constraints/compile.h"

namespace qwen {

Constraint Constraint::json_object(const JsonOptions& options) {
  return Constraint(constraints::compile_json(true, options));
}

Constraint Constraint::json(const JsonOptions& options) {
  return Constraint(constraints::compile_json(false, options));
}

Constraint Constraint::json_schema(std::string_view schema, const JsonOptions& options) {
  return Constraint(constraints::compile_schema(schema, options));
}

Constraint Constraint::regex(std::string_view pattern) {
  return Constraint(constraints::compile_text_regex(pattern));
}

Constraint Constraint::choice(std::span<const std::string> choices) {
  return Constraint(constraints::compile_choice(choices));
}

Constraint Constraint::tools(std::span<const ToolFunction> functions, const ToolOptions& options) {
  return Constraint(constraints::compile_tools(functions, options));
}

bool Constraint::accepts(std::string_view text) const {
  constraints::Automaton automaton(program_, constraints::Spelling::any);
  const constraints::Config end = automaton.run(automaton.start(), text);
  return end >= 0 && automaton.accepts(end);
}

bool Constraint::allows_prefix(std::string_view text) const {
  constraints::Automaton automaton(program_, constraints::Spelling::any);
  return automaton.run(automaton.start(), text) >= 0;
}

bool Constraint::is_empty() const noexcept {
  return program_->rules[program_->root].cost >= constraints::kReadOnlyCost;
}

std::string Constraint::shortest() const {
  constraints::Automaton automaton(program_, constraints::Spelling::generated);
  return automaton.shortest(automaton.start());
}

}  // namespace qwen
