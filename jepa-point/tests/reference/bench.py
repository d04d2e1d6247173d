"""Times the official Point-JEPA code on this machine's CPU (float32).

    python bench.py --point-jepa PATH [--threads 2] [--steps 6] [--batch 32]
                    [--groups 64] [--heads 3] [--only step|geometry]

One JSON line per measurement (median seconds of the given repetitions, after one
warm-up): "step" = forward, backward, AdamW and teacher update of PointJepa at N =
1024 points, G = 64, K = 32, encoder 192 wide, 4 deep, predictor 96 wide, 2 deep, no
dropout, no drop path, on random clouds (augmentation and data excluded, grouping
included); "step_no_grouping" = the same with FPS and kNN replaced by fixed indices;
"fps", "knn", "sequencer" on the same batch. "pytorch3d" says whether FPS and kNN are
an installed pytorch3d ("installed") or this folder's vectorised PyTorch
restatement ("restated"); PYTHONPATH decides. The official step casts the context to
half and back; that is left in.
The allocator matters: with glibc's, every step maps and faults its large tensors anew
(seen: three times slower). For a fair number preload one that keeps its pages, e.g.
LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1. Each line says
which library was preloaded ("allocator") and the load average of the last minute.
"""
import argparse
import json
import os
import statistics
import time

import torch

from common import backend, use_point_jepa


def timed(f, repeat):
    f()
    out = []
    for _ in range(repeat):
        start = time.perf_counter()
        f()
        out.append(time.perf_counter() - start)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--point-jepa", required=True, help="checkout of Ayumu-J-S/Point-JEPA")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--points", type=int, default=1024)
    p.add_argument("--groups", type=int, default=64)
    p.add_argument("--group-size", type=int, default=32)
    p.add_argument("--width", type=int, default=192)
    p.add_argument("--depth", type=int, default=4)
    p.add_argument("--heads", type=int, default=3)
    p.add_argument("--predictor-width", type=int, default=96)
    p.add_argument("--predictor-depth", type=int, default=2)
    p.add_argument("--only", choices=["step", "geometry"])
    args = p.parse_args()
    use_point_jepa(args.point_jepa)
    from model import CONFIG, build
    from pytorch3d.ops import knn_points, sample_farthest_points

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = build(dict(
        CONFIG, tokenizer_num_groups=args.groups, tokenizer_group_size=args.group_size, encoder_dim=args.width,
        encoder_depth=args.depth, encoder_heads=args.heads, predictor_embed_dim=args.predictor_width,
        predictor_depth=args.predictor_depth, predictor_heads=args.heads, target_layers=[args.depth - 1]))
    model.train()
    points = torch.randn(args.batch, args.points, 3)
    points = points / points.norm(dim=-1).amax(1)[:, None, None]
    opt = torch.optim.AdamW(params=model.parameters(), lr=1e-3, weight_decay=0.05)
    about = dict(batch=args.batch, points=args.points, groups=args.groups, group_size=args.group_size,
                 threads=args.threads, torch=torch.__version__, pytorch3d=backend())

    def report(what, seconds, **more):
        print(json.dumps(dict(what=what, s=statistics.median(seconds), all=[round(x, 5) for x in seconds],
                              allocator=os.path.basename(os.environ.get("LD_PRELOAD", "")) or "default",
                              load=os.getloadavg()[0], **about, **more)), flush=True)

    def step():
        x, y = model._perform_step(points)
        model.loss_func(x, y).backward()
        opt.step()
        opt.zero_grad()
        model.teacher.update()

    if args.only != "geometry":
        sizes = dict(width=args.width, depth=args.depth, heads=args.heads, predictor_width=args.predictor_width,
                     predictor_depth=args.predictor_depth,
                     parameters=sum(q.numel() for q in model.parameters() if q.requires_grad))
        report("step", timed(step, args.steps), **sizes)
        groups, centres = model.tokenizer.grouping(points)
        real = model.tokenizer.grouping.forward
        model.tokenizer.grouping.forward = lambda _: (groups, centres)
        report("step_no_grouping", timed(step, args.steps), **sizes)
        model.tokenizer.grouping.forward = real
    if args.only != "step":
        with torch.no_grad():
            fps = lambda: sample_farthest_points(points, K=args.groups, random_start_point=True)  # noqa: E731
            report("fps", timed(fps, args.steps))
            centres = fps()[0]
            report("knn", timed(lambda: knn_points(centres, points, K=args.group_size, return_sorted=False), args.steps))
            report("sequencer", timed(lambda: model.point_sequencer.sort_iterative_nearest(centres, min_start=True),
                                      args.steps))


if __name__ == "__main__":
    main()
