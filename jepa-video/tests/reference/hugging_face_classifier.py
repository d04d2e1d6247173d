"""Makes hf_classifier.safetensors: `transformers`' VJEPA2ForVideoClassification on a small model, seen at 5.23; and the same
clips through V-JEPA 2's official probe.

    python hugging_face_classifier.py --vjepa2 PATH [--out FOLDER]

Encoder 96 wide, 2 deep, 4 heads, on 4 frames of 48 x 48 in tubelets of 2 x 16 x 16: a grid of 2 x 3 x 3. Pooler with 2
blocks before the query's; 7 classes. The input is values("clips", [3, 4, 3, 48, 48], sqrt 3), frames before channels.

  scores [3,7]            class scores of VJEPA2ForVideoClassification, weights by formula (common.py) under its names
  official.scores [3,7]   class scores of the official AttentiveClassifier, 2 blocks before the query's, 4 heads, on the last
                          hidden state of the same VJEPA2Model; weights by formula under its names with the prefix "probe."
  official.several [3,7]  the same on the normed outputs of both blocks, one behind the other
Metadata "keys": names and shapes of all parameters of the first, "config": its config.json, "probe": names and shapes of
the second as its trainer saves them.
"""
import argparse

import torch
from transformers import VJEPA2Config, VJEPA2ForVideoClassification

from common import HERE, fill, use, values, write

CLASSES = ["pushing", "pulling", "folding", "turning over", "covering", "dropping", "pretending to drop"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--vjepa2", required=True, help="checkout of facebookresearch/vjepa2")
    p.add_argument("--out", default=HERE)
    args = p.parse_args()
    use(args.vjepa2)
    from src.models.attentive_pooler import AttentiveClassifier
    config = VJEPA2Config(
        patch_size=16, crop_size=48, frames_per_clip=4, tubelet_size=2, hidden_size=96, num_attention_heads=4,
        num_hidden_layers=2, pred_hidden_size=48, pred_num_attention_heads=2, pred_num_hidden_layers=1,
        pred_num_mask_tokens=2, num_pooler_layers=2, attn_implementation="eager",
        id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)})
    model = fill(VJEPA2ForVideoClassification(config).eval())
    probe = fill(AttentiveClassifier(embed_dim=96, num_heads=4, depth=3, num_classes=len(CLASSES)).eval(), "probe.")
    clips = values("clips", [3, 4, 3, 48, 48], 3**0.5)
    with torch.no_grad():
        scores = model(pixel_values_videos=clips).logits
        inner = model.vjepa2(pixel_values_videos=clips, skip_predictor=True, output_hidden_states=True)
        last = inner.last_hidden_state
        # Hidden states are those before the first block and after each, not normed.
        first = model.vjepa2.encoder.layernorm(inner.hidden_states[1])
        assert (model.vjepa2.encoder.layernorm(inner.hidden_states[2]) - last).abs().max() < 1e-6 or \
            (inner.hidden_states[2] - last).abs().max() < 1e-6
        out = {"scores": scores, "official.scores": probe(last), "official.several": probe(torch.cat([first, last], 1))}
    print({k: v[0].tolist() for k, v in out.items()})
    keep = ["patch_size", "crop_size", "frames_per_clip", "tubelet_size", "hidden_size", "num_attention_heads",
            "num_hidden_layers", "mlp_ratio", "layer_norm_eps", "pred_hidden_size", "pred_num_attention_heads",
            "pred_num_hidden_layers", "pred_num_mask_tokens", "num_pooler_layers", "id2label"]
    meta = dict(keys=[[k, list(v.shape)] for k, v in model.state_dict().items()],
                config={k: getattr(config, k) for k in keep},
                probe=[[f"module.{k}", list(v.shape)] for k, v in probe.state_dict().items()])
    write(args.out, "hf_classifier.safetensors", out, meta)


if __name__ == "__main__":
    main()
