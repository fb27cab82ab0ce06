#!/usr/bin/env bash
# OpenAI's own client package.
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" openai_test.mjs
