#!/usr/bin/env bash
# Every source is laid out as .clang-format says.
set -euo pipefail
if ! command -v clang-format-14 clang-format >/dev/null; then
  echo "clang-format is missing: scripts/install_packages.sh packages-lint.txt installs it"
  if [[ -n ${QWEN_NO_SKIP:-} ]]; then exit 1; fi
  exit 77
fi
"$QWEN_SOURCE_DIR/scripts/lint.sh" --layout
