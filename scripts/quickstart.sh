#!/usr/bin/env bash
# quickstart.sh: from a fresh clone to the first answer. Installs packages, builds qwen-run, asks it, then builds the other programs.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_packages.sh

build() {  # [BUILD.SH OPTIONS]
  if ! scripts/build.sh -DQWEN_BUILD_TESTS=OFF -DQWEN_BUILD_BENCH=OFF "$@" >build.log 2>&1; then
    tail -n 30 build.log >&2
    echo "quickstart.sh: the build failed; see build.log" >&2
    exit 1
  fi
}
echo "building qwen-run (a few minutes the first time) ..."
build -- qwen-run

run=build/release/tools/qwen-run
show() {  # prints the command, then runs it
  printf '\n$ %s\n' "$*"
  "$@"
}
show "$run" sentiment "今天的实验终于成功了，太棒了！"
show "$run" analyze "房间很脏，空调也坏了，再也不来了。"

printf '\nbuilding qwen-serve and qwen-quantize ...\n'
build
rm -f build.log
cat <<TEXT

Try:
  $run chat
  build/release/tools/qwen-serve        then open http://127.0.0.1:8080
  scripts/download_model.sh             an official Qwen model, which answers far better
  $run -m models/qwen2.5-0.5b-instruct-q8_0.gguf "你好"
TEXT
