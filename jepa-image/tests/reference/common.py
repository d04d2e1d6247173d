"""Helpers shared by the reference scripts of this folder (not run by itself).

The scripts need torch 2.11, torchvision 0.26, transformers 5.23, safetensors,
numpy and pillow, and a checkout of the official I-JEPA repository
(facebookresearch/ijepa), whose path is given with `--ijepa PATH`. Nothing of
that repository is copied here; it is imported and run.
"""
import argparse
import json
import logging
import os
import sys

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))

# Mask settings of the released I-JEPA configurations.
RELEASED = dict(enc_mask_scale=(0.85, 1.0), pred_mask_scale=(0.15, 0.2),
                aspect_ratio=(0.75, 1.5), nenc=1, npred=4, min_keep=10,
                allow_overlap=False)


def arguments(doc, ijepa=True):
    """A parser with --ijepa and --out; the caller adds the rest."""
    p = argparse.ArgumentParser(description=doc,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    if ijepa:
        p.add_argument("--ijepa", required=True, help="checkout of facebookresearch/ijepa")
    p.add_argument("--out", default=HERE, help="folder for the fixtures (default: beside the script)")
    return p


def use_ijepa(path):
    """Makes `import src...` find the official repository; quiets its log."""
    sys.path.insert(0, os.path.abspath(path))
    import src.helper  # noqa: F401  (its import configures the root logger)
    logging.getLogger().setLevel(logging.ERROR)


def write(folder, name, tensors, meta):
    """Writes a safetensors file; metadata values become JSON strings."""
    path = os.path.join(folder, name)
    meta = {k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata=meta)
    os.chmod(path, 0o644)  # save_file makes it private
    print(f"{path}: {len(tensors)} tensors, {os.path.getsize(path)} bytes")


def blank(batch):
    """A batch of dummy samples for a collator that only looks at its length."""
    return [torch.zeros(1)] * batch


def randomise(module, seed, std=0.15):
    """Weights far from initialisation, so that attention is not near uniform."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if not p.requires_grad and "pos_embed" in name:
                continue  # frozen sin-cos table
            r = torch.randn(p.shape, generator=g)
            if "position_embeddings" in name:
                p.copy_(0.5 * r)
            elif "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.2 * r)
            elif name.endswith("bias"):
                p.copy_(0.1 * r)
            else:
                p.copy_(std * r)
    return module


def target_features(target, images, masks_pred, n_enc, with_steps=False):
    """Targets of the official recipe: encode, normalise, gather, repeat."""
    import torch.nn.functional as F
    from src.masks.utils import apply_masks
    from src.utils.tensors import repeat_interleave_batch
    with torch.no_grad():
        h = target(images)
        n = F.layer_norm(h, (h.size(-1),))
        t = repeat_interleave_batch(apply_masks(n, masks_pred), len(images), repeat=n_enc)
    return (h, n, t) if with_steps else t


def ema(encoder, target, m):
    """One target update, parameters paired by order."""
    with torch.no_grad():
        for q, k in zip(encoder.parameters(), target.parameters()):
            k.data.mul_(m).add_((1.0 - m) * q.detach().data)
