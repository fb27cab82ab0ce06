#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/fail.h"
#include "clock.h"
#include "commands.h"
#include "common/model_options.h"
#include "common/output.h"
#include "common/program.h"
#include "common/terminal.h"
#include "process.h"
#include "qwen/chat.h"
#include "qwen/classifier.h"
#include "qwen/task.h"
#include "report.h"
#include "statistics.h"
#include "synthetic.h"

namespace qwen::bench {
namespace {

struct TasksFlags : LoadFlags {
  std::string vocabulary, chat_template;
  int requests = 8, tokens = 50;
};

// Messages of everyday length; every request gets another one, so that no whole prompt is met again.
constexpr const char* kTexts[] = {"今天的实验终于成功了，太棒了！",
                                  "这家店的服务态度太差了，再也不会来了。",
                                  "快递很快，包装也很好，非常满意。",
                                  "手机用了两天就坏了，客服还不理人，失望。",
                                  "酒店位置不错，房间干净，早餐也很丰富。",
                                  "水果送来的时候已经烂了一半，真是倒霉。",
                                  "这本书内容充实，读完收获很大，推荐给大家。",
                                  "电影又长又无聊，看到一半就睡着了。"};

std::string text_of(int request) {
  return cat(kTexts[static_cast<std::size_t>(request) % std::size(kTexts)], " (", request, ")");
}

enum class Work { sentiment, chat, both };
constexpr const char* kWorkNames[] = {"sentiment", "chat", "sentiment + chat"};

struct Result {
  Work work;
  bool warm;
  int at_once;
  std::vector<double> seconds;      // of each request
  std::vector<double> first_token;  // of each reply: from the request to its first token
  std::vector<double> between;      // seconds a token after that
  double requests_per_s = 0;
};

// An inline engine: each client computes its own requests.
std::shared_ptr<Engine> make_engine(const Model& model) {
  EngineOptions options;
  options.background = false;
  options.prefill_tokens = options.prefill_tokens_while_decoding = 512;
  return std::make_shared<Engine>(model, options);
}

// Serves one request at a time; several of them share the model and, when warm, an engine with computed prefixes.
class Server {
 public:
  Server(const Model& model, const TasksFlags& flags, std::shared_ptr<Engine> engine,
         std::shared_ptr<Classifier> classifier)
      : model_(model), flags_(flags), engine_(std::move(engine)), classifier_(std::move(classifier)) {}

  void serve(Work work, int request, Result& result) {
    const std::string text = text_of(request);
    const auto start = Clock::now();
    const std::shared_ptr<Engine> engine = engine_ ? engine_ : make_engine(model_);
    std::shared_ptr<Classifier> classifier = classifier_;
    if (classifier == nullptr && work != Work::chat) classifier = make_classifier(engine);
    if (work == Work::sentiment) {
      classifier->classify(text);
    } else {
      ChatOptions options;
      options.max_new_tokens = flags_.tokens;
      Chat chat(engine, TaskRegistry().get("chat"), options);
      ChatReply reply;
      double before = 0;
      if (work == Work::chat) {
        reply = chat.say(text);
      } else {
        Analysis analysis = analyze(*classifier, chat, text);
        before = analysis.label_seconds;
        reply = std::move(analysis.reply);
      }
      const GenerateResult& made = reply.generation;
      result.first_token.push_back(before + made.first_token_seconds);
      if (made.tokens.size() > 1)
        result.between.push_back(made.decode_seconds / static_cast<double>(made.tokens.size() - 1));
    }
    result.seconds.push_back(since(start));
  }

  static std::shared_ptr<Classifier> make_classifier(std::shared_ptr<Engine> engine) {
    return std::make_shared<Classifier>(std::move(engine), TaskRegistry().get("sentiment"));
  }

