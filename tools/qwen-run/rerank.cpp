// rerank: documents, from lines or a table, scored against a query.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/output.h"
#include "common/program.h"
#include "qwen-run/commands.h"
#include "qwen-run/text_lines.h"

namespace qwen_run {
namespace {

struct RerankFlags : TextLineFlags {
  qwen::RerankOptions rerank;
  std::string query;
  int top_n = 0;
};

int rerank(RerankFlags& flags) {
  if (flags.truncate) flags.rerank.overflow = qwen::TextOverflow::truncate;
  std::vector<std::string> documents;
  if (flags.input.given_text()) {
    documents.push_back(flags.input.read(true));
  } else {
    TextRows rows(flags);
    for (std::string text; rows.next(text);) documents.push_back(std::move(text));
  }
  qwen::Reranker reranker(flags.engine());
  const auto found = reranker.score_batch(flags.query, documents, flags.rerank);
  std::vector<std::size_t> order(found.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return found[a].score > found[b].score; });
  if (flags.top_n > 0) order.resize(std::min(order.size(), static_cast<std::size_t>(flags.top_n)));
  for (const std::size_t i : order) {
    tools::Json json = {{"index", i}, {"score", found[i].score}};
    if (found[i].truncated_tokens > 0) json["truncated_tokens"] = found[i].truncated_tokens;
    tools::write_json(json);
  }
  return tools::kExitOk;
}

}  // namespace

std::function<int()> rerank_command(tools::CommandLine& app) {
  auto flags = std::make_shared<RerankFlags>();
  flags->add(app, "One document; a file and stdin have a document a line, or are a table");
  app.add("--query", flags->query, "The query").type("TEXT").required().group("Rerank");
  app.add("--instruction", flags->rerank.instruction, "What a document should do for the query")
      .type("TEXT")
      .group("Rerank");
  app.add("--top-n", flags->top_n, "Write the N best only (default: all)")
      .range(1, tools::kMaxInt)
      .type("N")
      .group("Rerank");
  return [flags] { return rerank(*flags); };
}

}  // namespace qwen_run
