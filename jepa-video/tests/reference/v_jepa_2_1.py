"""Makes v_jepa_2_1.safetensors: V-JEPA 2.1's official code on small models, with the names of its checkpoints.

    python v_jepa_2_1.py --vjepa21 PATH [--out FOLDER]

PATH is a checkout with `app/vjepa_2_1`, seen at eceaa82 of zenlm/vjepa2 (a public mirror). Encoders 48 wide, 12 deep, 2
heads of 24 channels, MLP ratio 2; predictors 48 wide, 4 deep, 2 heads, 8 mask tokens; 4 frames of 48 x 64 in tubelets of
2 x 16 x 16: a grid of 2 x 3 x 4. Networks are built with the arguments of the hub's builder: rows and columns are
stretched in the encoder and not in the predictor. The official predictor takes its grid for square; its blocks are given
the true one, as those of the encoder are. Weights by formula (common.py), the target encoder's with the prefix "target.",
the distilled networks' with "distilled.". Input values("video_2_1", [2, 3, 4, 48, 64], sqrt 3), picture
values("picture_2_1", [2, 3, 1, 48, 64], sqrt 3), both with the target encoder.

  whole [2,24,192]       four levels of the target encoder side by side, as training has them
  last [2,24,48]         what it gives in evaluation
  picture [2,12,192]     a single frame, by the tokeniser for pictures
  context, target        indices
  s_x [2,9,192]          context tokens alone, by the online encoder
  prediction [2,8,192], seen [2,9,192]                 both heads of the predictor, mask token 0
  picture.prediction [2,4,192], picture.seen [2,5,192] the same for the picture
  distilled.levels [2,24,192]   four levels of an encoder that was trained with one, as a probe on several layers asks
  distilled.prediction [2,8,80], distilled.seen [2,9,80]   its predictor, for a teacher of 80 values a token
Metadata "four" and "one": {network: [[name, shape], ..]} of the checkpoints, names as the trainer saves them.
"""
import argparse
from functools import partial

import torch

from common import HERE, fill, use, values, write

LEVELS = [2, 5, 8, 11]
TEACHER = 80


def true_grid(predictor, times):
    for block in predictor.predictor_blocks:
        inner = type(block).forward
        block.forward = partial(inner, block, T=times, H_patches=3, W_patches=4)
    return predictor


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vjepa21", required=True, help="checkout with app/vjepa_2_1")
    p.add_argument("--out", default=HERE)
    args = p.parse_args()
    use(args.vjepa21)
    from app.vjepa_2_1.models.predictor import VisionTransformerPredictor
    from app.vjepa_2_1.models.vision_transformer import VisionTransformer
    shared = dict(img_size=(48, 64), num_frames=4, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rope=True,
                  img_temporal_dim_size=1, use_sdpa=False)

    def encoder(levels, **more):
        return VisionTransformer(embed_dim=48, depth=12, num_heads=2, mlp_ratio=2.0, interpolate_rope=True,
                                 n_output_distillation=levels, **shared, **more)

    def predictor(levels, teacher, times=2):
        return true_grid(VisionTransformerPredictor(
            embed_dim=48, predictor_embed_dim=48, depth=4, num_heads=2, use_mask_tokens=True, num_mask_tokens=8,
            return_all_tokens=True, n_output_distillation=levels, teacher_embed_dim=teacher, **shared), times)

    def keys(module):
        return [[f"module.backbone.{k}", list(v.shape)] for k, v in module.state_dict().items()]

    clips, pictures = (values(name, [2, 3, frames, 48, 64], 3**0.5)
                       for name, frames in (("video_2_1", 4), ("picture_2_1", 1)))
    g = torch.Generator().manual_seed(5)

    def masks(tokens, seen, hidden):
        order = torch.stack([torch.randperm(tokens, generator=g) for _ in range(2)])
        return order[:, :seen].sort(dim=1).values, order[:, seen:seen + hidden].sort(dim=1).values

    out = {}
    with torch.no_grad():
        enc, target, pred = fill(encoder(4)), fill(encoder(4), "target."), fill(predictor(4, None))
        out["whole"], out["last"] = target(clips, training=True), target(clips)
        out["picture"] = target(pictures, training=True)
        c, t = masks(24, 9, 8)
        out["context"], out["target"] = c.int(), t.int()
        out["s_x"] = enc(clips, [c], training=True)
        out["prediction"], out["seen"] = pred(out["s_x"], [c], [t], mask_index=0)
        pc, pt = masks(12, 5, 4)
        out["picture.context"], out["picture.target"] = pc.int(), pt.int()
        s_x = enc(pictures, [pc], training=True)
        out["picture.prediction"], out["picture.seen"] = pred(s_x, [pc], [pt], mod="image", mask_index=0)
        small, head = fill(encoder(1), "distilled."), fill(predictor(1, TEACHER), "distilled.")
        s_x = small(clips, [c], training=True)
        out["distilled.prediction"], out["distilled.seen"] = head(s_x, [c], [t], mask_index=0)
        small.out_layers = LEVELS
        out["distilled.levels"] = torch.cat(small(clips), dim=2)
    print({k: list(v.shape) for k, v in out.items()})
    meta = dict(four=dict(encoder=keys(enc), target_encoder=keys(target), predictor=keys(pred)),
                one=dict(ema_encoder=keys(small), predictor=keys(head)))
    write(args.out, "v_jepa_2_1.safetensors", out, meta)


if __name__ == "__main__":
    main()
