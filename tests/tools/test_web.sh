#!/usr/bin/env bash
# The web page, driven in Chromium, Firefox and WebKitGTK: against a stand-in server, then against qwen-serve.
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" words_test.mjs page_test.mjs conversations_test.mjs \
  overlap_test.mjs batch_test.mjs server_page_test.mjs old_browsers_test.mjs other_browsers_test.mjs
