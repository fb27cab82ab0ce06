#!/usr/bin/env bash
# The web page, driven in Chromium.
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" page_test.mjs
