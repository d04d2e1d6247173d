#!/usr/bin/env bash
# Surprise at impossible physics, from nothing: trains on possible scenes alone, trains the same network on pixels, and
# prints the table of all concepts, with the untrained network beside. On two cores each training takes some ten minutes
# and the table some seven more.
#
#   jepa-video/benches/surprise.sh [folder for the two runs]
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-runs}
cargo xtask train v-jepa --preset scenes --out "$out/scenes"
cargo xtask train v-jepa --preset scenes-pixels --out "$out/pixels"
cargo xtask probe "$out/scenes" --kind surprise --beside "$out/pixels"
