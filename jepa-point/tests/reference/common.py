"""Helpers shared by the reference scripts of this folder (not run by itself).

The scripts need torch 2.11, numpy, scipy, scikit-learn, timm, safetensors,
optionally lightning-bolts (`pip install --no-deps lightning-bolts`, for one
schedule), and a checkout of the official repository (Ayumu-J-S/Point-JEPA, seen
at c36b51c), whose path is given with `--point-jepa PATH`. Nothing of that
repository is copied here; it is imported and run. What it imports beyond that is
replaced by the stand-ins below unless it is installed: pytorch_lightning,
torchmetrics, and of pytorch3d the few functions the model calls, restated from
their rule (exact ones, compared with a build of pytorch3d's own C++ files: same
indices). The PYTHONPATH decides; `backend()` says which pytorch3d ran.
"""
import argparse
import contextlib
import importlib.util
import inspect
import json
import math
import os
import sys
import types
import warnings

import torch
from safetensors.torch import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments(doc):
    """A parser with --point-jepa and --out; the caller adds the rest."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--point-jepa", required=True, help="checkout of Ayumu-J-S/Point-JEPA")
    p.add_argument("--out", default=HERE, help="folder for the fixtures (default: beside the script)")
    return p


def write(folder, name, tensors, meta):
    """Writes a safetensors file; metadata values become JSON strings."""
    path = os.path.join(folder, name)
    meta = {k: v if isinstance(v, str) else json.dumps(v) for k, v in meta.items()}
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, path, metadata=meta)
    os.chmod(path, 0o644)  # save_file makes it private
    print(f"{path}: {len(tensors)} tensors, {os.path.getsize(path)} bytes")


# ---- stand-ins --------------------------------------------------------------

def squared(a, b):
    """(x-x')^2 + (y-y')^2 + ..., added in this order in float32."""
    out = torch.zeros((), dtype=a.dtype)
    for d in range(a.shape[-1]):
        e = a[..., d] - b[..., d]
        out = out + e * e
    return out


def fps(points, k, start):
    """Farthest points: [B,N,D] float32, start [B] -> [B,k] int64.

    Keeps each point's squared distance to the chosen ones; a chosen point counts
    as 0; the next one is the first that attains the maximum (index 0 again, when
    every point coincides with a chosen one).
    """
    b, n, _ = points.shape
    rows = torch.arange(b)
    near = torch.full((b, n), torch.finfo(points.dtype).max)
    out = torch.empty(b, k, dtype=torch.int64)
    last = start.clone()
    for i in range(k):
        out[:, i] = last
        near = torch.minimum(near, squared(points[rows, last][:, None], points))
        near[rows, last] = 0
        last = near.argmax(1)
    return out


def sample_farthest_points(points, lengths=None, K=50, random_start_point=False):
    b, n, _ = points.shape
    start = torch.randint(high=n, size=(b,)) if random_start_point else torch.zeros(b, dtype=torch.int64)
    idx = fps(points.float(), K, start)
    return masked_gather(points.float(), idx), idx


def knn_points(p1, p2, lengths1=None, lengths2=None, norm=2, K=1, version=-1, return_nn=False,
               return_sorted=True):
    """Nearest first; of equally near ones the smaller index."""
    d, idx = squared(p1[:, :, None], p2[:, None]).sort(dim=2, stable=True)
    return d[..., :K], idx[..., :K], None


def ball_query(p1, p2, lengths1=None, lengths2=None, K=500, radius=0.2, return_nn=False):
    """The first K in index order nearer than the radius; missing ones are -1."""
    r = torch.tensor(radius, dtype=torch.float32)
    d = squared(p1[:, :, None], p2[:, None])
    n = p2.shape[1]
    order = torch.where(d < r * r, torch.arange(n), n).sort(dim=2).values[..., :K]
    return d.gather(2, order.clamp(max=n - 1)), torch.where(order < n, order, -1), None


def masked_gather(points, idx):
    rows = torch.arange(len(points)).view(-1, *[1] * (idx.dim() - 1))
    return torch.where((idx >= 0)[..., None], points[rows, idx.clamp(min=0)], 0)


def euler_angles_to_matrix(angles, convention):
    """Product of right-handed rotations about the named axes, first axis leftmost."""
    out = torch.eye(3)
    for axis, a in zip(convention, angles):
        i = "XYZ".index(axis)
        j, k = (i + 1) % 3, (i + 2) % 3
        r = torch.eye(3)
        r[j, j] = r[k, k] = a.cos()
        r[k, j], r[j, k] = a.sin(), -a.sin()
        out = out @ r
    return out


class LightningModule(nn.Module):
    """As much of pytorch_lightning's class as the models touch."""

    device = torch.device("cpu")
    loggers = ()
    trainer = None

    def save_hyperparameters(self):
        v = inspect.currentframe().f_back.f_locals
        self.hparams = types.SimpleNamespace(**{k: x for k, x in v.items() if k not in ("self", "__class__")})

    def log(self, *_, **__):
        pass

    def optimizer_step(self, *args, **kwargs):
        raise NotImplementedError("the scripts step the optimiser themselves")


def module(name, **content):
    m = types.ModuleType(name)
    m.__dict__.update(content)
    m.__path__ = []
    sys.modules[name] = m
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, m)
    return m


def installed(name):
    return importlib.util.find_spec(name) is not None


