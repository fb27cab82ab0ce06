#!/bin/sh
# Trains sp-bpe.model and sp-unigram.model on the texts of cases.jsonl and encodes these with the library's own tool:
# sp-bpe.ids and sp-unigram.ids, a line for each line of sp-lines.txt. Needs Debian's package sentencepiece.
set -e
cd "$(dirname "$0")"
python3 - > sp-lines.txt <<'PYTHON'
import json
for line in open("cases.jsonl", encoding="utf8"):
    text = json.loads(line)["text"]
    if not any(c in text for c in "\n\r\x00\x0b\x0c\x85\u2028\x1c") and text.strip() and "<|" not in text:
        print(text)
PYTHON
for type in bpe unigram; do
  spm_train --input=sp-lines.txt --model_prefix=sp-$type --model_type=$type --vocab_size=700 --byte_fallback=true \
    --character_coverage=0.98 --normalization_rule_name=identity --remove_extra_whitespaces=false --num_threads=1 \
    --control_symbols='<|im_start|>,<|im_end|>,<|endoftext|>' --user_defined_symbols='    ,<td>' --minloglevel=2
  spm_encode --model=sp-$type.model --output_format=id < sp-lines.txt > sp-$type.ids
  rm sp-$type.vocab
done
