#!/usr/bin/env bash
# Every source is formatted as .clang-format says, and clang-tidy has no findings in the library.
set -euo pipefail
if [[ -n ${QWEN_SANITIZE:-} ]]; then
  echo "skipped: sanitizers do not change the findings"
  exit 77
fi
for tool in clang-format clang-tidy; do
  if ! command -v "$tool-14" "$tool" >/dev/null; then
    echo "$tool is missing: scripts/install_packages.sh packages-tests.txt installs it"
    if [[ -n ${QWEN_NO_SKIP:-} ]]; then exit 1; fi
    exit 77
  fi
done
"$QWEN_SOURCE_DIR/scripts/lint.sh"
