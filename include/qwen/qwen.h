// libqwen: CPU inference for small Qwen models. This header includes the whole C++ API.
#pragma once
#include "qwen/chat_template.h"
#include "qwen/error.h"
#include "qwen/generate.h"
#include "qwen/model.h"
#include "qwen/quantize.h"
#include "qwen/sampler.h"
#include "qwen/session.h"
#include "qwen/tokenizer.h"
