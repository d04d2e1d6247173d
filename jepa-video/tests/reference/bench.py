"""Times the official V-JEPA code on this machine's CPU (float32, tubelets of 2 x 16 x 16).

    python bench.py --jepa PATH --size vit_small --px 224 --frames 16 --batch 4 --steps 6 --threads 2 [--pred-depth 12]
    python bench.py --jepa PATH --size vit_small ... --features

A training step is: target forward without gradient, context encoder and predictor for both mask generators, L1,
backward, AdamW, EMA; clips are noise and data loading is not in it. Masks are those of the official collator, drawn
before (global seed 0). One warm-up step is not counted. Prints one JSON line: {"step_s": median, "all": [...],
"k_enc": [[short, long], ..], "k_pred": ..., "peak_mib": ...}, or with --features {"clips_per_s": ...} for the encoder
without gradient.
"""
import argparse
import copy
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F

from common import use
from v_jepa import GENERATORS


def masks(multiblock, args, steps):
    """Lists over steps of (context, target), one tensor a generator each."""
    samplers = [multiblock._MaskGenerator(
        crop_size=args.px, num_frames=args.frames, spatial_patch_size=16, temporal_patch_size=2,
        spatial_pred_mask_scale=g["spatial_scale"], temporal_pred_mask_scale=(1.0, 1.0), aspect_ratio=(0.75, 1.5),
        npred=g["num_blocks"]) for g in GENERATORS]
    torch.manual_seed(0)
    return [tuple(zip(*[s(args.batch) for s in samplers])) for _ in range(steps)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--jepa", required=True, help="checkout of facebookresearch/jepa")
    p.add_argument("--size", default="vit_small", choices=["vit_tiny", "vit_small", "vit_base", "vit_large"])
    p.add_argument("--px", type=int, default=224)
    p.add_argument("--frames", type=int, default=16)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--pred-dim", type=int, default=384)
    p.add_argument("--pred-depth", type=int, default=12)
    p.add_argument("--features", action="store_true", help="time feature extraction instead")
    args = p.parse_args()
    use(args.jepa)
    import src.masks.multiblock3d as multiblock
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    report = dict(size=args.size, batch=args.batch, px=args.px, frames=args.frames, threads=args.threads,
                  torch=torch.__version__)
    import app.vjepa.utils as official
    from src.masks.utils import apply_masks
    encoder, predictor = official.init_video_model(
        uniform_power=True, use_mask_tokens=True, num_mask_tokens=2, zero_init_mask_tokens=True, device="cpu",
        patch_size=16, num_frames=args.frames, tubelet_size=2, model_name=args.size, crop_size=args.px,
        pred_depth=args.pred_depth, pred_embed_dim=args.pred_dim, use_sdpa=True)
    clips = torch.randn(args.batch, 3, args.frames, args.px, args.px)
    if args.features:
        def run(_):
            with torch.no_grad():
                encoder(clips)
    else:
        drawn = masks(multiblock, args, args.steps + 1)
        target = copy.deepcopy(encoder)
        for q in target.parameters():
            q.requires_grad = False
        opt, _, rate, decay = official.init_opt(
            encoder, predictor, iterations_per_epoch=300, start_lr=2e-4, ref_lr=6.25e-4, warmup=40, num_epochs=300,
            wd=0.04, final_wd=0.4, final_lr=1e-6, ipe_scale=1.25)

        def run(i):
            seen, hidden = (list(m) for m in drawn[i])
            rate.step(), decay.step()
            with torch.no_grad():
                h = target(clips)
                h = apply_masks(F.layer_norm(h, (h.size(-1),)), hidden, concat=False)
            z = predictor(encoder(clips, seen), h, seen, hidden)
            loss = sum(torch.mean(torch.abs(zi - hi)) for zi, hi in zip(z, h)) / len(hidden)
            loss.backward()
            opt.step()
            opt.zero_grad()
            with torch.no_grad():
                for q, k in zip(encoder.parameters(), target.parameters()):
                    k.data.mul_(0.998).add_(0.002 * q.detach().data)
            return loss.item()

        report.update(k_enc=[[m.shape[1] for m in seen] for seen, _ in drawn[1:]],
                      k_pred=[[m.shape[1] for m in hidden] for _, hidden in drawn[1:]])

    run(0)  # warm-up
    times = []
    for i in range(args.steps):
        start = time.perf_counter()
        run(i + 1)
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    report.update(clips_per_s=args.batch / median) if args.features else report.update(step_s=median)
    report["all"] = [round(t, 4) for t in times]
    report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(report))


if __name__ == "__main__":
    main()
