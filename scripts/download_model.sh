#!/usr/bin/env bash
# Downloads an official Qwen2.5-0.5B-Instruct GGUF file and checks it against the hub's own size and SHA-256.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/download_model.sh [-s huggingface|modelscope] [-o DIR] [TYPE]

Downloads qwen2.5-0.5b-instruct-TYPE.gguf, published by the Qwen team. TYPE is q8_0 (the default), fp16,
q6_k, q5_k_m, q5_0, q4_k_m, q4_0, q3_k_m or q2_k. The file goes to DIR (models), under its final name only when its
size and SHA-256 are those that the hub reports. What was interrupted goes on where it stopped.

examples:
  scripts/download_model.sh                           # q8_0 from Hugging Face into models/
  scripts/download_model.sh -s modelscope q4_0        # from ModelScope (faster in China)
  scripts/download_model.sh -o /data/models q4_k_m

HF_ENDPOINT and MODELSCOPE_ENDPOINT name other servers (mirrors) that speak the same protocol.
TEXT
}

die() {
  echo "download_model.sh: $1" >&2
  exit "${2:-1}"
}

source=huggingface
folder=models
type=q8_0
types=" q8_0 fp16 q6_k q5_k_m q5_0 q4_k_m q4_0 q3_k_m q2_k "
given=0
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    -s | --source) (($# > 1)) || die "$1 needs a value" 2; source=$2; shift 2 ;;
    -o | --output) (($# > 1)) || die "$1 needs a value" 2; folder=$2; shift 2 ;;
    -*) die "unknown option $1; --help lists them" 2 ;;
    *) ((given == 0)) || die "more than one TYPE: $type and $1" 2; type=$1; given=1; shift ;;
  esac
done
[[ $types == *" $type "* ]] || die "unknown type \"$type\": expected one of$types" 2
for tool in curl sha256sum python3; do
  command -v "$tool" >/dev/null || die "$tool is missing; scripts/install_packages.sh installs it"
done

repository=Qwen/Qwen2.5-0.5B-Instruct-GGUF
file=qwen2.5-0.5b-instruct-$type.gguf
case $source in
  huggingface)
    base=${HF_ENDPOINT:-https://huggingface.co}
    list_url=$base/api/models/$repository/tree/main
    file_url=$base/$repository/resolve/main/$file
    ;;
  modelscope)
    base=${MODELSCOPE_ENDPOINT:-https://modelscope.cn}
    list_url="$base/api/v1/models/$repository/repo/files?Revision=master&Recursive=true"
    file_url=$base/models/$repository/resolve/master/$file
    ;;
  *) die "unknown source \"$source\": expected huggingface or modelscope" 2 ;;
esac

# "SIZE SHA256" of $file from the hub's list of files.
facts() {
  python3 -c '
import json, re, sys
source, name = sys.argv[1:3]
listing = json.load(sys.stdin)
for entry in listing if source == "huggingface" else listing["Data"]["Files"]:
    if source == "huggingface" and entry["path"] == name:
        size, digest = entry["lfs"]["size"], entry["lfs"]["oid"]
    elif source == "modelscope" and entry["Path"] == name:
        size, digest = entry["Size"], entry["Sha256"]
    else:
        continue
    if not isinstance(size, int) or not re.fullmatch("[0-9a-f]{64}", digest):
        sys.exit(1)
    print(size, digest)
    sys.exit(0)
sys.exit(1)' "$source" "$file"
}

fetch=(curl --fail --silent --show-error --location --connect-timeout 20)
listing=$("${fetch[@]}" --max-time 120 "$list_url") ||
  die "cannot reach $base (offline? try -s modelscope, or set HF_ENDPOINT to a mirror)"
read -r size digest < <(facts <<<"$listing" 2>/dev/null) ||
  die "$base does not tell size and SHA-256 of $file; nothing was downloaded"

matches() { [[ $(stat -c %s "$1") == "$size" && $(sha256sum <"$1") == "$digest"* ]]; }

mkdir -p "$folder"
target=$folder/$file
part=$target.part
if [[ -f $target ]]; then
  matches "$target" && { echo "$target"; echo "already there, size and SHA-256 match" >&2; exit 0; }
  die "$target exists and is not the file that $base offers; move it away first"
fi

have=0
[[ -f $part ]] && have=$(stat -c %s "$part")
if ((have > size)); then
  rm -f "$part"
  have=0
fi
if ((have < size)); then
  needed=$(((size - have) / 1024 + 1024))
  free=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
  ((free > needed)) || die "not enough space in $folder: $needed KiB needed, $free KiB free"
  ((have == 0)) || echo "going on after $have of $size bytes" >&2
  bar=(--silent --show-error)
  [[ -t 2 ]] && bar=(--progress-bar)
  curl --fail --location --connect-timeout 20 --retry 3 "${bar[@]}" --continue-at - --output "$part" "$file_url" ||
    die "the download was interrupted; the same command goes on where it stopped ($part)"
fi
if ! matches "$part"; then
  rm -f "$part"
  die "what came is not what the hub promised (size $size, SHA-256 $digest); removed, please try again"
fi
mv "$part" "$target"
echo "$target"
echo "verified: $size bytes, SHA-256 $digest" >&2
