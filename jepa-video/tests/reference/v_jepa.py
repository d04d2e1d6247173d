"""Makes v_jepa.safetensors: V-JEPA's official code on a small model.

    python v_jepa.py --jepa PATH [--out FOLDER]

Encoder 96 wide, 2 deep, 2 heads; predictor 48 wide, 2 deep, 2 heads, so that heads are
48 and 24 wide; 3 clips of 8 frames of 48 x 64 pixels, tubelets of 2 x 16 x 16: a grid of
4 x 3 x 4 that is no square. The official classes make tables of square grids only: a table
of 4 x 4 x 4 is cut to its first 3 rows, which is the table of the smaller grid, and the
interpolation is switched off. Weights by formula (common.py), those of the target encoder
with the prefix "target.".

  video: values("video", [3, 3, 8, 48, 64], sqrt 3), not stored
  context.g, target.g    masks of the two official generators, first batch, global seed 0
  whole [3,48,96]        target encoder on all tokens, before normalisation
  s_x.g, prediction.g    encoder on context.g; predictor at target.g
  loss [1]               mean over generators of L1 to normalised targets
  grad.l2, after.l2, after.delta   rows are metadata "parameters": [name, shape, decayed];
      after one AdamW step of the official optimiser and schedules (metadata "rates")
  after.loss [1]         the same batch after the step and after the target has followed
  target.l2              norms of the target's parameters then, rows in metadata "target"
  rect [1,24,96]         encoder of 4 frames of 64 x 64, given values("video_rect", [1,3,4,48,64], sqrt 3):
      its table is interpolated by the official code
  table [1,24,96]        that table
  masks.{grid}.{generator}.{call}.{context,target}   batches of 4 from one global seed, 3 calls each
  schedule.{lr,decay,momentum} [60]   official schedules, 40 steps of which 8 warm up, stretched by 1.25
"""
import argparse
import copy

import torch
import torch.nn.functional as F

from common import HERE, fill, norm, record_step, use, values, write

GENERATORS = [dict(num_blocks=8, spatial_scale=(0.15, 0.15)), dict(num_blocks=2, spatial_scale=(0.7, 0.7))]
MOMENTUM = 0.998


def collator(module, crop, frames, patch, extra=None):
    shared = dict(temporal_scale=(1.0, 1.0), aspect_ratio=(0.75, 1.5), max_temporal_keep=1.0, max_keep=None)
    cfgs = [{**shared, **g, **(extra or {})} for g in GENERATORS]
    return module.MaskCollator(cfgs, crop_size=crop, num_frames=frames, patch_size=patch, tubelet_size=2)


