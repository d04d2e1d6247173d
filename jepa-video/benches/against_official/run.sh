#!/usr/bin/env bash
# P3, P5 and P6 for video: the training step, feature extraction and peak memory of V-JEPA, f32, all cores, against the
# official code in PyTorch, in alternating runs; and how fast one thread decodes, cuts and masks clips against what the
# step eats. Nothing else should run on the machine.
#
#   PYTHON=/path/to/venv/bin/python JEPA=/path/to/facebookresearch/jepa jepa-video/benches/against_official/run.sh [pairs]
#
# SIZES says what is run, one `ours:theirs:pixels:frames:batch:predictor width:predictor depth:heads` a word; DATA, a
# folder of recordings, is what the data side reads (default: the built-in clips). Both sides draw masks of the official
# generators; their lengths are in the figures. One JSON object a line goes to FIGURES, by default figures.jsonl beside this
# script.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
pairs=${1:-5}
python=${PYTHON:?set PYTHON to an interpreter with torch}
jepa=${JEPA:?set JEPA to a checkout of facebookresearch/jepa}
sizes=${SIZES:-vit-s16:vit_small:224:16:2:384:12:6}
figures=${FIGURES:-$here/figures.jsonl}
rounds=${ROUNDS:-6}
threads=$(nproc)
if [[ -z ${XTASK:-} ]]; then
  cargo build --quiet --package xtask
  XTASK="cargo xtask"
fi
: > "$figures"
note() { sed "s/^/{\"pair\": $1, \"size\": \"$2\", \"$3\": /; s/\$/}/" >> "$figures"; }
for size in $sizes; do
  IFS=: read -r ours theirs pixels frames batch width depth heads <<< "$size"
  for pair in $(seq "$pairs"); do
    $XTASK bench v-jepa --preset "$ours" ${DATA:+--data "$DATA"} --set run.batch="$batch" \
      --set model.view.crop.size="$pixels" --set model.view.clip.frames="$frames" --set model.predictor.width="$width" \
      --set model.predictor.depth="$depth" --set model.predictor.heads="$heads" \
      --rounds "$rounds" --device cpu --json | note "$pair" "$size" ours
    for features in "" --features; do
      "$python" jepa-video/tests/reference/bench.py --jepa "$jepa" --size "$theirs" --px "$pixels" --frames "$frames" \
        --batch "$batch" --pred-dim "$width" --pred-depth "$depth" --steps "$rounds" --threads "$threads" $features \
        2> /dev/null | tail -1 | note "$pair" "$size" "pytorch${features:+_features}"
    done
  done
done
"$python" - "$figures" <<'PY'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
for size in dict.fromkeys(r["size"] for r in rows):
    of = lambda key: [r[key] for r in rows if r["size"] == size and key in r]
    ours, steps, features = [o["reports"][0] for o in of("ours")], of("pytorch"), of("pytorch_features")
    show = lambda v: f"median {statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f}, {len(v)} pairs)"
    name, _, pixels, frames, batch, *_ = size.split(":")
    print(f"{name}, {frames} frames of {pixels} pixels, batch {batch}, {ours[0]['replicas']} replicas")
    print("  training step over PyTorch's", show([o["step_median"] / t["step_s"] for o, t in zip(ours, steps)]))
    print("  feature time over PyTorch's ", show([t["clips_per_s"] / o["feature_rate"] for o, t in zip(ours, features)]))
    print("  peak memory over PyTorch's  ", show([o["peak_mib"] / t["peak_mib"] for o, t in zip(ours, steps)]))
    print("  data of one thread over what the step eats", show([o["data_rate"] / o["train_rate"] for o in ours]))
    print("  mask lengths: ours", {k: round(v, 1) for k, v in ours[0]["figures"].items()}, "theirs, means by generator",
          *[[round(statistics.mean(k[g] for k in steps[0][key]), 1) for g in range(2)] for key in ("k_enc", "k_pred")])
PY
