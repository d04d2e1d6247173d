"""Helpers shared by the reference scripts of this folder (not run by itself).

The scripts need torch 2.11, numpy, safetensors, timm, yaml, and checkouts of
facebookresearch/jepa (seen at 51c59d5) and facebookresearch/vjepa2 (seen at
c2963a4), whose paths are given on the command line. Nothing of those repositories
is copied here; they are imported and run.

Weights and inputs are not stored: they follow a formula, so that Rust builds the
same. seed = FNV-1a 32 of the name; then s = (1664525 s + 1013904223) mod 2^32 for
each value in row-major order, u = 2 (s >> 8) / 2^24 - 1, value = float32(amplitude u).
"""
import json
import os
import sys

import numpy as np
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def values(name, shape, amplitude):
    """The formula as a float32 tensor."""
    s = 2166136261
    for byte in name.encode():
        s = ((s ^ byte) * 16777619) % 2**32
    count = int(np.prod(shape))
    out = np.empty(count)
    for i in range(count):
        s = (1664525 * s + 1013904223) % 2**32
        out[i] = 2 * ((s >> 8) / 2**24) - 1
    return torch.from_numpy((out * amplitude).astype(np.float32)).reshape(shape)


def weight(name, shape, prefix=""):
    """A parameter of this name; `prefix` gives another network other values."""
    full = prefix + name
    if name.endswith("mod_embed") or "mask_tokens" in name or "query_tokens" in name:
        return values(full, shape, 0.5)
    if len(shape) >= 2:
        fan_in = int(np.prod(shape)) // shape[0]
        return values(full, shape, 1.5 * (3 / fan_in) ** 0.5)
    if "norm" in name and name.endswith("weight"):
        return 1 + values(full, shape, 0.2)
    return values(full, shape, 0.1)


def fill(module, prefix=""):
    with torch.no_grad():
        for name, p in module.named_parameters():
            if "pos_embed" not in name:
                p.copy_(weight(name, list(p.shape), prefix))
    return module


def use(path):
    """Puts a checkout first on the import path, and forgets another one."""
    for name in [m for m in sys.modules if m == "src" or m.startswith(("src.", "app."))]:
        del sys.modules[name]
    sys.path.insert(0, os.path.abspath(path))


def write(folder, name, tensors, meta):
    """Writes a safetensors file; metadata values become JSON strings."""
    path = os.path.join(folder, name)
    meta = {k: json.dumps(v) for k, v in meta.items()}
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, path, metadata=meta)
    os.chmod(path, 0o644)  # save_file makes it private
    print(f"{path}: {len(tensors)} tensors, {os.path.getsize(path)} bytes")


def norm(t):
    return t.detach().double().norm()


def record_step(out, networks, forward, optimizer, follow):
    """Gradients of `forward()`, one update, one step of the target: tables in the order of the parameters."""
    loss = forward()
    out["loss"] = loss.detach().view(1)
    loss.backward()
    rows = [(f"{part}.{name}", p) for part, net in networks for name, p in net.named_parameters() if p.requires_grad]
    before = {name: p.detach().clone() for name, p in rows}
    decayed = {id(p) for g in optimizer.param_groups if g["weight_decay"] != 0 for p in g["params"]}
    trained = [(name, p) for name, p in rows if p.grad is not None]
    out["grad.l2"] = torch.stack([norm(p.grad) for _, p in trained])
    optimizer.step()
    out["after.l2"] = torch.stack([norm(p) for _, p in trained])
    out["after.delta"] = torch.stack([norm(p - before[name]) for name, p in trained])
    follow()
    with torch.no_grad():
        out["after.loss"] = forward().view(1)
    return [[name, list(p.shape), id(p) in decayed] for name, p in trained]
