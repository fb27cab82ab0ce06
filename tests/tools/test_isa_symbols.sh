#!/bin/bash
# Files that are compiled for more than the base machine must not define anything that a linker could share with
# other files: the copy that it keeps might be theirs, and an older CPU would die in it.
set -eu
library=$(find "$QWEN_BIN_DIR/libqwen" -maxdepth 1 -name 'libqwen.a' | head -1)
if [ -z "$library" ]; then
  library=$(find "$QWEN_BIN_DIR/libqwen" -maxdepth 1 -name 'libqwen.so' | head -1)
  [ -n "$library" ] || { echo "no library under $QWEN_BIN_DIR/libqwen"; exit 1; }
  echo "skipped: a shared library has no members to look at"
  exit 0
fi
[ "$(uname -m)" = x86_64 ] || { echo "skipped: no such files on $(uname -m)"; exit 0; }

# Lines "member: name type ...", defined symbols only.
symbols=$(nm --print-file-name --format=posix --defined-only "$library" | grep -E '_(avx2|avxvnni|avx512)\.cpp\.o\]')
for isa in avx2 avxvnni avx512; do
  if ! grep -q "_$isa\.cpp\.o" <<< "$symbols"; then
    echo "no symbols of an $isa file found: has the naming changed?"
    exit 1
  fi
done
# W, V: weak; u: unique; i: chosen at run time. Not code, and the same everywhere: the pointer DW.ref to the personality
# routine of exceptions, and what sanitisers add (names with "san").
bad=$(awk '$3 ~ /^[WVui]$/ && $2 !~ /^DW\.ref\.|san[._]|__odr/' <<< "$symbols")
if [ -n "$bad" ]; then
  echo "shared definitions in files of an instruction set:"
  c++filt <<< "$bad"
  exit 1
fi
echo "no shared definitions in $(cut -d: -f1 <<< "$symbols" | sort -u | wc -l) files"
