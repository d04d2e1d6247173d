"""Makes hf_tiny/ (a random transformers.IJepaModel as save_pretrained writes it)
and hf.safetensors (an input and what the model makes of it).

    python hf.py [--out FOLDER]

hf_tiny/: config.json, model.safetensors; hidden 96, 2 layers, 4 heads, MLP 384,
image 64x96, patch 16 (grid 4 rows x 6 columns), LayerNorm eps 1e-6.
hf.safetensors (float32)
  pixel_values       [2, 3, 64, 96]
  hidden.0           [2, 24, 96]  patches + positions; hidden.i: after layer i
  last_hidden_state  [2, 24, 96]  after the final LayerNorm
Metadata (JSON): keys_disk, keys_memory (parameter names in the file and in
transformers 5's module), keys_classifier_disk, keys_classifier_memory (the same
for IJepaForImageClassification).
"""
import os
import tempfile

import torch
import transformers
from safetensors import safe_open
from transformers import IJepaConfig, IJepaForImageClassification, IJepaModel

from common import arguments, randomise, write


def keys(model, folder):
    """Parameter names in memory and in the file that save_pretrained wrote."""
    with safe_open(os.path.join(folder, "model.safetensors"), "pt") as f:
        return sorted(model.state_dict()), sorted(f.keys())


def main():
    args = arguments(__doc__, ijepa=False).parse_args()
    config = IJepaConfig(hidden_size=96, num_hidden_layers=2, num_attention_heads=4,
                         intermediate_size=384, image_size=[64, 96], patch_size=16,
                         layer_norm_eps=1e-6)
    model = randomise(IJepaModel(config), 201).eval()
    folder = os.path.join(args.out, "hf_tiny")
    model.save_pretrained(folder)
    os.chmod(os.path.join(folder, "model.safetensors"), 0o644)
    memory, disk = keys(model, folder)

    x = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(202))
    with torch.no_grad():
        o = model(x, output_hidden_states=True)
        again = IJepaModel.from_pretrained(folder).eval()(x).last_hidden_state
    assert torch.equal(again, o.last_hidden_state)
    f = {"pixel_values": x, "last_hidden_state": o.last_hidden_state}
    h = o.hidden_states
    assert len(h) == config.num_hidden_layers + 1
    assert torch.allclose(model.layernorm(h[-1]), o.last_hidden_state, atol=1e-6)
    f.update({f"hidden.{i}": v for i, v in enumerate(h)})

    config.num_labels = 3
    classifier = IJepaForImageClassification(config)
    with tempfile.TemporaryDirectory() as tmp:
        classifier.save_pretrained(tmp)
        c_memory, c_disk = keys(classifier, tmp)
    write(args.out, "hf.safetensors", f, dict(
        keys_disk=disk, keys_memory=memory, keys_classifier_disk=c_disk,
        keys_classifier_memory=c_memory, transformers=transformers.__version__,
        grid=[4, 6], layer_norm_eps=1e-6))
    print("disk  ", disk[:12], "\nmemory", memory[:12], "\nclassifier", c_disk[:4])


if __name__ == "__main__":
    main()
