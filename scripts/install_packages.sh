#!/usr/bin/env bash
# install_packages.sh [LIST...]: installs the Debian packages of packages.txt, or of these files beside it, that are
# missing. Needs root or sudo, and only where some are missing.
# A package whose line names a command too is not missing where that command is there, whoever brought it.
set -euo pipefail
cd "$(dirname "$0")"
(($#)) || set -- packages.txt

if ! command -v dpkg-query >/dev/null; then
  echo "install_packages.sh: this is no Debian system; install what these list by other means: $*" >&2
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
    echo "install_packages.sh: run this once as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}
if ! { "${as_root[@]}" apt-get update -q && install; } >&2; then
  echo "install_packages.sh: apt-get failed (is this machine offline?); still missing: ${missing[*]}" >&2
  exit 1
fi
