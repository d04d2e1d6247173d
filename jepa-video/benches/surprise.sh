#!/usr/bin/env bash
# Surprise at impossible physics, from nothing: trains on possible scenes alone, trains the same network on pixels, and
# prints the table of all concepts, with the untrained network beside; it is left in OUT/surprise.txt.
# Two trainings of 6,000 steps and the table: 22 CPU minutes on a Xeon (measured with one replica a training).
# Settings are compared with `--data rehearsal`, whose pairs are others: what was tried is in surprise.md.
#
#   jepa-video/benches/surprise.sh [OUT: folder for the two runs]
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-runs}
cargo xtask train v-jepa --preset scenes --no-probes --out "$out/scenes"
cargo xtask train v-jepa --preset scenes-pixels --no-probes --out "$out/pixels"
cargo xtask probe "$out/scenes" --kind surprise --beside "$out/pixels" | tee "$out/surprise.txt"
