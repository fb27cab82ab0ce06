#!/usr/bin/env bash
# test.sh [CTEST OPTIONS]: installs packages, builds everything and runs all tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_packages.sh packages-build.txt packages-tests.txt
scripts/build.sh -DQWEN_BUILD_TOOLS=ON -DQWEN_BUILD_TESTS=ON -DQWEN_BUILD_BENCH=ON
export QWEN_NO_SKIP=1 # every tool is installed: a test that cannot run has failed
exec ctest --test-dir build/release --parallel "${QWEN_JOBS:-$(nproc)}" --output-on-failure "$@"
