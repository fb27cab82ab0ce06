// What a Classifier holds, and its two ways to an answer: sessions of its own, or an engine.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qwen/classifier.h"
#include "tasks/clock.h"
#include "tasks/engine_request.h"
#include "tasks/label_scorer.h"
#include "tasks/prompt.h"

namespace qwen {

struct Classifier::State {
  using OnResult = std::function<bool(std::size_t, const Classification&)>;

  // A text on its way.
  struct Job {
    std::size_t index;
    Prompt prompt;
    int cached = 0;      // of its tokens, known before
    double seconds = 0;  // spent on it alone so far
  };
  // Results that become known in any order, and are told in the order of the texts.
  class Report {
   public:
    Report(std::size_t texts, const OnResult& on_result) : results_(texts), on_result_(on_result) {}
    Classification& operator[](std::size_t index) { return results_[index]; }
    // Those before `end` are known. False where the caller wants no more.
    bool tell(std::size_t end) {
      while (told_ < end) {
        const std::size_t index = told_++;
        if (on_result_ && !on_result_(index, results_[index])) return false;
      }
      return true;
    }
    // Those that were told.
    std::vector<Classification> take() {
      results_.resize(told_);
      return std::move(results_);
    }

   private:
    std::vector<Classification> results_;
    const OnResult& on_result_;
    std::size_t told_ = 0;
  };

  State(Model handle, Task data, const ClassifierOptions& chosen);
  void make_result_key();
  void measure_priors();
  int context() { return options.engine ? options.context : pool.at(0).context(); }
  std::vector<Token> render(std::string_view text) const;
  Prompt make_prompt(std::string_view text) const;
  Job make_job(std::size_t index, std::string_view text) const;

  // ---- the result cache
  std::string key_of(std::string_view text, ClassifyMode mode) const;
  // Whether the answer is there.
  bool find_known(const std::string& text, ClassifyMode mode, Classification& result);
  void put_known(const std::string& text, ClassifyMode mode, const Classification& result);

  // ---- from scores or a text to the answer
  void decide(std::vector<double> scores, Classification& result) const;
  GenerateOptions label_generation() const;
  // The longest label that the answer begins with, or -1; `open` tells whether more text could make it a
  // longer one.
  int parse_label(std::string_view answer, bool& open) const;

  // ---- in sessions (classifier_sessions.cpp)
  std::size_t max_batch();
  void prefill(std::vector<Job>& jobs);
  void score(std::vector<Job>& jobs, Report& results);
  void generate_label(Job& job, Classification& result);
  void run(std::vector<Job>& jobs, ClassifyMode mode, Report& results);
  std::vector<Classification> classify_batch(std::span<const std::string> texts, ClassifyMode mode,
                                             const OnResult& on_result);

  // ---- over the engine (classifier_engine.cpp)
  // What the engine's thread writes lies on the heap: it stays where it is.
  struct Answer {
    std::vector<double> scores;
    std::string raw;
    bool complete = false;
  };
  struct Ask {
    Job job;
    std::unique_ptr<Answer> answer;
    tasks::Asked asked;
  };
  Ask ask(Job job, ClassifyMode mode, const CancelToken& cancel);
  Classification settle(Ask& ask, ClassifyMode mode);
  std::vector<Classification> ask_batch(std::span<const std::string> texts, ClassifyMode mode,
                                        const OnResult& on_result, const CancelToken& cancel);

  std::mutex mutex;  // held by the calls of the Classifier, but not over the engine
  Model model;
  Task task;
  ClassifierOptions options;
  tasks::LabelScorer scorer;
  tasks::SessionPool pool;
  const Session::BatchItem* beside = nullptr;  // rides in the next pass, if that is worth it
  bool joined = false;                         // it did
  int limit = 0;                               // tokens of a prompt
  int fixed_tokens = 0;                        // of these, the same for every text
  std::optional<Calibration> calibration;
  std::vector<double> priors;  // [labels] log-probabilities on content-free texts; empty: none
  std::string result_key;
};

}  // namespace qwen
