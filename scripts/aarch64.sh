#!/usr/bin/env bash
# Cross-compiles the library, the programs and the tests for aarch64 and runs the tests under qemu-user as three CPUs:
# max (level i8mm), cortex-a76 (dotprod) and cortex-a72 (neon).
# Usage: scripts/aarch64.sh [CTEST OPTIONS]      (for example -R kernels)
# Needs g++-aarch64-linux-gnu, qemu-user-static and the packages of packages-build.txt and packages-tests.txt. The
# target's libraries are downloaded into build/aarch64-sysroot; no foreign architecture is added to the system.
# QWEN_JOBS: compilers and tests at a time (default: one a core). QWEN_CPUS: the CPUs, for example "cortex-a76".
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${QWEN_JOBS:-$(nproc)}
cpus=${QWEN_CPUS:-max cortex-a76 cortex-a72}
sysroot=$PWD/build/aarch64-sysroot
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$tool" >/dev/null || {
    echo "aarch64.sh: $tool is missing: apt-get install g++-aarch64-linux-gnu qemu-user-static" >&2
    exit 1
  }
done

# Of the library and the tests, then of the programs.
packages=(catch2 libcli11-dev libeigen3-dev libpcre2-8-0 libpcre2-dev libsentencepiece-dev libsentencepiece0
          libutf8proc-dev libutf8proc2 libxsimd-dev libyaml-cpp-dev libyaml-cpp0.7 nlohmann-json3-dev
          civetweb libbsd-dev libbsd0 libcivetweb-dev libcivetweb1 libcurl4 libcurl4-openssl-dev libedit-dev libedit2
          libmd-dev libmd0 libncurses-dev libncurses6 libprometheus-cpp-core1.0 libprometheus-cpp-pull1.0
          libprometheus-cpp-push1.0 libtinfo6 prometheus-cpp-dev zlib1g zlib1g-dev)
if [[ $(cat "$sysroot/complete" 2>/dev/null) != "${packages[*]}" ]]; then
  # apt with lists of its own.
  apt=$sysroot/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$sysroot/packages"
  touch "$apt/status"
  own=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$apt/lists"
       -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
  apt-get "${own[@]}" update -q >&2
  (cd "$sysroot/packages" && apt-get "${own[@]}" download "${packages[@]}" >&2)
  for package in "$sysroot"/packages/*.deb; do dpkg -x "$package" "$sysroot"; done
  rm -rf "$apt" "$sysroot/packages"
  echo "${packages[*]}" > "$sysroot/complete"
fi

options=()
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S . -B build/aarch64 -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}" \
  -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux-gnu.cmake" -DQWEN_SYSROOT="$sysroot" \
  -DQWEN_BUILD_TOOLS=ON -DQWEN_BUILD_BENCH=OFF -DQWEN_BUILD_TESTS=ON
cmake --build build/aarch64 -- -j "$jobs"

[[ -x build/release/tools/qwen-run ]] || scripts/build.sh # the program to compare with
QWEN_BIN_DIR=$PWD/build/aarch64 QWEN_ARCH=aarch64 tests/tools/test_isa_symbols.sh
emulator=(qemu-aarch64-static -L /usr/aarch64-linux-gnu
          -E "LD_LIBRARY_PATH=$sysroot/usr/lib/aarch64-linux-gnu:$sysroot/lib/aarch64-linux-gnu")
texts=(今天的实验终于成功了，太棒了！ "The battery died after two days." "不好不坏")
for cpu in $cpus; do
  echo "== $cpu =="
  export QEMU_CPU=$cpu
  # The program's answers with the bundled model, with all digits of their probabilities, are those of this machine's.
  for text in "${texts[@]}"; do
    found=$("${emulator[@]}" build/aarch64/tools/qwen-run sentiment --json "$text" | sed "s/,\"ms\".*//")
    expected=$(build/release/tools/qwen-run sentiment --json "$text" | sed "s/,\"ms\".*//")
    [[ $found == "$expected" ]] || {
      printf '%s: answers differ:\n%s\n%s\n' "$cpu" "$found" "$expected" >&2
      exit 1
    }
  done
  # Left out: levels of x86, tests that start programs without the emulator, and what counts or refuses the emulator's
  # own allocations.
  ctest --test-dir build/aarch64 -j "$jobs" --output-on-failure \
    -E '^tools\.|avx|^unit\.(allocation|out_of_memory)$' "$@"
done
