#include <cmath>
#include <nlohmann/json.hpp>

#include "qwen-run/batch.h"

namespace qwen_run {

using tools::Json;

namespace {

using Receiver = Answerer::Receiver;

// Answers the texts with `together`, which counts the answers in `done`. If one text does not fit, each of the rest is
// answered by `alone`, so that only such texts fail.
template <class Together, class Alone>
void answer_all(std::span<const std::string> texts, const Receiver& receive, const Together& together,
                const Alone& alone) {
  std::size_t done = 0;
  try {
    together(done);
    return;
  } catch (const qwen::Error& error) {
    if (error.code() != qwen::ErrorCode::context_full) throw;
  }
  for (; done < texts.size(); ++done) {
    try {
      alone(texts[done]);
    } catch (const qwen::Error& error) {
      if (error.code() != qwen::ErrorCode::context_full) throw;
      receive(Json(), error.what());
    }
  }
}

class ClassifierAnswerer : public Answerer {
 public:
  ClassifierAnswerer(qwen::Classifier classifier, qwen::ClassifyMode mode, bool full)
      : classifier_(std::move(classifier)), mode_(mode), full_(full) {}

  std::vector<std::string> columns() const override { return {"label", "probability", "abstained"}; }

  void answer(std::span<const std::string> texts, const Receiver& receive,
              const qwen::CancelToken& cancel) override {
    const auto together = [&](std::size_t& done) {
      classifier_.classify_batch(
          texts, mode_,
          [&](std::size_t, const qwen::Classification& result) {
            take(result, receive);
            ++done;
          },
          cancel);
    };
    answer_all(texts, receive, together,
               [&](const std::string& text) { take(classifier_.classify(text, mode_, cancel), receive); });
  }

 private:
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
    const auto together = [&](std::size_t& done) {
      chat_.reply_batch(
          texts,
          [&](std::size_t, const qwen::ChatReply& reply) {
            take(reply, receive);
            ++done;
          },
          cancel);
    };
    answer_all(texts, receive, together, [&](const std::string& text) {
      take(chat_.reply_batch(std::span(&text, 1), {}, cancel).front(), receive);
    });
  }

 private:
  void take(const qwen::ChatReply& reply, const Receiver& receive) {
    truncated_ += reply.truncated_tokens > 0;
    receive({{"answer", reply.text}, {"finish_reason", qwen::to_string(reply.finish)}}, "");
  }

  qwen::Chat chat_;
};

// The schema's members become columns; the answers of other schemas one column, "json".
class ExtractAnswerer : public Answerer {
 public:
  ExtractAnswerer(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task)
      : extractor_(std::move(engine), task) {
    const Json schema = Json::parse(task.schema);
    if (!schema.is_object() || !schema.contains("properties")) return;
    for (const auto& [name, value] : schema["properties"].items()) members_.push_back(name);
  }

  std::vector<std::string> columns() const override {
    return members_.empty() ? std::vector<std::string>{"json"} : members_;
  }

  void answer(std::span<const std::string> texts, const Receiver& receive,
              const qwen::CancelToken& cancel) override {
    const auto together = [&](std::size_t& done) {
      extractor_.extract_batch(
          texts,
          [&](std::size_t, const qwen::Extraction& result) {
            take(result, receive);
            ++done;
          },
          cancel);
    };
    answer_all(texts, receive, together,
               [&](const std::string& text) { take(extractor_.extract(text, cancel), receive); });
  }

 private:
  void take(const qwen::Extraction& result, const Receiver& receive) {
    truncated_ += result.truncated_tokens > 0;
    Json json = Json::parse(result.json);
    receive(members_.empty() ? Json{{"json", std::move(json)}} : std::move(json), "");
  }

  qwen::Extractor extractor_;
  std::vector<std::string> members_;
};

}  // namespace

std::unique_ptr<Answerer> make_extract_answerer(std::shared_ptr<qwen::Engine> engine,
                                                const qwen::Task& task) {
  return std::make_unique<ExtractAnswerer>(std::move(engine), task);
}

std::unique_ptr<Answerer> make_classifier_answerer(qwen::Classifier classifier, qwen::ClassifyMode mode,
                                                   bool full) {
  return std::make_unique<ClassifierAnswerer>(std::move(classifier), mode, full);
}

std::unique_ptr<Answerer> make_reply_answerer(std::shared_ptr<qwen::Engine> engine, const qwen::Task& task) {
  return std::make_unique<ReplyAnswerer>(std::move(engine), task);
}

}  // namespace qwen_run
