#!/usr/bin/env bash
# P1, P2, P5 and P8: the training step, feature extraction and peak memory of ViT-T/16 and ViT-S/16 at 224 px, batch 16,
# f32, all cores, against the official code in PyTorch, and one replica against one a core, in alternating runs.
# Nothing else should run on the machine.
#
#   PYTHON=/path/to/venv/bin/python IJEPA=/path/to/facebookresearch/ijepa jepa-image/benches/against_pytorch/run.sh [pairs]
#
# Both sides draw official masks with the official block sizes of the first batches; the mean mask lengths are in the
# figures. One JSON object a line goes to figures.jsonl beside this script.
#
# On processors that are not Intel's the MKL in PyTorch's wheel takes kernels for AVX2 even where there is AVX-512, at less
# than half the speed. To see what it could do, set LD_PRELOAD for $PYTHON alone to a library with
# `int mkl_serv_intel_cpu_true(void) { return 1; }`: avx512-mkl.jsonl, beside avx512.jsonl with the wheel as it comes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
pairs=${1:-5}
python=${PYTHON:?set PYTHON to an interpreter with torch}
ijepa=${IJEPA:?set IJEPA to a checkout of facebookresearch/ijepa}
threads=$(nproc)
cargo build --quiet --package xtask
masks=$(mktemp --suffix=.safetensors)
trap 'rm -f "$masks"' EXIT
reference=jepa-image/tests/reference/bench.py
"$python" "$reference" --ijepa "$ijepa" --make-masks "$masks" > /dev/null
: > "$here/figures.jsonl"
for size in vit-t:vit_tiny:96 vit-s:vit_small:192; do
  IFS=: read -r ours theirs width <<< "$size"
  for pair in $(seq "$pairs"); do
    cargo xtask bench i-jepa --preset "${ours}16" --set run.batch=16 --rounds 8 --device cpu --json |
      sed "s/^/{\"pair\": $pair, \"size\": \"$ours\", \"ours\": /; s/\$/}/" >> "$here/figures.jsonl"
    cargo xtask bench i-jepa --preset "${ours}16" --set run.batch=16 --rounds 4 --device cpu --replicas 1 --json |
      sed "s/^/{\"pair\": $pair, \"size\": \"$ours\", \"one\": /; s/\$/}/" >> "$here/figures.jsonl"
    for features in "" --features; do
      "$python" "$reference" --ijepa "$ijepa" --masks "$masks" --size "$theirs" --pred-dim "$width" \
        --batch 16 --steps 8 --threads "$threads" $features |
        sed "s/^/{\"pair\": $pair, \"size\": \"$ours\", \"pytorch${features:+_features}\": /; s/\$/}/" >> "$here/figures.jsonl"
    done
  done
done
"$python" - "$here/figures.jsonl" <<'PY'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
for size in dict.fromkeys(r["size"] for r in rows):
    of = lambda key: [r[key] for r in rows if r["size"] == size and key in r]
    ours, one, steps, features = of("ours"), of("one"), of("pytorch"), of("pytorch_features")
    replicas = ours[0]["reports"][0]["replicas"]
    step = [o["reports"][0]["step_median"] / t["step_s"] for o, t in zip(ours, steps)]
    feat = [t["images_per_s"] / o["reports"][0]["feature_rate"] for o, t in zip(ours, features)]
    memory = [o["reports"][0]["peak_mib"] / t["peak_mib"] for o, t in zip(ours, steps)]
    scaling = [a["reports"][0]["step_median"] / replicas / b["reports"][0]["step_median"] for a, b in zip(one, ours)]
    show = lambda v: f"median {statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f}, {len(v)} pairs)"
    print(f"{size}/16: training step over PyTorch's {show(step)}; feature time over PyTorch's {show(feat)}")
    print(f"        peak memory over PyTorch's {show(memory)}; efficiency of {replicas} replicas {show(scaling)}")
PY