def rect(table, times, side, rows):
    width = table.shape[-1]
    return table.view(1, times, side, side, width)[:, :, :rows].reshape(1, -1, width).contiguous()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--jepa", required=True, help="checkout of facebookresearch/jepa")
    p.add_argument("--out", default=HERE)
    args = p.parse_args()
    use(args.jepa)
    import app.vjepa.utils as official
    import src.masks.multiblock3d as multiblock
    from functools import partial
    from src.masks.utils import apply_masks
    from src.models.predictor import VisionTransformerPredictor
    from src.models.utils.multimask import MultiMaskWrapper, PredictorMultiMaskWrapper
    from src.models.vision_transformer import VisionTransformer
    layer_norm = partial(torch.nn.LayerNorm, eps=1e-6)

    def encoder(frames):
        return VisionTransformer(img_size=64, num_frames=frames, embed_dim=96, depth=2, num_heads=2,
                                 norm_layer=layer_norm, uniform_power=True)

    def predictor(frames):
        return VisionTransformerPredictor(
            img_size=64, num_frames=frames, embed_dim=96, predictor_embed_dim=48, depth=2, num_heads=2,
            norm_layer=layer_norm, uniform_power=True, use_mask_tokens=True, num_mask_tokens=2)

    out = {}
    enc, pred = fill(encoder(8)), fill(predictor(8))
    enc.pos_embed.data = rect(enc.pos_embed.data, 4, 4, 3)
    pred.predictor_pos_embed.data = rect(pred.predictor_pos_embed.data, 4, 4, 3)
    pred.num_patches = 48
    enc.interpolate_pos_encoding = lambda x, table: table
    target = copy.deepcopy(enc)
    target.interpolate_pos_encoding = lambda x, table: table
    fill(target, "target.")
    clips = values("video", [3, 3, 8, 48, 64], 3**0.5)

    torch.manual_seed(0)
    _, seen, hidden = collator(multiblock, (48, 64), 8, 16)([torch.zeros(1)] * 3)
    for g in range(2):
        out[f"context.{g}"], out[f"target.{g}"] = seen[g].int(), hidden[g].int()
    wrapped = MultiMaskWrapper(enc), PredictorMultiMaskWrapper(pred)

    def forward(record=False):
        with torch.no_grad():
            whole = target(clips)
            h = apply_masks(F.layer_norm(whole, (whole.size(-1),)), hidden, concat=False)
        s_x = wrapped[0](clips, seen)
        z = wrapped[1](s_x, h, seen, hidden)
        if record:
            out["whole"] = whole
            for g in range(2):
                out[f"s_x.{g}"], out[f"prediction.{g}"] = s_x[g], z[g]
        loss = sum(torch.mean(torch.abs(zi - hi)) for zi, hi in zip(z, h))
        return loss / len(hidden)

    forward(record=True)
    optimizer, _, schedule, decay = official.init_opt(
        enc, pred, iterations_per_epoch=4, start_lr=2e-4, ref_lr=6.25e-4, warmup=2, num_epochs=10, wd=0.04,
        final_wd=0.4, final_lr=1e-6, ipe_scale=1.25)
    rates = [schedule.step(), decay.step(), MOMENTUM]

    def follow():
        with torch.no_grad():
            for q, k in zip(enc.parameters(), target.parameters()):
                k.data.mul_(MOMENTUM).add_((1.0 - MOMENTUM) * q.detach().data)

    parameters = record_step(out, [("encoder", enc), ("predictor", pred)], forward, optimizer, follow)
    named = [(k, q) for k, q in target.named_parameters() if "pos_embed" not in k]
    out["target.l2"] = torch.stack([norm(q) for _, q in named])

    small = fill(encoder(4))
    with torch.no_grad():
        video = values("video_rect", [1, 3, 4, 48, 64], 3**0.5)
        out["rect"] = small(video)
        out["table"] = small.interpolate_pos_encoding(video, small.pos_embed)

    grids = {"8x14x14": ((224, 224), 16, {}), "4x6x9": ((96, 144), 8, {}),
             "4x6x9.late": ((96, 144), 8, dict(max_temporal_keep=0.5, max_keep=9)),
             "6x9x6.short": ((144, 96), 12, dict(temporal_scale=(0.3, 0.8), spatial_scale=(0.2, 0.5), aspect_ratio=(0.3, 3.0)))}
    for name, (crop, frames, extra) in grids.items():
        torch.manual_seed(5)
        collate = collator(multiblock, crop, frames, 16, extra)
        for call in range(3):
            _, c, t = collate([torch.zeros(1)] * 4)
            for g in range(2):
                out[f"masks.{name}.{g}.{call}.context"], out[f"masks.{name}.{g}.{call}.target"] = c[g].short(), t[g].short()

    _, _, schedule, decay = official.init_opt(
        enc, pred, iterations_per_epoch=4, start_lr=2e-4, ref_lr=6.25e-4, warmup=2, num_epochs=10, wd=0.04,
        final_wd=0.4, final_lr=1e-6, ipe_scale=1.25)
    d = torch.float64
    out["schedule.lr"] = torch.tensor([schedule.step() for _ in range(40)], dtype=d)
    out["schedule.decay"] = torch.tensor([decay.step() for _ in range(40)], dtype=d)
    momenta = (0.998 + i * (1.0 - 0.998) / (4 * 10 * 1.25) for i in range(int(4 * 10 * 1.25) + 1))
    out["schedule.momentum"] = torch.tensor([next(momenta) for _ in range(40)], dtype=d)
    out = {k: v.int() if v.dtype == torch.int16 else v for k, v in out.items()}
    print({k: out[k].item() for k in ("loss", "after.loss")}, rates)
    write(args.out, "v_jepa.safetensors", out, dict(parameters=parameters, target=[k for k, _ in named], rates=rates))


if __name__ == "__main__":
    main()
