"""Times the official I-JEPA code on this machine (224 px; CPU in float32, or a GPU).

    python bench.py --ijepa PATH --make-masks FILE [--batch 16]     # first, once
    python bench.py --ijepa PATH --masks FILE --size vit_tiny --batch 16 \\
        --steps 8 --threads 2 [--pred-dim 384]
    python bench.py --ijepa PATH --size vit_tiny --batch 16 --steps 8 --features
    python bench.py --ijepa PATH --masks FILE --size vit_huge --patch 14 --batch 64 --device cuda --bf16

--make-masks writes the official collator's masks of 10 steps (global seed 0):
int64 step{i}.enc0 [B,k], step{i}.pred{0..3} [B,k]. A training step is: target
forward without gradient, context encoder, predictor (depth 6), smooth L1,
backward, AdamW, EMA; data loading is not in it. Two warm-up steps are not counted. --bf16 is the official loop's autocast and gradient scaler.
Prints one JSON line: {"step_s": median, "all": [...], "k_enc": [...], ...}, or
with --features {"images_per_s": ..., "batch_s": median, "all": [...], ...} for
feature extraction by the same encoder without gradient.
"""
import argparse
import copy
import functools
import json
import os
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from common import RELEASED, blank, ema, target_features, use_ijepa

WARM_UP = 2
MASK_STEPS = WARM_UP + 8


def make_masks(path, batch, patch):
    from src.masks.multiblock import MaskCollator
    collator = MaskCollator(input_size=224, patch_size=patch, **RELEASED)
    torch.manual_seed(0)
    f = {}
    for i in range(MASK_STEPS):
        _, enc, pred = collator(blank(batch))
        f[f"step{i}.enc0"] = enc[0].contiguous()
        f.update({f"step{i}.pred{m}": t.contiguous() for m, t in enumerate(pred)})
    save_file(f, path)
    print(path, os.path.getsize(path), "bytes")


def read_masks(path, batch, device):
    f = load_file(path, device=device)
    steps = []
    while f"step{len(steps)}.enc0" in f:
        i = len(steps)
        steps.append(([f[f"step{i}.enc0"].long()], [f[f"step{i}.pred{m}"].long() for m in range(4)]))
    assert steps and steps[0][0][0].shape[0] == batch, "the masks are for another batch size"
    return steps


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ijepa", required=True, help="checkout of facebookresearch/ijepa")
    p.add_argument("--size", default="vit_tiny",
                   choices=["vit_tiny", "vit_small", "vit_base", "vit_large", "vit_huge"])
    p.add_argument("--patch", type=int, default=16)
    p.add_argument("--device", default="cpu")
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--pred-dim", type=int, default=384)
    p.add_argument("--pred-depth", type=int, default=6)
    p.add_argument("--masks", help="masks written by --make-masks")
    p.add_argument("--make-masks", metavar="FILE")
    p.add_argument("--features", action="store_true", help="time feature extraction instead")
    args = p.parse_args()
    use_ijepa(args.ijepa)
    if args.make_masks:
        return make_masks(args.make_masks, args.batch, args.patch)

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    from src.helper import init_model, init_opt
    encoder, predictor = init_model(device=args.device, patch_size=args.patch, model_name=args.size, crop_size=224,
                                    pred_depth=args.pred_depth, pred_emb_dim=args.pred_dim)
    on_gpu = args.device.startswith("cuda")
    images = torch.randn(args.batch, 3, 224, 224, device=args.device)
    report = dict(size=args.size, batch=args.batch, threads=args.threads, torch=torch.__version__,
                  device=torch.cuda.get_device_name() if on_gpu else "cpu", bf16=args.bf16)
    cast = functools.partial(torch.autocast, "cuda" if on_gpu else "cpu", dtype=torch.bfloat16, enabled=args.bf16)

    if args.features:
        encoder.eval()

        def run(_):
            with torch.no_grad(), cast():
                encoder(images)
    else:
        if not args.masks:
            p.error("training needs --masks (see --make-masks)")
        masks = read_masks(args.masks, args.batch, args.device)
        target = copy.deepcopy(encoder)
        for q in target.parameters():
            q.requires_grad = False
        opt, _, lr_sched, wd_sched = init_opt(
            encoder=encoder, predictor=predictor, iterations_per_epoch=100, start_lr=2e-4, ref_lr=1e-3,
            final_lr=1e-6, warmup=2, num_epochs=10, wd=0.04, final_wd=0.4, ipe_scale=1.0)
        scaler = torch.amp.GradScaler(enabled=args.bf16 and on_gpu)

        def run(i):
            enc, pred = masks[i % len(masks)]
            lr_sched.step(), wd_sched.step()
            with cast():
                h = target_features(target, images, pred, len(enc))
                loss = F.smooth_l1_loss(predictor(encoder(images, enc), enc, pred), h)
            scaler.scale(loss).backward()
            scaler.step(opt)
            scaler.update()
            opt.zero_grad()
            ema(encoder, target, 0.996)
            return loss.item()

        used = [masks[i % len(masks)] for i in range(WARM_UP, WARM_UP + args.steps)]
        report.update(pred_dim=args.pred_dim, pred_depth=args.pred_depth,
                      k_enc=[e[0].shape[1] for e, _ in used], k_pred=[q[0].shape[1] for _, q in used])

    wait = torch.cuda.synchronize if on_gpu else lambda: None
    for i in range(WARM_UP):
        run(i)
    wait()
    times = []
    for i in range(WARM_UP, WARM_UP + args.steps):
        start = time.perf_counter()
        run(i)
        wait()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    if args.features:
        report.update(images_per_s=args.batch / median, batch_s=median)
    else:
        report["step_s"] = median
    report["all"] = [round(t, 4) for t in times]
    report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if on_gpu:
        report["peak_gpu_mib"] = torch.cuda.max_memory_reserved() / 2**20
    print(json.dumps(report))


if __name__ == "__main__":
    main()
