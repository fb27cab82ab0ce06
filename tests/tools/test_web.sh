#!/usr/bin/env bash
# The web page, driven in Chromium: against a stand-in server, then against qwen-serve. Firefox and WebKitGTK are not steady enough
# yet: "tests/web/run.sh other_browsers_test.mjs" drives them (Debian: firefox-esr, webkit2gtk-driver, xvfb).
exec "$QWEN_SOURCE_DIR/tests/web/run.sh" words_test.mjs page_test.mjs conversations_test.mjs \
  overlap_test.mjs batch_test.mjs server_page_test.mjs old_browsers_test.mjs
