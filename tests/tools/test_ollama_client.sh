#!/usr/bin/env bash
# Ollama's own client package.
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" ollama_test.mjs
