#!/usr/bin/env bash
# install_packages.sh [LIST...]: installs the missing Debian packages of packages-build.txt, or of the given files in this folder,
# without recommended packages. Needs root or sudo only if packages are missing.
set -euo pipefail
cd "$(dirname "$0")"
(($#)) || set -- packages-build.txt

if ! command -v dpkg-query >/dev/null; then
  echo "install_packages.sh: no dpkg-query on this system; install the packages listed in these files: $*" >&2
  exit 1
fi

missing=()
while read -r package command; do
  if [[ -n $command ]] && command -v "$command" >/dev/null; then
    continue
  fi
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@")

if ((${#missing[@]} == 0)); then
  exit 0
fi

echo "installing: ${missing[*]}" >&2
as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "install_packages.sh: neither root nor sudo; run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}"
}
if ! { "${as_root[@]}" apt-get update -q && install; } >&2; then
  echo "install_packages.sh: apt-get failed (is this machine offline?); still missing: ${missing[*]}" >&2
  exit 1
fi
