#!/usr/bin/env bash
# Every source is laid out as .clang-format says, and clang-tidy finds nothing of what .clang-tidy asks for.
set -euo pipefail
if [[ -n ${QWEN_SANITIZE:-} ]]; then
  echo "skipped: a sanitiser changes nothing about what is found"
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
