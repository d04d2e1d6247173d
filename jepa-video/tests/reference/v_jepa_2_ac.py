"""Makes v_jepa_2_ac.safetensors: V-JEPA 2-AC's official code on a small model.

    python v_jepa_2_ac.py --vjepa2 PATH [--out FOLDER]

Needs scipy, timm, h5py, pandas, tqdm and einops beside what common.py names. Encoder 96 wide, 2 deep, 4 heads; predictor 72
wide, 2 deep, 3 heads (24 channels each), 4 x 4 patches a frame; two samples of four frames with
their poses. Weights follow the formula (the encoder's below "target."), frames are
values("frames", [2,3,4,64,64], sqrt 3), poses values("poses", [2,4,7], 1) with the gripper in
[0, 1]. Forward pass and losses are those of app/vjepa_droid/train.py with auto_steps 3.

  actions [2,3,7]           the poses' differences by the data set's own function
  moved [2,7]               the first poses moved by the first actions, by the planner's function
  features [2,64,96]        of the frozen encoder, normalised
  forced, rolled [2,48,96]  normalised predictions
  loss [3]                  teacher forcing, rollout, their sum
  grad.l2 [parameters]      of the sum; metadata "parameters" has the names
"""
import argparse
import sys
import types
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from common import HERE, fill, norm, use, values, write

STEPS = 3


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vjepa2", required=True, help="checkout of facebookresearch/vjepa2")
    p.add_argument("--out", default=HERE)
    args = p.parse_args()
    use(args.vjepa2)
    # The data set's film reader is imported and not used.
    sys.modules.setdefault("decord", types.SimpleNamespace(VideoReader=None, cpu=None))
    from app.vjepa_droid.droid import DROIDVideoDataset
    from notebooks.utils.mpc_utils import compute_new_pose
    from src.models.ac_predictor import VisionTransformerPredictorAC
    from src.models.vision_transformer import VisionTransformer

    layer_norm = partial(torch.nn.LayerNorm, eps=1e-6)
    encoder = VisionTransformer(
        img_size=(64, 64), num_frames=2, embed_dim=96, depth=2, num_heads=4, norm_layer=layer_norm,
        use_rope=True, use_sdpa=False)
    predictor = VisionTransformerPredictorAC(
        img_size=64, num_frames=8, embed_dim=96, predictor_embed_dim=72, depth=2, num_heads=3,
        norm_layer=layer_norm)
    fill(encoder, "target.")
    fill(predictor)
    frames = values("frames", [2, 3, 4, 64, 64], 3**0.5)
    poses = values("poses", [2, 4, 7], 1.0)
    poses[..., 6] = poses[..., 6] / 2 + 0.5
    diffs = partial(DROIDVideoDataset.poses_to_diffs, None)
    actions = torch.from_numpy(np.stack([diffs(sample.double().numpy()) for sample in poses])).float()
    moved = compute_new_pose(poses[:, :1], actions[:, :1])[:, 0]

    batch, times, patches = 2, 4, 16
    with torch.no_grad():
        c = frames.permute(0, 2, 1, 3, 4).flatten(0, 1).unsqueeze(2).repeat(1, 1, 2, 1, 1)
        h = encoder(c).view(batch, times, -1, 96).flatten(1, 2)
        h = F.layer_norm(h, (96,))

    def step(z, a, s):
        return F.layer_norm(predictor(z, a, s), (96,))

    forced = step(h[:, :-patches], actions, poses[:, :-1])
    z = torch.cat([h[:, :patches], forced[:, :patches]], dim=1)
    for n in range(1, STEPS):
        z = torch.cat([z, step(z, actions[:, : n + 1], poses[:, : n + 1])[:, -patches:]], dim=1)
    rolled = z[:, patches:]
    losses = [torch.mean(torch.abs(x - h[:, patches : patches + x.size(1)])) for x in (forced, rolled)]
    total = sum(losses)
    total.backward()
    trained = [(name, q) for name, q in predictor.named_parameters() if q.grad is not None]
    out = dict(
        actions=actions, moved=moved, features=h, forced=forced, rolled=rolled,
        loss=torch.stack([*losses, total]), **{"grad.l2": torch.stack([norm(q.grad) for _, q in trained])})
    write(args.out, "v_jepa_2_ac.safetensors", out, {"parameters": [name for name, _ in trained]})


if __name__ == "__main__":
    main()
