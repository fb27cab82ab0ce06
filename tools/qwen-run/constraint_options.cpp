#include "qwen-run/constraint_options.h"

#include "common/output.h"

namespace qwen_run {

std::string read_schema(const std::string& file_or_text) {
  const std::size_t first = file_or_text.find_first_not_of(" \t\r\n");
  const bool is_text = first != std::string::npos && file_or_text[first] == '{';
  if (is_text || file_or_text == "true" || file_or_text == "false") return file_or_text;
  return tools::read_file(file_or_text);
}

void ConstraintFlags::add(tools::CommandLine& app) {
  const tools::Option schema_option =
      app.add("--json-schema", schema, "The answer is JSON that matches this schema: a file, or JSON text")
          .type("FILE|TEXT")
          .group("Answer");
  const tools::Option object_option =
      app.add_flag("--json-object", json_object, "The answer is a JSON object")
          .group("Answer")
          .excludes(schema_option);
  const tools::Option regex_option = app.add("--regex", regex, "The answer matches this regular expression")
                                         .type("PATTERN")
                                         .group("Answer")
                                         .excludes(schema_option)
                                         .excludes(object_option);
  app.add("--choice", choices, "The answer is one of these texts: yes,no (or --choice several times)")
      .type("A,B,...")
      .comma_list()
      .one_per_use()
      .group("Answer")
      .excludes(schema_option)
      .excludes(object_option)
      .excludes(regex_option);
}

const std::optional<qwen::Constraint>& ConstraintFlags::constraint() const {
  if (compiled_) return compiled_;
  if (!schema.empty())
    compiled_ = qwen::Constraint::json_schema(read_schema(schema));
  else if (json_object)
    compiled_ = qwen::Constraint::json_object();
  else if (!regex.empty())
    compiled_ = qwen::Constraint::regex(regex);
  else if (!choices.empty())
    compiled_ = qwen::Constraint::choice(choices);
  return compiled_;
}

}  // namespace qwen_run