 private:
  Model model_;
  const TasksFlags& flags_;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Classifier> classifier_;
};

Result measure(const Model& model, const TasksFlags& flags, Work work, bool warm, int at_once) {
  Result result{work, warm, at_once, {}, {}, {}, 0};
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Classifier> classifier;
  if (warm) {
    engine = make_engine(model);
    classifier = Server::make_classifier(engine);
    Result ignored = result;
    Server(model, flags, engine, classifier).serve(work, 1000, ignored);
  }
  std::vector<Result> parts(static_cast<std::size_t>(at_once), result);
  std::vector<std::string> problems(parts.size());
  std::vector<std::thread> clients;
  const auto start = Clock::now();
  for (int i = 0; i < at_once; ++i)
    clients.emplace_back([&, i] {
      const auto at = static_cast<std::size_t>(i);
      try {
        Server server(model, flags, engine, classifier);
        for (int r = i; r < flags.requests; r += at_once) server.serve(work, r, parts[at]);
      } catch (const std::exception& error) {
        problems[at] = error.what();
      }
    });
  for (std::thread& client : clients) client.join();
  const double seconds = since(start);
  for (const std::string& problem : problems)
    if (!problem.empty()) throw Error(ErrorCode::internal, problem);
  for (const Result& part : parts) {
    result.seconds.insert(result.seconds.end(), part.seconds.begin(), part.seconds.end());
    result.first_token.insert(result.first_token.end(), part.first_token.begin(), part.first_token.end());
    result.between.insert(result.between.end(), part.between.begin(), part.between.end());
  }
  result.requests_per_s = flags.requests / seconds;
  return result;
}

Table latency_table(const std::vector<Result>& results) {
  Table table({"work", "prompt", "at once", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "first token ms",
               "ms a token", "requests/s"});
  for (const Result& r : results) {
    std::vector<std::string> row = {kWorkNames[static_cast<int>(r.work)], r.warm ? "warm" : "cold",
                                    std::to_string(r.at_once)};
    for (const double p : {50.0, 90.0, 95.0, 99.0}) row.push_back(fixed(1e3 * percentile(r.seconds, p), 1));
    row.push_back(r.first_token.empty() ? "-" : fixed(1e3 * median(r.first_token), 1));
    row.push_back(r.between.empty() ? "-" : fixed(1e3 * median(r.between), 2));
    row.push_back(fixed(r.requests_per_s, 2));
    table.add(std::move(row));
  }
  return table;
}

// Figures of published systems on their own machines, with the same work here.
Table versus_table(const std::vector<Result>& results, const TasksFlags& flags, double load_seconds,
                   double resident) {
  Table table({"figure", "published, their machine", "here"});
  const auto find = [&](Work work, int at_once) -> const Result* {
    for (const Result& r : results)
      if (r.work == work && r.warm && r.at_once == at_once) return &r;
    return nullptr;
  };
  const auto add = [&](const char* what, const char* there, const Result* r, const auto& value,
                       const char* unit) {
    if (r != nullptr) table.add({what, there, value(*r) + unit});
  };
  const auto milliseconds = [](const Result& r) { return fixed(1e3 * median(r.seconds), 0); };
  const auto rate = [](const Result& r) { return fixed(r.requests_per_s, 2); };
  const std::string chat = cat("chat reply of ", flags.tokens, " tokens");
  add("sentiment label", "380 ms (FP32, Xeon E5-2680v4)", find(Work::sentiment, 1), milliseconds, " ms");
  add(chat.c_str(), "1,200 ms for 50 tokens (the same)", find(Work::chat, 1), milliseconds, " ms");
  add("label, then reply", "1,580 ms (the same)", find(Work::both, 1), milliseconds, " ms");
  add("both, requests/s", "0.63 (the same)", find(Work::both, 1), rate, "");
  add("both, two at once, requests/s", "1.1 (the same)", find(Work::both, 2), rate, "");
  add(
      "first token of a reply", "420 ms (i5-7400); 318 ms (i7-1165G7, Q4_K_M)", find(Work::chat, 1),
      [](const Result& r) { return fixed(1e3 * median(r.first_token), 0); }, " ms");
  add(
      "between tokens", "180 ms (i5-7400); 36 ms (i7-1165G7); under 50 ms (Q4_0 service)",
      find(Work::chat, 1), [](const Result& r) { return fixed(1e3 * median(r.between), 1); }, " ms");
  table.add({"load", "23.6 s (i5-7400); 12.3 s (i7-1165G7); 8 s (Xeon); under 5 s (Q4_0 service)",
             fixed(load_seconds, 2) + " s"});
  table.add({"resident memory", "1.4 GB (FP32); 1.1 GB (i5-7400); 480 MB (4 bits)",
             fixed(resident * 1e-6, 0) + " MB"});
  return table;
}

tools::Json to_json(const std::vector<Result>& results) {
  tools::Json out = tools::Json::array();
  for (const Result& r : results) {
    tools::Json entry{
        {"work", kWorkNames[static_cast<int>(r.work)]}, {"warm", r.warm}, {"at_once", r.at_once}};
    for (const auto& [name, p] : {std::pair{"p50", 50.0}, {"p90", 90.0}, {"p95", 95.0}, {"p99", 99.0}})
      entry["latency_ms"][name] = 1e3 * percentile(r.seconds, p);
    if (!r.first_token.empty()) entry["first_token_ms"] = 1e3 * median(r.first_token);
    if (!r.between.empty()) entry["between_tokens_ms"] = 1e3 * median(r.between);
    entry["requests_per_s"] = r.requests_per_s;
    out.push_back(std::move(entry));
  }
  return out;
}

int tasks(TasksFlags& flags) {
  flags.choice.require();
  std::unique_ptr<ModelInMemory> synthetic;
  LoadOptions load;
  load.threads = flags.threads;
  load.chat_template = tools::chat_template_text(flags.chat_template);
  std::string path = flags.choice.model;
  if (!flags.choice.synthetic.empty()) {
    SyntheticSpec spec = parse_synthetic(flags.choice.synthetic);
    spec.vocabulary = flags.vocabulary;
    synthetic = std::make_unique<ModelInMemory>(spec);
    path = synthetic->path();
    if (load.chat_template.empty()) load.chat_template = "qwen2.5";
  }
  const Activity before = activity_now();
  const auto start = Clock::now();
  const Model model = Model::load(path, load);
  const double load_seconds = since(start);
  tools::ProgressBar bar("measuring", !flags.no_progress);
  std::vector<Result> results;
  const double steps = 3.0 * static_cast<double>(1 + flags.at_once.size());
  for (const Work work : {Work::sentiment, Work::chat, Work::both}) {
    bar.update(static_cast<double>(results.size()) / steps);
    results.push_back(measure(model, flags, work, false, 1));
    for (const int at_once : flags.at_once) {
      bar.update(static_cast<double>(results.size()) / steps);
      results.push_back(measure(model, flags, work, true, at_once));
    }
  }
  bar.finish();
  const std::string noise = noise_between(before, activity_now());
  const auto resident = static_cast<double>(process_memory().resident);
  if (flags.json) {
    tools::write_json({{"load_s", load_seconds},
                       {"resident_bytes", resident},
                       {"noise", noise},
                       {"tasks", to_json(results)}},
                      true);
    return tools::kExitOk;
  }
  const auto show = [&](const Table& table) {
    tools::write_out(flags.markdown ? table.markdown() : table.text());
  };
  show(latency_table(results));
  tools::write_out("\n");
  show(versus_table(results, flags, load_seconds, resident));
  if (!noise.empty()) tools::write_out("\nnoisy: " + noise + "\n");
  return tools::kExitOk;
}

}  // namespace

std::function<int()> tasks_command(tools::CommandLine& app) {
  auto flags = std::make_shared<TasksFlags>();
  flags->add_options(app);
  app.add("--vocab", flags->vocabulary,
          "model file whose tokenizer the synthetic model uses: prompts then have their real lengths");
  app.add("--chat-template", flags->chat_template, "for models without a known template");
  app.add("-n,--n-gen", flags->tokens, "tokens of a reply").range(1, 1024).show_default();
  app.add("-r,--requests", flags->requests, "requests of each test").range(1, 100000).show_default();
  return [flags] { return tasks(*flags); };
}

}  // namespace qwen::bench
