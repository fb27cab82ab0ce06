#!/usr/bin/env bash
# build.sh [CMAKE OPTIONS]: configures and builds into build/release, with ccache if it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
options=("$@")
if [[ -z ${CCACHE_DISABLE:-} ]] && command -v ccache >/dev/null; then
  options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
cmake --preset release "${options[@]}"
cmake --build --preset release
