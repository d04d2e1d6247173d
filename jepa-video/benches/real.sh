#!/usr/bin/env bash
# V-JEPA on real recordings: trains on the pieces that `real_clips.py FOLDER ..` made, probes what recording a held-out piece is
# from (nearest neighbours and linear), and asks for surprise where one recording is cut into another.
#
#   jepa-video/benches/real.sh FOLDER [OUT: folder for the run]; what is given behind is passed on to the training
set -euo pipefail
clips=$(realpath "${1:?the folder that real_clips.py made}")
cd "$(dirname "$0")/../.."
out=${2:-runs}/real
shift $(($# < 2 ? $# : 2))
xtask=${XTASK:-cargo xtask}
$xtask train v-jepa --preset small --data "$clips/segments" --steps 300 --set run.batch=16 --out "$out" "$@"
$xtask probe "$out" --kind surprise --data "intphys:$clips/cuts"
