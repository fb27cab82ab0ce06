#!/usr/bin/env bash
# Answers of a given form and calls of tools through OpenAI's package, the AI SDK and LangChain.
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" forms_test.mjs
