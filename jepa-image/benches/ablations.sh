#!/bin/bash
# What I-JEPA's choices are worth at small scale (the paper's tables 6 to 14 have them at large): block against random masks,
# features against pixels as targets, 1 against 4 target blocks; everything else is one preset, for 3 seeds each.
#   DATA   builtin, or a folder with the four .gz files of Fashion-MNIST (default: builtin)
#   OUT    folder of the comparison; one that is there goes on where it was (default: runs/ablations)
#   XTASK  the program (default: cargo xtask)
# What is given behind is passed on to `compare`, as in: ablations.sh --budget 6000 --seeds 3 --jobs 2
set -eu
${XTASK:-cargo xtask} compare \
    "4 blocks, features=i-jepa" \
    "1 block=i-jepa:model.masks.targets=1" \
    "random masks=i-jepa:model.masks={kind=\"random\",ratio=[0.4,0.6]}" \
    "pixels=i-jepa:model.targets=pixels" \
    --preset "${PRESET:-small}" --data "${DATA:-builtin}" --equal steps --probes linear,knn,low-shot --shots 12 \
    --out "${OUT:-runs/ablations}" "$@"
