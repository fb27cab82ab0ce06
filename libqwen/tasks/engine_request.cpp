#include "tasks/engine_request.h"

#include "tasks/errors.h"

namespace qwen::tasks {

void check_engine(const Engine& engine, const Model& model) {
  if (&engine.model().state() != &model.state())
    fail(ErrorCode::invalid_argument,
         "the engine computes another model: ", quote(engine.model().info().name));
}

}  // namespace qwen::tasks
