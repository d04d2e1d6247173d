"""Terms against collapse and figures of it, restated from their formulas in float64, with gradients by autograd.

    python collapse.py        # torch 2.11; writes collapse.safetensors beside this file

Views are closed forms, so that only results are stored: Z1[n,d] = sin(0.7(n+1) + 1.9(d+1) + 0.31(n+1)(d+1)),
Z2 = Z1 + 0.1 cos(2.3(n+1)(d+1)), n = 0..15, d = 0..7. A queue of keys K[n,d] = cos(0.9(n+1) - 0.6(d+1)(n+2)), n = 0..4,
rows of length one. Directions A[d,s] = sin(1.3(d+1)(s+1) + 0.2), s = 0..3, columns of length one. Every `value` is one
number, every `gradient` is that of both views, [2, 16, 8].
"""
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)


def grid(rows, columns):
    n = torch.arange(1, rows + 1).double()[:, None]
    d = torch.arange(1, columns + 1).double()[None, :]
    return n, d


def views(rows=16, columns=8):
    n, d = grid(rows, columns)
    first = torch.sin(0.7 * n + 1.9 * d + 0.31 * n * d)
    return first, first + 0.1 * torch.cos(2.3 * n * d)


def keys():
    n, d = grid(5, 8)
    return F.normalize(torch.cos(0.9 * n - 0.6 * d * (n + 1)), dim=1)


def slices():
    d, s = grid(8, 4)
    a = torch.sin(1.3 * d * s + 0.2)
    return a / a.norm(dim=0)


# --- terms ---------------------------------------------------------------------------------------------------------


def off_diagonal(c):
    return c - torch.diag(torch.diagonal(c))


def variance(a, b, weight):
    def hinge(z):
        return F.relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()
    return weight * (hinge(a) + hinge(b))


def covariance(a, b, per_place):
    def one(z):
        n, d = z.shape
        c = torch.cov(z.T)
        return off_diagonal(c).square().sum() / (d * (d - 1) if per_place else d)
    return one(a) + one(b)


def barlow(a, b, lam, official):
    def standard(z):
        if official:
            return F.batch_norm(z, None, None, training=True, eps=1e-5)
        return (z - z.mean(0)) / (z.std(0) + 1e-5)
    c = standard(a).T @ standard(b) / len(a)
    return (torch.diagonal(c) - 1).square().sum() + lam * off_diagonal(c).square().sum()


def epps_pulley(u, points, quadrature, scale):
    """Trapezoids (`None`) or given weights; one value a column of u."""
    angle = points[:, None, None] * u
    window = torch.exp(-points.square() / 2)
    gap = (torch.cos(angle).mean(1) - window[:, None]).square() + torch.sin(angle).mean(1).square()
    gap = gap * window[:, None]
    integral = torch.trapezoid(gap, points, dim=0) if quadrature is None else (gap * quadrature[:, None]).sum(0)
    return integral * scale


def sigreg(a, b, form):
    along = slices()
    if form == "paper":
        of = lambda z: epps_pulley(z @ along, torch.linspace(-5, 5, 17), None, len(z)).mean()
    elif form == "eb-jepa":
        of = lambda z: epps_pulley(z @ along, torch.linspace(-3, 3, 10), None, 1).mean()
    else:
        points = torch.linspace(0, 3, 17)
        weights = torch.full((17,), 2 * 3 / 16)
        weights[0] = weights[-1] = 3 / 16
        of = lambda z: epps_pulley(z @ along, points, weights, len(z)).mean()
        if form == "stable-pretraining":
            return of(torch.cat([a, b]))
    return (of(a) + of(b)) / 2


def whitening(a, b, form, epsilon):
    if form == "official":
        def white(z):
            z = z - z.mean(0)
            c = (1 - epsilon) * (z.T @ z / (len(z) - 1)) + epsilon * torch.eye(z.shape[1])
            return torch.linalg.solve_triangular(torch.linalg.cholesky(c), z.T, upper=False).T
        a, b = white(a), white(b)
        return (2 - 2 * F.cosine_similarity(a, b, dim=1)).mean()
    z = torch.cat([a, b])
    z = z - z.mean(0)
    values, vectors = torch.linalg.eigh(z.T @ z / (len(z) - 1))
    root = vectors @ torch.diag(values.clamp(min=epsilon).rsqrt()) @ vectors.T
    a, b = F.normalize(z @ root, dim=1).chunk(2)
    return F.mse_loss(a, b)


def nt_xent(a, b, temperature, queue):
    n = len(a)
    z = F.normalize(torch.cat([a, b]), dim=1)
    logits = z @ z.T
    logits.fill_diagonal_(-torch.inf)
    if queue is not None:
        logits = torch.cat([logits, z @ queue.T], dim=1)
    return F.cross_entropy(logits / temperature, (torch.arange(2 * n) + n) % (2 * n))


def moco_v3(q, k, temperature, queue):
    q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
    logits = q @ (k if queue is None else torch.cat([k, queue])).T
    return 2 * temperature * F.cross_entropy(logits / temperature, torch.arange(len(q)))


