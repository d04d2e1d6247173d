"""Makes v_jepa.pth.tar, v_jepa_2.pt and checkpoint.safetensors: small checkpoints as the official trainers save them.

    python checkpoint.py --jepa PATH --vjepa2 PATH [--out FOLDER]

Encoders 48 wide, 1 deep, patches of 8 pixels, 4 frames of 32 x 32: a grid of 2 x 4 x 4. Heads leave no trace: 2 for
both networks of both versions, of 24 channels. Weights by formula (common.py), the target encoder's with the prefix
"target.", names below `module.backbone.`; V-JEPA 2's file still holds position tables, as the released ones do.

  v_jepa [1,32,48], v_jepa_2 [1,32,48]   target encoder on values("checkpoint", [1, 3, 4, 32, 32], sqrt 3)
"""
import argparse
import copy
import os
from functools import partial

import torch

from common import HERE, fill, use, values, write


def state(module):
    return {f"module.backbone.{k}": v.clone() for k, v in module.state_dict().items()}


def make(path, name, rope):
    use(path)
    from src.models.predictor import VisionTransformerPredictor
    from src.models.vision_transformer import VisionTransformer
    layer_norm = partial(torch.nn.LayerNorm, eps=1e-6)
    shared = dict(img_size=32, patch_size=8, num_frames=4, norm_layer=layer_norm, uniform_power=True, use_sdpa=False)
    if rope:
        shared["use_rope"] = True
    enc = fill(VisionTransformer(embed_dim=48, depth=1, num_heads=2, **shared))
    pred = fill(VisionTransformerPredictor(
        embed_dim=48, predictor_embed_dim=48, depth=1, num_heads=2, use_mask_tokens=True, num_mask_tokens=2, **shared))
    target = fill(copy.deepcopy(enc), "target.")
    optimizer = torch.optim.AdamW(enc.parameters(), lr=1e-3)
    saved = dict(encoder=state(enc), predictor=state(pred), opt=optimizer.state_dict(), scaler=None,
                 target_encoder=state(target), epoch=3, loss=0.5, batch_size=24, world_size=128, lr=6.25e-4)
    if rope:
        for network, width in (("encoder", 48), ("target_encoder", 48)):
            saved[network]["module.backbone.pos_embed"] = torch.zeros(1, 32, width)
        saved["predictor"]["module.backbone.predictor_pos_embed"] = torch.zeros(1, 32, 48)
    return saved, target(values("checkpoint", [1, 3, 4, 32, 32], 3**0.5))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--jepa", required=True, help="checkout of facebookresearch/jepa")
    p.add_argument("--vjepa2", required=True, help="checkout of facebookresearch/vjepa2")
    p.add_argument("--out", default=HERE)
    args = p.parse_args()
    out = {}
    for path, name, file, rope in ((args.jepa, "v_jepa", "v_jepa.pth.tar", False),
                                   (args.vjepa2, "v_jepa_2", "v_jepa_2.pt", True)):
        saved, out[name] = make(path, name, rope)
        torch.save(saved, os.path.join(args.out, file))
        print(file, os.path.getsize(os.path.join(args.out, file)), sorted(saved["encoder"])[:4])
    write(args.out, "checkpoint.safetensors", out, {})


if __name__ == "__main__":
    main()
