#!/usr/bin/env bash
# From a fresh clone to the first answer: installs packages, builds, and runs qwen-run.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_packages.sh
echo "building (a few minutes the first time) ..."
if ! scripts/build.sh -DQWEN_BUILD_TESTS=OFF -DQWEN_BUILD_BENCH=OFF >build.log 2>&1; then
  tail -n 30 build.log >&2
  echo "quickstart.sh: the build failed; the whole log is build.log" >&2
  exit 1
fi
rm -f build.log

run=build/release/tools/qwen-run
show() {  # prints a command as one would type it, then runs it
  printf '\n$ %s\n' "$*"
  "$@"
}

# The bundled model where the library has one, else the tests' tiny one, which knows one sentence by heart.
if "$run" info >/dev/null 2>&1; then
  show "$run" sentiment "今天的实验终于成功了，太棒了！"
  show "$run" analyze "房间很脏，空调也坏了，再也不来了。"
  printf '\nNow try:\n  %s "你好"\n  %s chat\n  %s --help\n' "$run" "$run" "$run"
else
  show "$run" -m tests/data/tiny.gguf 你好
fi
cat <<TEXT

An official Qwen model answers far better:
  scripts/download_model.sh
  $run -m models/qwen2.5-0.5b-instruct-q8_0.gguf "你好"
TEXT
