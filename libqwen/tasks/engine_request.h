// Requests of tasks to an engine.
#pragma once
#include "qwen/engine.h"

namespace qwen::tasks {

// Error(invalid_argument) where the engine computes another model.
void check_engine(const Engine& engine, const Model& model);

// A request whose callbacks refer to what the asking function holds: it has ended when this goes away.
class Asked {
 public:
  Asked(Engine& engine, EngineRequest request) : job_(engine.submit(std::move(request))) {}
  Asked(Asked&&) = default;
  ~Asked() {
    if (!job_) return;
    job_.cancel();
    try {
      job_.result();
    } catch (...) {  // nobody asks any more
    }
  }
  const EngineResult& result() { return job_.result(); }

 private:
  EngineJob job_;
};

}  // namespace qwen::tasks
