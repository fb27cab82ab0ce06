// A loaded model with all that its requests share.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "qwen-serve/classifier_registry.h"
#include "qwen-serve/options.h"
#include "qwen/engine.h"
#include "qwen/qwen.h"

namespace qwen_serve {

// Tokens of a prompt at most.
int max_prompt(const Options& options, int context);

// Requests hold a shared_ptr to the model that they use. `options` and `tasks` must outlive it.
struct ServedModel {
  // Throws qwen::Error if the options do not suit the model.
  ServedModel(std::string id, qwen::Model model, const Options& options, const qwen::TaskRegistry& tasks,
              ClassifierRegistry::Results labels);

  const std::string id;  // for clients
  const Options& options;
  const qwen::Model model;
  const std::shared_ptr<qwen::Engine> engine;
  ClassifierRegistry classifiers;
  const bool tools_shown;  // shows_tools() of the chat template

  int context() const { return engine->options().context; }
  int max_prompt() const { return qwen_serve::max_prompt(options, context()); }  // tokens
  // Bytes of keys and values that the engine keeps at most: `max_sequences` full contexts.
  double kv_limit() const;
  // Sampling options of a completion, unless the request sets them.
  qwen::SamplingOptions default_sampling() const;
  // Throws ApiError 400 if a prompt is longer than max_prompt() or fills the context.
  void check_prompt(std::size_t tokens, const char* field) const;
  // Throws ApiError 400 if a token id is not in the vocabulary.
  void check_tokens(std::span<const qwen::Token> tokens, const char* field) const;
};

using ServedModelPtr = std::shared_ptr<ServedModel>;

// Whether the template tells the model which tools there are.
bool shows_tools(const qwen::ChatTemplate& chat_template);
// A model's name without characters that are awkward in a URL.
std::string model_id(const std::string& name);

}  // namespace qwen_serve
