"""Makes v_jepa_2.safetensors: V-JEPA 2's official code on a small model.

    python v_jepa_2.py --vjepa2 PATH [--out FOLDER]

As v_jepa.py: encoder 96 wide, 2 deep, 4 heads (24 channels each), predictor 48 wide, 2 deep, 2
heads, 3 mask tokens, both masks of the first batch, a grid of 4 x 3 x 4. The official predictor
takes its grid for square; its blocks are given the true one, as those of the encoder are. The
training step uses mask token 0, as the official wrapper of one clip length does.

  context.g, target.g, whole, s_x.g, prediction.g, loss, grad.l2, after.l2, after.delta,
  after.loss, target.l2   as in v_jepa.py; the update is official, the momentum 0.99925
  square [2,16,96]        predictor alone, as it is, on a square grid of 2 x 4 x 4: context from
      the encoder of values("video_square", [2,3,4,64,64], sqrt 3) at metadata "square" [context, target], mask token 1
  schedule.cooldown [40]  official learning rates of 40 cooldown steps
  schedule.constant [40]  and of 40 pre-training steps, of which 8 warm up
"""
import argparse
import copy
from functools import partial

import torch
import torch.nn.functional as F

from common import HERE, fill, norm, record_step, use, values, write
from v_jepa import GENERATORS

MOMENTUM = 0.99925
SQUARE = [[0, 1, 4, 5, 10, 11, 20, 21, 26, 27], [2, 3, 6, 7, 8, 9, 12, 13, 16, 19, 22, 23, 24, 28, 30, 31]]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vjepa2", required=True, help="checkout of facebookresearch/vjepa2")
    p.add_argument("--out", default=HERE)
    args = p.parse_args()
    use(args.vjepa2)
    import app.vjepa.utils as official
    from src.masks.multiseq_multiblock3d import _MaskGenerator
    from src.masks.utils import apply_masks
    from src.models.predictor import VisionTransformerPredictor
    from src.models.vision_transformer import VisionTransformer
    layer_norm = partial(torch.nn.LayerNorm, eps=1e-6)
    shared = dict(norm_layer=layer_norm, use_rope=True, use_sdpa=False)

    def encoder(size, frames):
        return VisionTransformer(img_size=size, num_frames=frames, embed_dim=96, depth=2, num_heads=4, **shared)

    def predictor(size, frames):
        return VisionTransformerPredictor(
            img_size=size, num_frames=frames, embed_dim=96, predictor_embed_dim=48, depth=2, num_heads=2,
            use_mask_tokens=True, num_mask_tokens=3, **shared)

    out = {}
    enc, pred = fill(encoder((48, 64), 8)), fill(predictor((48, 64), 8))
    for block in pred.predictor_blocks:
        block.forward = partial(block.forward, T=4, H_patches=3, W_patches=4)
    target = fill(copy.deepcopy(enc), "target.")
    clips = values("video", [3, 3, 8, 48, 64], 3**0.5)
    torch.manual_seed(0)
    seen, hidden = [], []
    for g, cfg in enumerate(GENERATORS):
        c, t = _MaskGenerator(
            crop_size=(48, 64), num_frames=8, spatial_patch_size=(16, 16), temporal_patch_size=2,
            spatial_pred_mask_scale=cfg["spatial_scale"], temporal_pred_mask_scale=(1.0, 1.0),
            aspect_ratio=(0.75, 1.5), npred=cfg["num_blocks"])(3)
        seen.append(c)
        hidden.append(t)
        out[f"context.{g}"], out[f"target.{g}"] = c.int(), t.int()

    def forward(record=False):
        with torch.no_grad():
            whole = target(clips)
            h = apply_masks(F.layer_norm(whole, (whole.size(-1),)), hidden, concat=False)
        s_x = [enc(clips, m) for m in seen]
        z = [pred(x, c, t, mask_index=0) for x, c, t in zip(s_x, seen, hidden)]
        if record:
            out["whole"] = whole
            for g in range(2):
                out[f"s_x.{g}"], out[f"prediction.{g}"] = s_x[g], z[g]
        return sum(torch.mean(torch.abs(zi - hi)) for zi, hi in zip(z, h)) / len(hidden)

    forward(record=True)

    def opt(anneal, warmup, final):
        return official.init_opt(
            anneal, enc, pred, iterations_per_epoch=4, start_lr=1e-4, ref_lr=5.25e-4, warmup=warmup, num_epochs=10,
            wd=0.04, final_wd=0.04, final_lr=final, ipe_scale=1.25)

    optimizer, _, schedule, decay = opt(False, 2, 5.25e-4)
    rates = [schedule.step(), decay.step(), MOMENTUM]

    def follow():
        with torch.no_grad():
            for q, k in zip(enc.parameters(), target.parameters()):
                k.data.mul_(MOMENTUM).add_((1.0 - MOMENTUM) * q.detach().data)

    parameters = record_step(out, [("encoder", enc), ("predictor", pred)], forward, optimizer, follow)
    named = list(target.named_parameters())
    out["target.l2"] = torch.stack([norm(q) for _, q in named])

    with torch.no_grad():
        enc2, pred2 = fill(encoder((64, 64), 4)), fill(predictor((64, 64), 4))
        c, t = (torch.tensor(m).repeat(2, 1) for m in SQUARE)
        out["square"] = pred2(enc2(values("video_square", [2, 3, 4, 64, 64], 3**0.5), c), c, t, mask_index=1)

    d = torch.float64
    for name, (anneal, warmup, final) in {"cooldown": (True, 0, 1e-6), "constant": (False, 2, 5.25e-4)}.items():
        schedule = opt(anneal, warmup, final)[2]
        out[f"schedule.{name}"] = torch.tensor([schedule.step() for _ in range(40)], dtype=d)
    print({k: out[k].item() for k in ("loss", "after.loss")}, rates)
    meta = dict(parameters=parameters, target=[k for k, _ in named], rates=rates, square=SQUARE)
    write(args.out, "v_jepa_2.safetensors", out, meta)


if __name__ == "__main__":
    main()
