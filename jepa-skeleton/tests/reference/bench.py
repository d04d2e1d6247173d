"""Times an S-JEPA training step on this machine's CPU (float32), built from MAMP's modules.

    python bench.py --mamp PATH [--threads 2] [--steps 6] [--batch 16]

Size: T = 60 frames, V = 25, l = 4 (375 tokens), width 128, depth 4, heads 4, predictor depth 2,
batch 16 folded sequences, ratio 0.9 (37 tokens visible), tau 0.8. One step = motion-aware
mask, teacher on all tokens without gradient, student on the visible tokens, predictor
on all tokens, loss on the masked ones, backward, AdamW (0.9, 0.95, decay 0.05), teacher
update, centre update. View generation and data loading are not in it. One warm-up step
is not counted. Prints one JSON line per measurement ("step": median seconds; also the
parts "teacher" and "mask").
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

from common import SJepa, cross_entropy, ema, encode, gather, param_groups, person, use_mamp


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mamp", required=True, help="checkout of maoyunyao/MAMP")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--frames", type=int, default=60)
    p.add_argument("--width", type=int, default=128)
    p.add_argument("--depth", type=int, default=4)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--predictor-depth", type=int, default=2)
    args = p.parse_args()
    use_mamp(args.mamp)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = SJepa(args.width, args.depth, args.heads, args.predictor_depth, args.frames)
    opt = torch.optim.AdamW(param_groups(net, 0.05), lr=1e-3, betas=(0.9, 0.95))
    x = torch.stack([person(args.frames, i) for i in range(args.batch)]).float()
    length = args.frames // 4 * 25
    state = dict(centre=torch.zeros(args.width))

    def mask():
        return net.mask(x, torch.rand(len(x), length), 0.9, 0.8)

    def teacher():
        with torch.no_grad():
            return encode(net.teacher, x)

    def step():
        keep, removed, restore = mask()
        target = teacher()
        _, _, predicted = net.predict(x, keep, restore)
        masked = removed.nonzero()[:, 1].view(len(x), -1)
        loss = cross_entropy(gather(predicted, masked), gather(target, masked), state["centre"]).mean()
        loss.backward()
        opt.step()
        opt.zero_grad()
        ema(net.student, net.teacher, 0.9999)
        state["centre"] = 0.9 * state["centre"] + 0.1 * target.mean(dim=(0, 1))
        return keep.shape[1]

    visible = step()  # warm-up
    for what, f in (("step", step), ("teacher", teacher), ("mask", mask)):
        seconds = []
        for _ in range(args.steps):
            start = time.perf_counter()
            f()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(dict(
            what=what, s=statistics.median(seconds), all=[round(s, 5) for s in seconds], batch=args.batch, tokens=length,
            visible=visible, width=args.width, depth=args.depth, heads=args.heads, predictor_depth=args.predictor_depth,
            threads=args.threads, torch=torch.__version__,
            allocator=os.path.basename(os.environ.get("LD_PRELOAD", "")) or "default", load=os.getloadavg()[0],
            parameters=sum(q.numel() for q in net.parameters() if q.requires_grad))), flush=True)


if __name__ == "__main__":
    main()