def use_point_jepa(path):
    """Makes `import pointjepa...` find the official package and its needs."""
    sys.path.insert(0, os.path.abspath(path))
    warnings.filterwarnings("ignore", message=".*timm.models.layers.*")
    if not installed("pytorch_lightning"):
        module("pytorch_lightning", LightningModule=LightningModule,
               LightningDataModule=type("LightningDataModule", (), {}))
        module("pytorch_lightning.loggers", WandbLogger=type("WandbLogger", (), {}))
    if not installed("torchmetrics"):
        module("torchmetrics", Accuracy=type("Accuracy", (), {}))
    if not installed("pytorch3d"):
        module("pytorch3d")
        module("pytorch3d.ops", sample_farthest_points=sample_farthest_points, knn_points=knn_points,
               knn_gather=masked_gather, ball_query=ball_query)
        module("pytorch3d.ops.utils", masked_gather=masked_gather)
        module("pytorch3d.transforms", euler_angles_to_matrix=euler_angles_to_matrix)
    use_bolts()
    # The package's own __init__ pulls in the fine-tuning models and data sets; the
    # pre-training model needs neither.
    for name in ("pointjepa.models",):
        importlib.import_module("pointjepa")
        m = module(name)
        m.__path__ = [os.path.join(os.path.abspath(path), *name.split("."))]
    import pointjepa.modules.target_sampler  # noqa: F401  (fails early)


def use_bolts():
    """lightning-bolts' schedule file without the rest of that package."""
    spec = importlib.util.find_spec("pl_bolts")
    cls = None
    if spec is not None:
        folder = list(spec.submodule_search_locations)[0]
        module("pl_bolts")
        module("pl_bolts.utils")
        module("pl_bolts.utils.stability", under_review=lambda: (lambda x: x))
        file = os.path.join(folder, "optimizers", "lr_scheduler.py")
        s = importlib.util.spec_from_file_location("bolts_lr_scheduler", file)
        m = importlib.util.module_from_spec(s)
        s.loader.exec_module(m)
        cls = m.LinearWarmupCosineAnnealingLR
    else:
        module("pl_bolts")
    module("pl_bolts.optimizers")
    module("pl_bolts.optimizers.lr_scheduler", LinearWarmupCosineAnnealingLR=cls)


def backend():
    return "installed" if getattr(sys.modules["pytorch3d"], "__file__", None) else "restated"


# ---- random draws -----------------------------------------------------------

class Draws:
    """Records what torch.rand, randint and randperm give, or replays a record."""

    def __init__(self, replay=None):
        self.log, self.left = [], None if replay is None else list(replay)

    def wrap(self, name, real):
        def call(*args, **kwargs):
            if self.left is not None:
                want, value = self.left.pop(0)
                assert want == name, f"{want} recorded, {name} asked for"
                return value.to(torch.get_default_dtype()) if value.is_floating_point() else value
            value = real(*args, **kwargs)
            self.log.append((name, value.clone()))
            return value
        return call

    @contextlib.contextmanager
    def active(self):
        names = ("rand", "randint", "randperm")
        real = {n: getattr(torch, n) for n in names}
        try:
            for n in names:
                setattr(torch, n, self.wrap(n, real[n]))
            yield self
        finally:
            for n in names:
                setattr(torch, n, real[n])


# ---- weights by formula -----------------------------------------------------

def uniform16(k, n):
    """n values of tensor number k: odd sixteenths in (-1, 1), from a 32-bit mixer.

    x = (k + 1) * 2654435769 + j (mod 2^32); x ^= x >> 16; x *= 0x7feb352d;
    x ^= x >> 15; x *= 0x846ca68b; x ^= x >> 16; value = ((x >> 28) - 7.5) / 8.
    uniform16(0, 5) = -0.9375 0.1875 -0.9375 -0.9375 -0.1875; (7, 3): -0.1875 -0.6875 0.1875.
    """
    m = 0xFFFFFFFF
    x = ((k + 1) * 2654435769 + torch.arange(n)) & m
    x ^= x >> 16
    x = times(x, 0x7FEB352D)
    x ^= x >> 15
    x = times(x, 0x846CA68B)
    x ^= x >> 16
    return ((x >> 28).double() - 7.5) / 8


def times(x, c):
    """Product modulo 2^32 without leaving 63 bits."""
    low = (x & 0xFFFF) * c
    high = ((x >> 16) * c & 0xFFFF) << 16
    return (low + high) & 0xFFFFFFFF


def rule(name, shape):
    """(base, scale) of a tensor; value = base + scale * uniform16(k, j)."""
    if name.endswith("running_mean"):
        return 0.0, 0.125
    if name.endswith("running_var"):
        return 1.0, 0.5
    if name.endswith("mask_token"):
        return 0.0, 0.5
    if len(shape) == 1:
        return (1.0, 0.25) if name.endswith("weight") else (0.0, 0.125)
    fan_in = math.prod(shape[1:])
    return 0.0, 0.5 if fan_in <= 3 else 0.25 if fan_in <= 128 else 0.125


def fill(model):
    """Gives every float tensor of the state dict (aliases once) its formula.

    Returns a list of {name, k, shape, base, scale, sum, l2}, sum and l2 in float64.
    """
    done, about = {}, []
    with torch.no_grad():
        for name, t in model.state_dict(keep_vars=True).items():
            if not t.is_floating_point() or name == "teacher.initted" or name.startswith("teacher.online_model."):
                continue
            k = len(about)
            base, scale = rule(name, t.shape)
            v = base + scale * uniform16(k, t.numel())
            t.copy_(v.reshape(t.shape).to(t.dtype))
            done[id(t)] = name
            about.append(dict(name=name, k=k, shape=list(t.shape), base=base, scale=scale,
                              sum=v.sum().item(), l2=v.norm().item()))
    return about
