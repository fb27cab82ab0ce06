#!/usr/bin/env bash
# run.sh TEST.mjs...: runs tests with node, next to the packages of package-lock.json, which it installs into the build
# folder once. What is missing on this machine makes the tests skip (77), or fail where QWEN_NO_SKIP is set.
set -euo pipefail
cannot() {
  echo "tests/web: $*" >&2
  if [[ -n ${QWEN_NO_SKIP:-} ]]; then exit 1; else exit 77; fi
}
for tool in node npm; do
  command -v "$tool" >/dev/null || cannot "no $tool here; scripts/packages-tests.txt has the package"
done
(($(node -p 'process.versions.node.split(".")[0]') >= 18)) || cannot "node $(node --version) is too old, expected 18 or newer"
[[ -x ${QWEN_CHROMIUM:-/usr/bin/chromium} ]] || cannot "no /usr/bin/chromium here; scripts/packages-tests.txt has the package"
[[ -x $QWEN_BIN_DIR/tools/qwen-serve ]] || cannot "qwen-serve is not built (QWEN_BUILD_TOOLS)"

folder=$QWEN_BIN_DIR/tests/web
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9 # two tests may start at once
cp "$QWEN_SOURCE_DIR"/tests/web/{*.mjs,package.json,package-lock.json} "$folder"
cd "$folder"
if ! cmp -s package-lock.json installed; then
  npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error \
    --fetch-retries=1 --fetch-retry-mintimeout=2000 >&2 ||
    cannot "npm ci failed (offline?): the first run needs the npm registry, or npm's cache"
  cp package-lock.json installed
fi
exec 9>&-
export QWEN_CHROMIUM=${QWEN_CHROMIUM:-/usr/bin/chromium}
exec node --test "$@"
