"""Makes hf.safetensors: `transformers`' VJEPA2Model on a small model, seen at 5.23.

    python hugging_face.py [--out FOLDER]

Crops of 80 pixels in patches of 16 (5 x 5, where `transformers`' default is 16 x 16), 6 frames in tubelets of 2: 75
tokens. Encoder 96 wide, 2 deep, 4 heads; predictor 48 wide, 2 deep, 2 heads, 3 mask tokens: heads of 24. Weights by
formula (common.py) under `transformers`' names; the input is values("pixels", [2, 6, 3, 80, 80], sqrt 3).

  whole [2,75,96]       last hidden state
  context, target       indices
  prediction [2,n,96]   predictor's output: the context is gathered after full encoding, mask token 1
Metadata "keys": names and shapes of all parameters; "config": the config.json.
"""
import argparse

import torch
from transformers import VJEPA2Config, VJEPA2Model

from common import HERE, fill, values, write


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=HERE)
    args = p.parse_args()
    config = VJEPA2Config(
        patch_size=16, crop_size=80, frames_per_clip=6, tubelet_size=2, hidden_size=96, num_attention_heads=4,
        num_hidden_layers=2, pred_hidden_size=48, pred_num_attention_heads=2, pred_num_hidden_layers=2,
        pred_num_mask_tokens=3, attn_implementation="eager")
    model = fill(VJEPA2Model(config).eval())
    pixels = values("pixels", [2, 6, 3, 80, 80], 3**0.5)
    g = torch.Generator().manual_seed(3)
    order = torch.stack([torch.randperm(75, generator=g) for _ in range(2)])
    context, target = order[:, :20].sort(dim=1).values, order[:, 20:60].sort(dim=1).values
    with torch.no_grad():
        found = model(pixel_values_videos=pixels, context_mask=[context], target_mask=[target])
    out = dict(whole=found.last_hidden_state, context=context.int(), target=target.int(),
               prediction=found.predictor_output.last_hidden_state)
    keys = [[k, list(v.shape)] for k, v in model.state_dict().items()]
    print({k: list(v.shape) for k, v in out.items()}, out["prediction"].abs().mean())
    keep = ["patch_size", "crop_size", "frames_per_clip", "tubelet_size", "hidden_size", "num_attention_heads",
            "num_hidden_layers", "mlp_ratio", "layer_norm_eps", "pred_hidden_size", "pred_num_attention_heads",
            "pred_num_hidden_layers", "pred_num_mask_tokens"]
    write(args.out, "hf.safetensors", out, dict(keys=keys, config={k: getattr(config, k) for k in keep}))


if __name__ == "__main__":
    main()
