#!/usr/bin/env bash
# The web page, driven in Chromium: against a stand-in server, then against qwen-serve.
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" page_test.mjs server_page_test.mjs
