"""Helpers shared by the reference scripts of this folder (not run by itself).

The scripts need torch 2.11, numpy, scikit-learn, safetensors, and a checkout of
maoyunyao/MAMP (seen at 09e6252), whose path is given with `--mamp PATH`. Nothing of
that repository is copied here; it is imported and run. S-JEPA itself has no public
code: its encoder, masking, sampling and preprocessing are MAMP's; the loss and the
centre are written here from the paper's description (class `SJepa`).
"""
import argparse
import contextlib
import copy
import io
import json
import math
import os
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
STUDENT, TEACHER = 0.1, 0.06  # temperatures of prediction and target


def arguments(doc):
    """A parser with --mamp and --out; the caller adds the rest."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mamp", required=True, help="checkout of maoyunyao/MAMP")
    p.add_argument("--out", default=HERE, help="folder for the fixtures (default: beside the script)")
    return p


def use_mamp(path):
    sys.path.insert(0, os.path.abspath(path))


def write(folder, name, tensors, meta):
    """Writes a safetensors file; metadata values become JSON strings."""
    path = os.path.join(folder, name)
    meta = {k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()}
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, path, metadata=meta)
    os.chmod(path, 0o644)  # save_file makes it private
    print(f"{path}: {len(tensors)} tensors, {os.path.getsize(path)} bytes")


@contextlib.contextmanager
def drawn(values):
    """torch.rand gives these values, in order, whatever is asked for."""
    left, real = list(values), torch.rand

    def rand(*shape, **_):
        v = left.pop(0)
        assert tuple(v.shape) == tuple(shape), (v.shape, shape)
        return v.to(torch.get_default_dtype())
    torch.rand = rand
    try:
        yield
    finally:
        torch.rand = real


# ---- S-JEPA -----------------------------------------------------------------

def fold(x):
    """[N,C,T,V,M] -> [N*M,T,V,C], as MAMP folds persons into the batch."""
    n, c, t, v, m = x.shape
    return x.permute(0, 4, 2, 3, 1).reshape(n * m, t, v, c)


def cross_entropy(predicted, target, centre):
    """Per-token cross-entropy of the two feature softmaxes."""
    q = ((target - centre) / TEACHER).softmax(-1)
    return -(q * (predicted / STUDENT).log_softmax(-1)).sum(-1)


class SJepa(torch.nn.Module):
    """MAMP's network with the decoder as predictor (head width -> width), and a
    teacher that is a copy of the encoder half."""

    def __init__(self, width, depth, heads, predictor_depth, frames, joints=25, segment=4):
        super().__init__()
        from model_mamp.transformer import Transformer
        with contextlib.redirect_stdout(io.StringIO()):
            def net(decoder_depth):
                return Transformer(dim_in=3, dim_feat=width, decoder_dim_feat=width, depth=max(depth, decoder_depth),
                                   decoder_depth=decoder_depth, num_heads=heads, mlp_ratio=4, num_frames=frames,
                                   num_joints=joints, patch_size=1, t_patch_size=segment, qkv_bias=True)
            self.student = net(predictor_depth)
        del self.student.blocks[depth:]
        self.student.decoder_pred = torch.nn.Linear(width, width)
        torch.nn.init.xavier_uniform_(self.student.decoder_pred.weight)
        torch.nn.init.zeros_(self.student.decoder_pred.bias)
        self.teacher = copy.deepcopy(self.student)
        for name in [n for n, _ in self.teacher.named_parameters() if decoder(n)]:
            owner, _, leaf = name.rpartition(".")
            head = owner.split(".")[0]
            if leaf and owner and hasattr(self.teacher, head):
                delattr(self.teacher, head)
            elif not owner:
                delattr(self.teacher, leaf)
        self.teacher.requires_grad_(False)

    def mask(self, x, u, ratio, tau):
        """MAMP's masking of folded sequences with given uniform draws [NM,L].

        Returns the kept ids (ascending score), the mask (1 = removed) and ids_restore.
        """
        nm, t, v, _ = x.shape
        tp = t // self.student.t_patch_size
        patches = self.student.patchify(x)
        dummy = torch.zeros(nm, tp * v, 1)
        with drawn([u]):
            if tau > 0:
                _, mask, restore, keep = self.student.motion_aware_random_masking(
                    dummy, patches.reshape(nm, tp, v, -1), ratio, tau)
            else:
                _, mask, restore, keep = self.student.random_masking(dummy, ratio)
        return keep, mask, restore

    def predict(self, view, keep, restore):
        """Features of the visible tokens and predictions of all tokens."""
        x = gather(embed(self.student, view), keep)
        hidden = []
        for block in self.student.blocks:
            x = block(x)
            hidden.append(x)
        x = self.student.norm(x)
        return hidden, x, self.student.forward_decoder(x, restore)


def decoder(name):
    return name.startswith(("decoder_", "mask_token"))


def embed(net, x):
    x = net.joints_embed(x)
    return (x + net.pos_embed + net.temp_embed).flatten(1, 2)


def encode(net, x):
    """All tokens in their order, after the final norm."""
    x = embed(net, x)
    for block in net.blocks:
        x = block(x)
    return net.norm(x)


def gather(x, index):
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def ema(student, teacher, momentum):
    """teacher <- momentum * teacher + (1 - momentum) * student, paired by name."""
    live = dict(student.named_parameters())
    with torch.no_grad():
        for name, t in teacher.named_parameters():
            t.mul_(momentum).add_(live[name], alpha=1 - momentum)


def param_groups(module, decay):
    """What timm 0.3.2's add_weight_decay does: no decay for 1-D tensors and biases."""
    plain, decayed = [], []
    for name, p in module.named_parameters():
        if p.requires_grad:
            (plain if p.dim() == 1 or name.endswith(".bias") else decayed).append(p)
    return [dict(params=plain, weight_decay=0.0), dict(params=decayed, weight_decay=decay)]