def moco_v2(q, k, temperature, queue):
    q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1)
    return F.cross_entropy(logits / temperature, torch.zeros(len(q), dtype=torch.long))


def lejepa(a, b):
    all_views = torch.stack([a, b, a + 0.5 * (a - b)])
    return (all_views[:2].mean(0) - all_views).square().mean()


# --- figures -------------------------------------------------------------------------------------------------------


def lidar(z, q, delta, epsilon, epsilon_first):
    x = z.reshape(-1, q, z.shape[1])
    n, mean = len(x), x.mean(1)
    centre = mean - mean.mean(0)
    between = centre.T @ centre / (n - 1)
    rest = (x - mean[:, None]).reshape(-1, z.shape[1])
    within = rest.T @ rest / (n * (q - 1)) + delta * torch.eye(z.shape[1])
    values, vectors = torch.linalg.eigh(within)
    root = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    spectrum = torch.linalg.eigvalsh(root @ between @ root).clamp(min=0)
    p = spectrum + epsilon if epsilon_first else spectrum
    p = p / p.sum()
    if not epsilon_first:
        p = p + epsilon
    return torch.exp(-(p * p.log()).sum())


def alpha(z, first, last):
    spectrum = torch.linalg.eigvalsh(torch.cov(z.T)).flip(0)[first - 1:last]
    k = torch.arange(first, first + len(spectrum)).double()
    x, y, w = k.log(), spectrum.log(), (1 / k).sqrt()
    design = torch.stack([torch.ones_like(x), x], dim=1) * w[:, None]
    return -torch.linalg.lstsq(design, (y * w)[:, None]).solution[1, 0]


def main():
    queue = keys()
    terms = {
        "variance.official": lambda a, b: variance(a, b, 0.5),
        "variance.eb-jepa": lambda a, b: variance(a, b, 1.0),
        "covariance.official": lambda a, b: covariance(a, b, False),
        "covariance.eb-jepa": lambda a, b: covariance(a, b, True),
        "invariance": lambda a, b: F.mse_loss(a, b),
        "invariance.to-mean": lejepa,
        "barlow-twins.official": lambda a, b: barlow(a, b, 0.0051, True),
        "barlow-twins.stable-pretraining": lambda a, b: barlow(a, b, 0.0051, False),
        "whitening.official": lambda a, b: whitening(a, b, "official", 0.0),
        "whitening.official.shrunk": lambda a, b: whitening(a, b, "official", 0.05),
        "whitening.stable-pretraining": lambda a, b: whitening(a, b, "stable-pretraining", 1e-3),
        "whitening.stable-pretraining.clamped": lambda a, b: whitening(a, b, "stable-pretraining", 0.2),
        "info-nce.nt-xent": lambda a, b: nt_xent(a, b, 0.2, None),
        "info-nce.nt-xent.queue": lambda a, b: nt_xent(a, b, 0.2, queue),
        "info-nce.moco-v3": lambda a, b: moco_v3(a, b, 0.2, None) + moco_v3(b, a, 0.2, None),
        "info-nce.moco-v3.queue": lambda a, b: moco_v3(a, b, 0.2, queue),
        "info-nce.moco-v2": lambda a, b: moco_v2(a, b, 0.2, queue),
    }
    terms |= {f"sigreg.{form}": lambda a, b, form=form: sigreg(a, b, form)
              for form in ("paper", "package", "stable-pretraining", "eb-jepa")}
    out = {}
    for name, term in terms.items():
        a, b = (z.clone().requires_grad_() for z in views())
        value = term(a, b)
        value.backward()
        out[f"{name}.value"] = value.detach().reshape(1)
        out[f"{name}.gradient"] = torch.stack([a.grad, b.grad])
        print(f"{name:40} {value.item():.10f}")
    wide = views(300, 120)[0] * torch.exp(-0.02 * torch.arange(120))
    figures = {
        "lidar.stable-pretraining": lidar(views()[0], 4, 1e-4, 1e-8, True),
        "lidar.reptrix": lidar(views()[0], 4, 1e-6, 1e-7, False),
        "alpha.11-100": alpha(wide, 11, 100),
        "alpha.1-100": alpha(wide, 1, 100),
    }
    for name, value in figures.items():
        out[f"figure.{name}"] = value.reshape(1)
        print(f"{name:40} {value.item():.10f}")
    u = (views()[0] @ slices())[:, 0]
    exact = (math.sqrt(2 * math.pi) * torch.exp(-(u[:, None] - u).square() / 2).mean()
             - 2 * math.sqrt(math.pi) * torch.exp(-u.square() / 4).mean() + math.sqrt(2 * math.pi / 3))
    print(f"{'Epps-Pulley, exact integral, slice 0':40} {16 * exact.item():.10f}")
    save_file({name: value.contiguous() for name, value in out.items()}, os.path.join(HERE, "collapse.safetensors"))


if __name__ == "__main__":
    main()
