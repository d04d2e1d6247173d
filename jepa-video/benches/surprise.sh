#!/usr/bin/env bash
# Surprise at impossible physics, from nothing: trains on possible scenes alone, beside it the same network on pixels, and
# prints the table of all concepts, with the untrained network beside; it is left in OUT/surprise.txt. DATA is `scenes`, or
# `flickering:scenes`: the same in a light that nobody can foresee. Each training takes one core (one replica, so that the
# figures do not depend on the number of cores): 12,000 steps, side by side, 19 minutes on a Xeon with AVX-512. Settings are
# compared with `--data rehearsal`, whose pairs are others: what was tried is in surprise.md.
#
#   jepa-video/benches/surprise.sh [OUT: folder for the two runs] [DATA]; what is given behind is passed on to both trainings
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-runs}
data=${2:-scenes}
shift $(($# < 2 ? $# : 2))
xtask=${XTASK:-cargo xtask}
train="$xtask train v-jepa --no-probes --replicas 1 --data $data"
mkdir -p "$out"
# Built once, not by both.
$xtask variants > /dev/null
$train --preset scenes-pixels --out "$out/pixels" "$@" &> "$out/pixels.log" &
pixels=$!
trap 'kill "$pixels" 2> /dev/null || true' EXIT
$train --preset scenes --out "$out/scenes" "$@"
wait "$pixels" || { tail -n 5 "$out/pixels.log" >&2; exit 1; }
$xtask probe "$out/scenes" --kind surprise --beside "$out/pixels" --data "$data" | tee "$out/surprise.txt"
