"""P7: farthest points, neighbours and the greedy order against the official implementations, in alternating runs.

    PYTHONPATH=<pytorch3d or a build of its C++ files> python alternate.py --point-jepa PATH --ours PROGRAM
                                                       [--threads 1] [--rounds 15] [--batch 32]

Theirs: `sample_farthest_points` and `knn_points` of pytorch3d (its C++ for the CPU; the figures say when it is not
installed and a restatement in PyTorch stands in) and the sequencer of Ayumu-J-S/Point-JEPA. Ours: the bench `geometry`,
built with `cargo bench --workspace --bench geometry --profile dev --no-run`, as one process that waits between its turns.
Both work on the same clouds of 1,024 points, 64 centres from point 0 and 32 neighbours; a checksum of the indices has to
agree before anything is timed. In each round theirs and ours follow one another, in turns who is first. One JSON object a
round and operation goes to figures.jsonl beside this script; medians of the ratios of rounds are printed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "reference"))
from common import backend, use_point_jepa  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--point-jepa", required=True, help="checkout of Ayumu-J-S/Point-JEPA")
    p.add_argument("--ours", required=True, help="the bench program")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--batch", type=int, default=32)
    args = p.parse_args()
    use_point_jepa(args.point_jepa)
    from model import CONFIG, build
    from pytorch3d.ops import knn_points, sample_farthest_points

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    points = torch.randn(args.batch, 1024, 3)
    points = (points / points.norm(dim=-1).amax(1)[:, None, None]).contiguous()
    sequencer = build(dict(CONFIG)).point_sequencer
    place = torch.arange(64)

    def farthest():
        return sample_farthest_points(points, K=64, random_start_point=False)

    centres = farthest()[0].contiguous()

    def neighbours():
        return knn_points(centres, points, K=32, return_sorted=False)

    def order():
        return sequencer.sort_iterative_nearest(centres, min_start=True)

    theirs = {
        "fps": (farthest, lambda out: (out[1] * place).sum()),
        "knn": (neighbours, lambda out: out.idx.sum()),
        # Their places count on over the batch.
        "sequencer": (order, lambda out: (out.view(args.batch, 64) % 64 * place).sum()),
    }
    with tempfile.NamedTemporaryFile(suffix=".f32") as file, torch.no_grad():
        file.write(points.numpy().astype("<f4").tobytes())
        file.flush()
        ours = subprocess.Popen([args.ours, "--serve", file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True, env=dict(os.environ, RAYON_NUM_THREADS=str(args.threads)))

        def run_ours(what):
            ours.stdin.write(what + "\n")
            ours.stdin.flush()
            seconds, total = ours.stdout.readline().split()
            return float(seconds), int(total)

        def run_theirs(what):
            began = time.perf_counter()
            out = theirs[what][0]()
            seconds = time.perf_counter() - began
            return seconds, int(theirs[what][1](out))

        about = dict(batch=args.batch, threads=args.threads, torch=torch.__version__, pytorch3d=backend())
        figures = os.path.join(HERE, "figures.jsonl")
        with open(figures, "a") as out:
            for what in theirs:
                mine, his = run_ours(what)[1], run_theirs(what)[1]
                if mine != his:
                    sys.exit(f"{what}: the sums of the indices differ, {mine} and {his}")
                ratios = []
                for turn in range(args.rounds):
                    pair = {}
                    for side in ["theirs", "ours"][:: 1 if turn % 2 == 0 else -1]:
                        pair[side] = (run_ours if side == "ours" else run_theirs)(what)[0]
                    ratios.append(pair["ours"] / pair["theirs"])
                    row = dict(what=what, round=turn, ours_s=pair["ours"], theirs_s=pair["theirs"],
                               load=os.getloadavg()[0], **about)
                    out.write(json.dumps(row) + "\n")
                print(f"{what}: ours / theirs {statistics.median(ratios):.4f} ({min(ratios):.4f} to {max(ratios):.4f}, "
                      f"{len(ratios)} rounds, {args.threads} threads, pytorch3d {about['pytorch3d']})")
        ours.stdin.close()
        ours.wait()


if __name__ == "__main__":
    main()
