// check-json: which JSON values a schema accepts.
#include <memory>

#include "common/output.h"
#include "common/program.h"
#include "qwen-run/commands.h"
#include "qwen-run/constraint_options.h"
#include "qwen-run/line_source.h"
#include "qwen/constraint.h"

namespace qwen_run {
namespace {

struct CheckFlags {
  std::string schema, path = "-";
};

int check(const CheckFlags& flags) {
  const qwen::Constraint constraint = qwen::Constraint::json_schema(read_schema(flags.schema));
  LineSource lines(flags.path);
  for (std::string line; lines.next(line);) {
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    const std::size_t last = line.find_last_not_of(" \t\r");
    const bool accepted = constraint.accepts(std::string_view(line).substr(first, last + 1 - first));
    tools::write_out(accepted ? "accepted\n" : "rejected\n");
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> check_json_command(tools::CommandLine& app) {
  auto flags = std::make_shared<CheckFlags>();
  app.add("--json-schema", flags->schema, "The schema: a file, or JSON text that begins with {")
      .type("FILE|TEXT")
      .required();
  app.add("FILE", flags->path, "JSON values, one a line; - is standard input").type("");
  return [flags] { return check(*flags); };
}

}  // namespace qwen_run
