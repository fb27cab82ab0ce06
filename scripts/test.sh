#!/usr/bin/env bash
# test.sh [CTEST OPTIONS]: installs packages, builds everything and runs all tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install_packages.sh packages-build.txt packages-tests.txt
scripts/build.sh -DQWEN_BUILD_TOOLS=ON -DQWEN_BUILD_TESTS=ON -DQWEN_BUILD_BENCH=ON
# promtool and prometheus check the server's metrics. Installing their package would start a service, so it is only unpacked.
if ! command -v promtool >/dev/null; then
  folder=$PWD/build/prometheus
  if [[ ! -x $folder/usr/bin/promtool ]]; then
    mkdir -p "$folder"
    (cd "$folder" && apt-get download -q prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb)
  fi
  export PATH=$folder/usr/bin:$PATH
fi
export QWEN_NO_SKIP=1 # every tool is installed: a test that cannot run has failed
exec ctest --test-dir build/release --parallel "${QWEN_JOBS:-$(nproc)}" --output-on-failure "$@"
