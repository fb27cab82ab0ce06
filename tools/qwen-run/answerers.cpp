#include <cmath>
#include <nlohmann/json.hpp>

#include "qwen-run/batch.h"

namespace qwen_run {

using tools::Json;

namespace {

class ClassifierAnswerer : public Answerer {
 public:
  ClassifierAnswerer(qwen::Classifier classifier, qwen::ClassifyMode mode, bool full)
      : classifier_(std::move(classifier)), mode_(mode), full_(full) {}

  std::vector<std::string> columns() const override { return {"label", "probability", "abstained"}; }

  void answer(std::span<const std::string> texts, const Receiver& receive,
              const qwen::CancelToken& cancel) override {
    std::size_t done = 0;
    const auto on_result = [&](std::size_t, const qwen::Classification& result) {
      take(result, receive);
      ++done;
      return true;
    };
    try {
      classifier_.classify_batch(texts, mode_, on_result, cancel);
    } catch (const qwen::Error& error) {
      if (error.code() != qwen::ErrorCode::context_full) throw;
      for (; done < texts.size(); ++done) one(texts[done], receive, cancel);
    }
  }

 private:
  // One of the texts does not fit: each is tried alone, so that only such texts fail.
  void one(const std::string& text, const Receiver& receive, const qwen::CancelToken& cancel) {
    qwen::Classification result;
    try {
      result = classifier_.classify(text, mode_, cancel);
    } catch (const qwen::Error& error) {
      if (error.code() != qwen::ErrorCode::context_full) throw;
      receive(Json(), error.what());
      return;
    }
    take(result, receive);
  }

  void take(const qwen::Classification& result, const Receiver& receive) {
    truncated_ += result.truncated_tokens > 0;
    if (full_) return receive(label_json(classifier_.task(), result), "");
    if (result.label < 0)
      return receive(Json(), "no label: the model wrote " +
                                 Json(result.raw).dump(-1, ' ', false, Json::error_handler_t::replace));
    const auto index = static_cast<std::size_t>(result.label);
    Json json = {{"label", classifier_.task().labels[index].text}};
    if (!result.probabilities.empty())
      json["probability"] = std::round(result.probabilities[index] * 1e6) / 1e6;
    json["abstained"] = result.abstained;
    receive(json, "");
  }

  qwen::Classifier classifier_;
  qwen::ClassifyMode mode_;
  bool full_;
};

class ReplyAnswerer : public Answerer {
 public:
  ReplyAnswerer(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task)
      : chat_(std::move(engine), task) {}

  std::vector<std::string> columns() const override { return {"answer", "finish_reason"}; }

  void answer(std::span<const std::string> texts, const Receiver& receive,
              const qwen::CancelToken& cancel) override {
    for (std::size_t begin = 0; begin < texts.size(); begin += kTogether)
      together(texts.subspan(begin, std::min(kTogether, texts.size() - begin)), receive, cancel);
  }

 private:
  static constexpr std::size_t kTogether = 16;  // replies that are computed at the same time

  void together(std::span<const std::string> texts, const Receiver& receive,
                const qwen::CancelToken& cancel) {
    std::vector<qwen::EngineJob> jobs;
    std::vector<std::string> errors;
    for (const std::string& text : texts) {
      jobs.emplace_back();
      errors.emplace_back();
      try {
        qwen::Chat::Prompt prompt = chat_.prompt(text);
        truncated_ += prompt.truncated_tokens > 0;
        qwen::EngineRequest request;
        request.prompt = std::move(prompt.tokens);
        request.generate.max_new_tokens = chat_.task().max_new_tokens;
        request.generate.sampling = chat_.task().sampling;
        request.generate.cancel = cancel;
        jobs.back() = chat_.engine()->submit(std::move(request));
      } catch (const qwen::Error& error) {
        if (error.code() != qwen::ErrorCode::context_full) throw;
        errors.back() = error.what();
      }
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!errors[i].empty()) {
        receive(Json(), errors[i]);
        continue;
      }
      const qwen::GenerateResult& reply = jobs[i].result().generation;
      if (reply.finish == qwen::FinishReason::cancelled)
        throw qwen::Error(qwen::ErrorCode::cancelled, "the replies were cancelled");
      receive({{"answer", reply.text}, {"finish_reason", qwen::to_string(reply.finish)}}, "");
    }
  }

  qwen::Chat chat_;
};

}  // namespace

std::unique_ptr<Answerer> make_classifier_answerer(qwen::Classifier classifier, qwen::ClassifyMode mode,
                                                   bool full) {
  return std::make_unique<ClassifierAnswerer>(std::move(classifier), mode, full);
}

std::unique_ptr<Answerer> make_reply_answerer(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task) {
  return std::make_unique<ReplyAnswerer>(std::move(engine), task);
}

}  // namespace qwen_run