# ---- weights by formula -----------------------------------------------------

def uniform16(k, n):
    """n values of tensor number k: odd sixteenths in (-1, 1), from a 32-bit mixer.

    x = (k + 1) * 2654435769 + j (mod 2^32); x ^= x >> 16; x *= 0x7feb352d;
    x ^= x >> 15; x *= 0x846ca68b; x ^= x >> 16; value = ((x >> 28) - 7.5) / 8.
    uniform16(0, 5) = -0.9375 0.1875 -0.9375 -0.9375 -0.1875; (7, 3): -0.1875 -0.6875 0.1875.
    """
    x = ((k + 1) * 2654435769 + torch.arange(n)) & 0xFFFFFFFF
    x ^= x >> 16
    x = times(x, 0x7FEB352D)
    x ^= x >> 15
    x = times(x, 0x846CA68B)
    x ^= x >> 16
    return ((x >> 28).double() - 7.5) / 8


def times(x, c):
    """Product modulo 2^32 without leaving 63 bits."""
    return ((x & 0xFFFF) * c + (((x >> 16) * c & 0xFFFF) << 16)) & 0xFFFFFFFF


def rule(name, shape):
    """(base, scale) of a tensor; value = base + scale * uniform16(k, j)."""
    if name.endswith(("mask_token", "temp_embed", "pos_embed")):
        return 0.0, 0.5
    if name.endswith("decoder_pred.weight"):
        return 0.0, 1 / 32  # predictions of a size the temperature 0.1 leaves a softmax
    if len(shape) == 1:
        return (1.0, 0.25) if name.endswith("weight") else (0.0, 0.125)
    return 0.0, 0.25 if math.prod(shape[1:]) <= 128 else 0.125


def fill(module):
    """Gives every parameter its formula; returns {name, k, shape, base, scale, sum, l2}."""
    about = []
    with torch.no_grad():
        for k, (name, t) in enumerate(module.named_parameters()):
            base, scale = rule(name, t.shape)
            v = base + scale * uniform16(k, t.numel())
            t.copy_(v.reshape(t.shape).to(t.dtype))
            about.append(dict(name=name, k=k, shape=list(t.shape), base=base, scale=scale,
                              sum=v.sum().item(), l2=v.norm().item()))
    return about


# ---- moving skeletons -------------------------------------------------------

# x, y of the 25 Kinect joints of somebody standing, roughly, in metres.
POSE = [(0, 0), (0, .3), (0, .55), (0, .7), (-.18, .5), (-.3, .28), (-.36, .05), (-.38, -.03), (.18, .5), (.3, .28),
        (.36, .05), (.38, -.03), (-.09, -.02), (-.11, -.42), (-.12, -.8), (-.13, -.86), (.09, -.02), (.11, -.42),
        (.12, -.8), (.13, -.86), (0, .5), (-.39, -.1), (-.34, -.02), (.39, -.1), (.34, -.02)]


def person(frames, seed, at=(0.0, 0.1, 3.0), swing=0.15, digits=4):
    """[frames,25,3]: the pose with joints that swing the more the farther out they are."""
    g = torch.Generator().manual_seed(seed)
    pose = torch.tensor(POSE, dtype=torch.float64)
    pose = torch.cat([pose, torch.zeros(25, 1, dtype=torch.float64)], 1)
    reach = pose.norm(dim=1)[:, None] / 0.9
    rate, phase, size = (torch.rand(25, 3, generator=g, dtype=torch.float64) for _ in range(3))
    t = torch.arange(frames, dtype=torch.float64)[:, None, None]
    move = (swing * reach * size) * torch.sin((0.1 + 0.4 * rate) * t + 6.3 * phase)
    return (pose + move + torch.tensor(at, dtype=torch.float64)).round(decimals=digits)
