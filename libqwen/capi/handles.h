// The handles of qwen/qwen_c.h.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "qwen/qwen.h"
#include "qwen/qwen_c.h"

struct qwen_model {
  qwen::Model model;
};

struct qwen_session {
  qwen::Session session;
};

struct qwen_snapshot {
  qwen::Snapshot snapshot;
};

struct qwen_cancel {
  qwen::CancelToken token;
};

struct qwen_constraint {
  qwen::Constraint constraint;
};

struct qwen_reply {
  qwen::GenerateResult generation;
  qwen_timings timings;
  std::vector<std::vector<qwen_token_probability>> logprobs;  // [tokens] each token's own first
};

struct qwen_sampler {
  qwen::Sampler sampler;
};

struct qwen_text_stream {
  qwen::TextStream stream;
  std::string text;  // of the last call
};

struct qwen_engine {
  std::shared_ptr<qwen::Engine> engine;
};

struct qwen_job {
  qwen::EngineJob job;
  std::shared_ptr<qwen::Engine> engine;  // outlives the job
  std::string text;                      // of the last call
};

struct qwen_model_file {
  qwen::ModelInfo info;
};

struct qwen_tasks {
  qwen::TaskRegistry registry;
  std::vector<std::string> names;
};

struct qwen_classifier {
  qwen::Classifier classifier;
};

struct qwen_embedder {
  qwen::Embedder embedder;
  qwen::EmbedOptions options;
};

struct qwen_reranker {
  qwen::Reranker reranker;
  qwen::RerankOptions options;
};

struct qwen_chat {
  qwen::Chat chat;
};
