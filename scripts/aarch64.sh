#!/usr/bin/env bash
# Cross-compiles the library and its unit tests for aarch64 and runs them under qemu-user: the portable path on another
# machine.
# Usage: scripts/aarch64.sh [CTEST OPTIONS]      (for example -R kernels)
# Needs g++-aarch64-linux-gnu and qemu-user-static; the target's libraries are downloaded into build/aarch64-sysroot,
# the system's packages stay as they are. QWEN_JOBS: compilers and tests at a time (default: one a core).
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${QWEN_JOBS:-$(nproc)}
sysroot=$PWD/build/aarch64-sysroot
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$tool" >/dev/null || {
    echo "aarch64.sh: $tool is missing: apt-get install g++-aarch64-linux-gnu qemu-user-static" >&2
    exit 1
  }
done

packages=(catch2 libcli11-dev libeigen3-dev libpcre2-8-0 libpcre2-dev libsentencepiece-dev libsentencepiece0
          libutf8proc-dev libutf8proc2 libxsimd-dev libyaml-cpp-dev libyaml-cpp0.7 nlohmann-json3-dev)
if [[ ! -e $sysroot/complete ]]; then
  # apt with lists of its own, so that no foreign architecture is added to the system.
  apt=$sysroot/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$sysroot/packages"
  touch "$apt/status"
  own=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$apt/lists"
       -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
  apt-get "${own[@]}" update -q >&2
  (cd "$sysroot/packages" && apt-get "${own[@]}" download "${packages[@]}" >&2)
  for package in "$sysroot"/packages/*.deb; do dpkg -x "$package" "$sysroot"; done
  rm -rf "$apt" "$sysroot/packages"
  touch "$sysroot/complete"
fi

options=()
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S . -B build/aarch64 -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}" \
  -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux-gnu.cmake" -DQWEN_SYSROOT="$sysroot" \
  -DQWEN_BUILD_TOOLS=OFF -DQWEN_BUILD_BENCH=OFF -DQWEN_BUILD_TESTS=ON
cmake --build build/aarch64 -- -j "$jobs"
# Left out: levels of x86, and what counts or refuses the emulator's own allocations.
exec ctest --test-dir build/aarch64 -j "$jobs" --output-on-failure \
  -E '^tools\.|avx|^unit\.(allocation|out_of_memory)$' "$@"
