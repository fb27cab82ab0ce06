#!/bin/bash
# Files that are compiled for an instruction set must not define anything that the linker shares with other files: it
# might keep their copy, and an older CPU would crash in it. QWEN_ARCH: the library's architecture, if not this machine's.
set -eu
library=$(find "$QWEN_BIN_DIR/libqwen" -maxdepth 1 -name 'libqwen.a' | head -1)
if [ -z "$library" ]; then
  library=$(find "$QWEN_BIN_DIR/libqwen" -maxdepth 1 -name 'libqwen.so' | head -1)
  [ -n "$library" ] || { echo "no library under $QWEN_BIN_DIR/libqwen"; exit 1; }
  echo "skipped: a shared library has no members to look at"
  exit 0
fi
case ${QWEN_ARCH:-$(uname -m)} in
  x86_64) levels="avx2 avxvnni avx512" ;;
  aarch64) levels="dotprod i8mm" ;; # neon is the base machine: its files have no flags of their own
  *) echo "skipped: no such files on $(uname -m)"; exit 0 ;;
esac

# Lines "member: name type ...", defined symbols only.
symbols=$(nm --print-file-name --format=posix --defined-only "$library" | grep -E "_(${levels// /|})\.cpp\.o\]")
for isa in $levels; do
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
