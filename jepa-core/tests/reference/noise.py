"""Dropout, attention dropout and stochastic depth of Point-JEPA's transformer blocks, with the masks our generator draws.

    python noise.py --point-jepa PATH    # a checkout of Ayumu-J-S/Point-JEPA (seen at c36b51c); torch 2.11, timm

The official blocks are imported and run in training mode. Every Dropout and DropPath in them is replaced by a module that
multiplies with given factors: those of `jepa_core::nn::Noise`, whose generator is restated below. Weights, input, output,
the gradient of the input and the norm of every gradient go to noise.safetensors.
"""
import argparse
import importlib.util
import json
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEADS, DEPTH, TOKENS, SAMPLES, REPEATS = 48, 2, 3, 7, 3, 2
DROPOUT, ATTENTION, PATH = 0.2, 0.15, 0.4
SEED, STEP, NET, NOISE = 11, 5, 1, 8
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniforms(sample, count):
    """`count` numbers of the stream (SEED, NOISE, STEP, sample)."""
    key = mix(np.uint64(SEED) ^ GOLDEN)
    for part in (NOISE, STEP, sample):
        key = mix((key + GOLDEN) ^ mix(np.uint64(part) + GOLDEN))
    states = key + GOLDEN * np.arange(1, count + 1, dtype=np.uint64)
    return (mix(states) >> np.uint64(40)).astype(np.float64) / 2**24


def factors(share, layer, place, shape):
    rows, each = shape[0], int(np.prod(shape[1:]))
    keep = np.float32(1.0 / (1.0 - share))
    out = np.empty((rows, each), np.float32)
    for row in range(rows):
        repeat, sample = divmod(row, SAMPLES)
        key = ((((NET << 8 | layer) << 4 | place) << 8 | repeat) << 32 | sample) & (2**64 - 1)
        out[row] = np.where(uniforms(key, each) < share, np.float32(0), keep)
    return torch.from_numpy(out.reshape(shape))


class Replay(nn.Module):
    """Multiplies with the factors of one place after another."""

    def __init__(self, share, layer, places, whole_rows=False):
        super().__init__()
        self.share, self.layer, self.places, self.whole_rows = share, layer, list(places), whole_rows

    def forward(self, x):
        place = self.places.pop(0)
        shape = (x.shape[0], 1, 1) if self.whole_rows else tuple(x.shape)
        return x * factors(self.share, self.layer, place, shape) if self.share else x


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--point-jepa", required=True)
    path = os.path.join(parser.parse_args().point_jepa, "pointjepa", "modules", "transformer.py")
    spec = importlib.util.spec_from_file_location("official_transformer", path)
    official = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = official
    spec.loader.exec_module(official)

    np.seterr(over="ignore")
    torch.manual_seed(0)
    shares = [PATH * layer / (DEPTH - 1) for layer in range(DEPTH)]
    encoder = official.TransformerEncoder(WIDTH, DEPTH, HEADS, mlp_ratio=2.0, qkv_bias=True, drop_rate=DROPOUT,
                                          attn_drop_rate=ATTENTION, drop_path_rate=shares).train()
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            # Larger than fresh ones, so that attention is far from even; norms and biases differ from 1 and 0.
            value.copy_(torch.randn_like(value) * (0.15 if value.dim() > 1 else 0.1) + (1.0 if "norm" in name and
                        name.endswith("weight") else 0.0))
    for layer, block in enumerate(encoder.blocks):
        block.attn.attn_drop = Replay(ATTENTION, layer, [0])
        block.attn.proj_drop = Replay(DROPOUT, layer, [1])
        block.mlp.drop = Replay(DROPOUT, layer, [3, 4])
        block.drop_path = Replay(shares[layer], layer, [2, 5], whole_rows=True)

    rows = SAMPLES * REPEATS
    x = torch.randn(rows, TOKENS, WIDTH, requires_grad=True)
    y = x
    for block in encoder.blocks:
        y = block(y)[0]
    y = encoder.norm(y)
    slope = torch.randn_like(y)
    (y * slope).sum().backward()

    tensors = {f"weight.{name}": value.detach() for name, value in encoder.named_parameters()}
    tensors |= {"x": x.detach(), "y": y.detach(), "slope": slope, "x.grad": x.grad}
    names = [name for name, _ in encoder.named_parameters()]
    tensors["grad.l2"] = torch.stack([value.grad.norm() for _, value in encoder.named_parameters()])
    target = os.path.join(HERE, "noise.safetensors")
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, target, metadata={"names": json.dumps(names)})
    os.chmod(target, 0o644)
    print(target, os.path.getsize(target), "bytes")


if __name__ == "__main__":
    main()
