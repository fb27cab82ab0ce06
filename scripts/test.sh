#!/usr/bin/env bash
# Builds everything and runs all tests, on a fresh Debian 12 too.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_packages.sh packages.txt packages-library-tests.txt packages-web-tests.txt packages-lint.txt
scripts/build.sh -DQWEN_BUILD_TOOLS=ON -DQWEN_BUILD_TESTS=ON -DQWEN_BUILD_BENCH=ON
# Here everything is installed: a test that cannot run has failed.
export QWEN_NO_SKIP=1
exec ctest --test-dir build/release --output-on-failure "$@"
