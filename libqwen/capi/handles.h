// What stands behind the handles of qwen/qwen_c.h.
#pragma once
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

struct qwen_reply {
  qwen::GenerateResult generation;
  qwen_timings timings;
};

struct qwen_tasks {
  qwen::TaskRegistry registry;
  std::vector<std::string> names;
};

struct qwen_classifier {
  qwen::Classifier classifier;
};

struct qwen_chat {
  qwen::Chat chat;
};
