// Constraints on text: JSON, JSON that matches a schema, a regular expression, one of a list, calls of tools. They
// check texts, and generated answers satisfy them (GenerateOptions::constraint).
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qwen/export.h"
#include "qwen/tool_call.h"

namespace qwen {

namespace constraints {
struct Program;  // internal
}

// White space between the parts of a JSON text.
enum class JsonSpacing {
  spaced,   // {"a": 1, "b": [2, 3]}
  compact,  // {"a":1,"b":[2,3]}
};

// The spelling of JSON.
struct JsonOptions {
  JsonSpacing spacing = JsonSpacing::spaced;  // of shortest(); accepts() takes either
};

// Which calls an answer may have.
struct ToolOptions {
  bool required = false;  // the text begins with a call; else free text may come first, or alone
  std::string name{};     // only this function may be called, and must be
  bool parallel = true;   // several calls may follow each other
  JsonOptions json{};     // spelling of the arguments
};

// What a text must be. Immutable; copies share it; safe to use from many threads. Compiling is bounded:
// whatever the input, it takes at most about 50 ms and 16 MB.
class QWEN_API Constraint {
 public:
  // Any JSON object. Values are nested at most 16 deep.
  static Constraint json_object(const JsonOptions& options = {});
  // Any JSON value. Values are nested at most 16 deep.
  static Constraint json(const JsonOptions& options = {});
  // JSON that matches `schema` (a JSON text; JSON Schema 2020-12). docs/constraints.md lists the keywords that are
  // enforced. Object members come in the order in which the schema names them.
  // Throws Error(bad_format) if the schema is malformed.
  // Throws Error(unsupported), with the name of the keyword, if it restricts values in a way that is not enforced.
  // Throws Error(unsupported) if the schema is too complex.
  static Constraint json_schema(std::string_view schema, const JsonOptions& options = {});
  // The whole text matches `pattern`, an ECMA-262 regular expression; docs/constraints.md has the supported subset.
  // Throws Error(bad_format) if the pattern is malformed.
  // Throws Error(unsupported) if it uses an unsupported construct, or its automaton is too large.
  static Constraint regex(std::string_view pattern);
  // One of `choices` (UTF-8), exactly.
  // Throws Error(invalid_argument) if there are none, or one is empty or not UTF-8.
  static Constraint choice(std::span<const std::string> choices);

  // Calls of `functions` in the form of Qwen2.5 and Qwen3:
  //   <tool_call>\n{"name": "...", "arguments": {...}}\n</tool_call>
  // Inside a call the name is that of a function and the arguments are an object that matches its parameters.
  // Outside of the arguments accepts() takes only the spelling that is generated.
  // Throws Error(invalid_argument) if there are no functions, or a name is empty or not UTF-8.
  // Throws Error(invalid_argument) if ToolOptions::name is not among the functions.
  // Throws what json_schema() throws for the parameters, with the name of the function.
  static Constraint tools(std::span<const ToolFunction> functions, const ToolOptions& options = {});

  // Whether `text` satisfies the constraint. In JSON every spelling of a value counts: any escapes, 1.0 for an
  // integer, either spacing, names that the schema does not list if it allows them.
  bool accepts(std::string_view text) const;
  // Whether `text` is the beginning of a text that satisfies the constraint.
  bool allows_prefix(std::string_view text) const;
  // Whether no text satisfies the constraint (the schema `false`).
  bool is_empty() const noexcept;
  // The shortest text that satisfies it, in the spelling that docs/constraints.md describes; "" if is_empty().
  std::string shortest() const;

  // Internal: the compiled automaton.
  const std::shared_ptr<const constraints::Program>& program() const noexcept { return program_; }

 private:
  explicit Constraint(std::shared_ptr<const constraints::Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const constraints::Program> program_;
};

}  // namespace qwen
