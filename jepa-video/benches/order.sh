#!/usr/bin/env bash
# What V-JEPA learns of motion, from nothing: trains on the built-in clips (real images, synthetic motion), then fits the
# attentive probe on features of the trained and the untrained encoder: on how a sprite moves and on what it is, and on the
# same clips without the order of time (frames shuffled; one frame all along). What is still read off those needs no time.
# What a sprite is needs none; there the probe with few labels and the linear one on the mean token stand beside. Five minutes
# of training and fourteen of probes on two cores of an AMD EPYC with AVX-512.
#
#   jepa-video/benches/order.sh [OUT: folder of the run]; what is given behind is passed on to the training
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-runs}/order
shift || true
xtask=${XTASK:-cargo xtask}
$xtask train v-jepa --preset small --no-probes --out "$out" "$@"
{
    for data in builtin:law shuffled:builtin:law still:builtin:law builtin:identity still:builtin:identity; do
        echo "== attentive, $data"
        $xtask probe "$out" --kind attentive --data "$data"
    done
    echo "== attentive, 400 labels, builtin:identity"
    $xtask probe "$out" --kind attentive --data builtin:identity \
        --set probe.attentive.max_train=400 --set probe.attentive.epochs=60
    for kind in knn linear; do
        echo "== $kind, builtin:identity"
        $xtask probe "$out" --kind $kind --data builtin:identity
    done
} | tee "$out/order.txt"
