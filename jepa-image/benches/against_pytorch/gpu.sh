#!/usr/bin/env bash
# P4: the training step of ViT-H/14 (and of ViT-B/16, where launches weigh more) on one GPU, 224 px, bf16 products, against
# the official code with its bf16 autocast on the same card, in alternating runs. Both sides draw block sizes as the official
# collator does in its third to tenth batch; where blocks lie differs, so mean mask lengths are in the figures. Our step
# begins with the pictures in the host's memory, the official one with pictures and masks on the card.
#
#   PYTHON=/path/to/venv/bin/python IJEPA=/path/to/facebookresearch/ijepa \
#     jepa-image/benches/against_pytorch/gpu.sh [pairs] [device] [size=batch ...]
#
# One JSON object a line goes to $OUT/gpu.jsonl (without OUT: beside this script).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
pairs=${1:-2} device=${2:-tch:cuda:0}
shift $(($# < 2 ? $# : 2))
python=${PYTHON:?set PYTHON to an interpreter with torch} ijepa=${IJEPA:?set IJEPA to a checkout of facebookresearch/ijepa}
xtask=${XTASK:-cargo run --quiet --package xtask --features tch --}
figures=${OUT:-$here}/gpu.jsonl
reference=jepa-image/tests/reference/bench.py
masks=$(mktemp --suffix=.safetensors)
trap 'rm -f "$masks"' EXIT
: > "$figures"
(($# > 0)) || set -- vit-h14=64 vit-b16=128
for work in "$@"; do
  IFS='=' read -r preset batch <<< "$work"
  case $preset in
    vit-h14) size=(--size vit_huge --patch 14 --pred-dim 384 --pred-depth 12) ;;
    vit-b16) size=(--size vit_base --patch 16 --pred-dim 384 --pred-depth 6) ;;
    *) echo "vit-h14 or vit-b16, not $preset" >&2; exit 2 ;;
  esac
  "$python" "$reference" --ijepa "$ijepa" --make-masks "$masks" "${size[@]:0:4}" --batch "$batch" > /dev/null
  for pair in $(seq "$pairs"); do
    note() { sed "s/^/{\"pair\": $pair, \"size\": \"$preset\", \"$1\": /; s/\$/}/" >> "$figures"; }
    "$python" "$reference" --ijepa "$ijepa" --masks "$masks" "${size[@]}" --batch "$batch" --device cuda --bf16 | note official
    $xtask bench i-jepa --preset "$preset" --set run.batch="$batch" --set run.precision=bf16 --rounds 8 --device "$device" \
      --json | note ours
  done
done
"$python" - "$figures" <<'PY'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
for size in dict.fromkeys(r["size"] for r in rows):
    official = [r["official"] for r in rows if r["size"] == size and "official" in r]
    ours = [r["ours"]["reports"][0] for r in rows if r["size"] == size and "ours" in r]
    batch = official[0]["batch"]
    theirs = statistics.median(batch / o["step_s"] for o in official)
    rate = statistics.median(o["train_rate"] for o in ours)
    print(f"{size}, batch {batch}, {official[0]['device']}: {rate:.0f} images/s on {ours[0]['engine']}, official {theirs:.0f}"
          f" (torch {official[0]['torch']}): {rate / theirs:.2f} times; {ours[0]['gflops'] / 1000:.0f} TFLOP/s")
    mean = lambda v: sum(v) / len(v)
    print(f"  context and target tokens {ours[0]['figures']['context_tokens']:.0f}, {ours[0]['figures']['target_tokens']:.0f};"
          f" official {mean(official[0]['k_enc']):.0f}, {mean(official[0]['k_pred']):.0f};"
          f" official peak {official[0]['peak_gpu_mib']:.0f} MiB")
PY
