"""Records what MC-JEPA's parts give in PyTorch, for `tests/promises/{operations,network}.rs`.

    python motion.py [--out FOLDER]

needs torch and safetensors. There is no official code of MC-JEPA: the formulas below are PWC-Net's, ARFlow's, ConvNeXt's
and VICReg's, written down here for channels-first tensors with PyTorch's own operations (grid_sample, interpolate,
conv2d, avg_pool2d), so that the channels-last passes of the crate are held to something made in another way.
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)

# --- the model whose numbers are recorded --------------------------------------------------------------------------

STEM, WIDTHS, DEPTHS = 8, [12, 16], [1, 2]
EPS = 1e-6
RADIUS, PROJECTION, FINEST = 4, 8, 1
ESTIMATOR, CONTEXT = [16, 16, 12, 8, 8], [12, 12, 12, 12, 8, 8]
DILATIONS = [1, 2, 4, 8, 16, 1]
EXPANDER = [20, 24]
SIZE, VIEW, PAIRS, PICTURES = (32, 48), 16, 2, 6
LOSS = dict(weight=0.7, regression=1.5, reconstruction=1.0, l1=1.0, l2=0.5, ssim=0.8, census=0.6, scales=2,
            smooth=5.0, edges=10.0, cycle=0.2, variance=[0.4, 0.3, 0.2], covariance=[0.04, 0.03, 0.02],
            relative=0.01, absolute=2.0, invariance=25.0)
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def mixed(k, count):
    """Odd sixteenths in (-1, 1) from a 32-bit mixer."""
    mask = (1 << 32) - 1
    values = []
    for j in range(count):
        x = ((k + 1) * 2654435769 + j) & mask
        x ^= x >> 16
        x = (x * 0x7FEB352D) & mask
        x ^= x >> 15
        x = (x * 0x846CA68B) & mask
        x ^= x >> 16
        values.append(((x >> 28) - 7.5) / 8)
    return torch.tensor(values, dtype=torch.float64)


class Weights:
    """Weights by name: a formula of (number, element), so that only the formula is stored."""

    def __init__(self):
        self.table, self.listed = {}, []

    def get(self, name, shape, base=0.0, scale=None):
        if name not in self.table:
            count = 1
            for side in shape:
                count *= side
            if scale is None:
                scale = 1.6 / (count / shape[0]) ** 0.5
            k = len(self.listed)
            values = (base + scale * mixed(k, count)).float().view(shape)
            self.table[name] = values.requires_grad_(True)
            self.listed.append(dict(name=name, k=k, shape=list(shape), base=base, scale=scale))
        return self.table[name]


W = Weights()


def conv(x, name, outputs, side, stride=1, padding=None, dilation=1, scale=None):
    weight = W.get(name + ".weight", [outputs, x.shape[1], side, side], scale=scale)
    bias = W.get(name + ".bias", [outputs], scale=0.1)
    padding = side // 2 * dilation if padding is None else padding
    return F.conv2d(x, weight, bias, stride=stride, padding=padding, dilation=dilation)


def norm(x, name):
    c = x.shape[1]
    weight, bias = W.get(name + ".weight", [c], base=1.0, scale=0.2), W.get(name + ".bias", [c], scale=0.1)
    return F.layer_norm(x.permute(0, 2, 3, 1), [c], weight, bias, EPS).permute(0, 3, 1, 2)


def linear(x, name, outputs):
    """Over the channels of a map."""
    weight = W.get(name + ".weight", [outputs, x.shape[1]])
    return F.conv2d(x, weight[:, :, None, None], W.get(name + ".bias", [outputs], scale=0.1))


def block(x, name):
    c = x.shape[1]
    y = F.conv2d(x, W.get(name + ".dwconv.weight", [c, 1, 7, 7]), W.get(name + ".dwconv.bias", [c], scale=0.1),
                 padding=3, groups=c)
    y = norm(y, name + ".norm")
    y = linear(F.gelu(linear(y, name + ".pwconv1", 4 * c)), name + ".pwconv2", c)
    return x + y * W.get(name + ".gamma", [c], base=0.5, scale=0.2).view(1, c, 1, 1)


def pyramid(pictures):
    """Levels, the finest first."""
    x = (pictures - MEAN) / STD
    finest = norm(conv(x, "encoder.stem0", STEM, 3, stride=2), "encoder.stem_norm0")
    x = norm(conv(F.gelu(finest), "encoder.stem1", WIDTHS[0], 3, stride=2), "encoder.stem_norm1")
    levels = [finest]
    for i, (width, depth) in enumerate(zip(WIDTHS, DEPTHS)):
        if i > 0:
            x = norm(x, f"encoder.downsample.{i - 1}.norm")
            x = conv(x, f"encoder.downsample.{i - 1}.reduction", width, 2, stride=2, padding=0)
        for j in range(depth):
            x = block(x, f"encoder.stages.{i}.{j}")
        levels.append(norm(x, f"encoder.norms.{i}"))
    return levels


def warp(x, flow):
    """grid_sample at displaced places, border padding, corners aligned."""
    h, w = x.shape[2:]
    ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    at = torch.stack([xs, ys])[None] + flow
    grid = torch.stack([2 * at[:, 0] / (w - 1) - 1, 2 * at[:, 1] / (h - 1) - 1], dim=-1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)


def cost_volume(a, b, radius):
    h, w = a.shape[2:]
    padded = F.pad(b, [radius] * 4)
    side = 2 * radius + 1
    return torch.stack([(a * padded[:, :, d // side:d // side + h, d % side:d % side + w]).mean(1)
                        for d in range(side * side)], dim=1)


def grown(flow, size):
    """A flow on another grid."""
    factors = torch.tensor([size[1] / flow.shape[3], size[0] / flow.shape[2]]).view(1, 2, 1, 1)
    return F.interpolate(flow, size=size, mode="bilinear", align_corners=True) * factors


def swapped(x):
    half = x.shape[0] // 2
    return torch.cat([x[half:], x[:half]])


def leaky(x):
    return F.leaky_relu(x, 0.1)


def refine(x, flow):
    """The estimator and the context network."""
    seen = [x]
    for i, width in enumerate(ESTIMATOR):
        given = seen[-1] if i < 2 else torch.cat(seen[-2:], 1)
        seen.append(leaky(conv(given, f"flow.estimator.conv{i + 1}", width, 3)))
    flow = flow + conv(torch.cat(seen[-2:], 1), "flow.estimator.predict", 2, 3, scale=0.4)
    y = torch.cat([seen[-1], flow], 1)
    for i, (width, dilation) in enumerate(zip(CONTEXT, DILATIONS)):
        y = leaky(conv(y, f"flow.context.layers.{i}", width, 3, dilation=dilation))
    return flow + conv(y, "flow.context.predict", 2, 3, scale=0.3)


def flows(levels):
    """Flows of every level, the finest first."""
    flow, found = None, []
    for level in reversed(range(len(levels))):
        x = levels[level]
        other = swapped(x)
        if flow is None:
            flow = torch.zeros(x.shape[0], 2, *x.shape[2:])
        else:
            flow = grown(flow, x.shape[2:])
            if level >= FINEST:
                other = warp(other, flow)
        if level >= FINEST:
            costs = leaky(cost_volume(x, other, RADIUS))
            own = leaky(conv(x, f"flow.projections.{level - FINEST}", PROJECTION, 1))
            flow = refine(torch.cat([costs, own, flow], 1), flow)
        found.append(flow)
    return found[::-1]


def expand(x):
    """One view, with batch statistics."""
    for i, width in enumerate(EXPANDER[:-1]):
        name = f"expander.layers.{i}"
        x = F.linear(x, W.get(name + ".map.weight", [width, x.shape[1]]))
        weight = W.get(name + ".norm.weight", [width], base=1.0, scale=0.2)
        x = F.relu(F.batch_norm(x, None, None, weight, W.get(name + ".norm.bias", [width], scale=0.1), training=True))
    return F.linear(x, W.get("expander.out.weight", [EXPANDER[-1], x.shape[1]]))


# --- losses ----------------------------------------------------------------------------------------------------------

def structural(a, b):
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    pool = lambda x: F.avg_pool2d(x, 3, 1)
    ma, mb = pool(a), pool(b)
    va, vb, cab = pool(a * a) - ma * ma, pool(b * b) - mb * mb, pool(a * b) - ma * mb
    ssim = (2 * ma * mb + c1) * (2 * cab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return ((1 - ssim) / 2).clamp(0, 1)


def census(a, b):
    """A filter bank of nine taps, as ARFlow has it."""
    def transform(x):
        grey = 255 * (0.2989 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3])
        taps = F.conv2d(grey, torch.eye(9).view(9, 1, 3, 3), padding=1)
        step = taps - grey
        return step / (0.81 + step ** 2).sqrt()
    square = (transform(a) - transform(b)) ** 2
    distance = (square / (0.1 + square)).mean(1, keepdim=True)
    return distance * F.pad(torch.ones_like(distance)[:, :, 1:-1, 1:-1], [1] * 4)


def smoothness(flow, picture, edges, second):
    dx = lambda x: x[..., 1:] - x[..., :-1]
    dy = lambda x: x[..., 1:, :] - x[..., :-1, :]
    wx = (-edges * dx(picture).abs().mean(1, keepdim=True)).exp()
    wy = (-edges * dy(picture).abs().mean(1, keepdim=True)).exp()
    if second:
        return (wx[..., 1:] * dx(dx(flow)).abs()).mean() / 2 + (wy[..., 1:, :] * dy(dy(flow)).abs()).mean() / 2
    return (wx * dx(flow).abs() / 2).mean() / 2 + (wy * dy(flow).abs() / 2).mean() / 2


def visible(flow):
    flow = flow.detach()
    back = warp(swapped(flow), flow)
    square = lambda x: (x ** 2).sum(1, keepdim=True)
    limit = LOSS["relative"] * (square(flow) + square(back)) + LOSS["absolute"]
    h, w = flow.shape[2:]
    ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    x, y = xs + flow[:, 0:1], ys + flow[:, 1:2]
    inside = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
    distance = square(flow + back)
    print(f"  nearest to the limit of consistency: {(distance - limit).abs().min():.6f}, "
          f"visible {((distance < limit) & inside).float().mean():.3f}")
    return ((distance < limit) & inside).float()


def photometric(a, b, mask):
    share = mask.mean((1, 2, 3)).clamp(min=1e-3)
    each = lambda x: (x.mean((1, 2, 3)) / share).mean()
    ma, mb = a * mask, b * mask
    return (LOSS["l1"] * each((ma - mb).abs()) + LOSS["l2"] * each((ma - mb) ** 2)
            + LOSS["ssim"] * each(structural(ma, mb)) + LOSS["census"] * each(census(a, b) * mask))


def spread(x, variance, covariance):
    rows = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    c = torch.cov(rows.T)
    d = c.shape[0]
    hinge = F.relu(1 - (torch.diagonal(c) + 1e-4).sqrt()).mean()
    return variance * hinge + covariance * (c - torch.diag(torch.diagonal(c))).pow(2).sum() / d


def whole(frames, views):
    levels = pyramid(frames)
    found = flows(levels)
    predicted = [warp(swapped(x), f) for x, f in zip(levels, found)]
    w = LOSS["weight"]
    terms = {"energy": w * LOSS["regression"] * sum(F.mse_loss(p, x) for p, x in zip(predicted, levels)) / len(levels)}
    pictures = [(frames, grown(found[FINEST], SIZE))]
    pictures += [(F.avg_pool2d(frames, 2 << level), found[level])
                 for level in range(FINEST, FINEST + LOSS["scales"] - 1)]
    terms["reconstruction"] = w * LOSS["reconstruction"] * sum(
        photometric(p, warp(swapped(p), f), visible(f)) for p, f in pictures) / LOSS["scales"]
    fine = found[FINEST]
    terms["smoothness"] = w * LOSS["smooth"] * smoothness(fine / min(fine.shape[2:]),
                                                          F.avg_pool2d(frames, 2 << FINEST), LOSS["edges"], True)
    terms["cycle"] = w * LOSS["cycle"] * sum(
        F.mse_loss(warp(swapped(p), f), x) for x, f, p in zip(levels, found, predicted))
    terms["spread"] = w * sum(spread(x, v, c) for x, v, c in zip(levels, LOSS["variance"], LOSS["covariance"]))
    features = pyramid(views)[-1].mean((2, 3))
    a, b = (expand(half) for half in features.chunk(2))
    terms["invariance"] = LOSS["invariance"] * F.mse_loss(a, b)
    return levels, found, torch.cat([a, b]), terms


# --- what is written -------------------------------------------------------------------------------------------------

def last(x):
    """Channels last, as the crate has them: [frames, places, channels]."""
    return x.detach().permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def smooth(generator, *shape):
    """Noise without its finest grain, in [0, 1]."""
    x = torch.rand(*shape, generator=generator)
    x = F.avg_pool2d(F.pad(x, [1] * 4, mode="reflect"), 3, 1)
    return (x - x.min()) / (x.max() - x.min())


def operations(tensors):
    g = torch.Generator().manual_seed(5)
    randn = lambda *shape: torch.randn(*shape, generator=g)
    x, flow = randn(2, 6, 5, 7).requires_grad_(), (2.5 * randn(2, 2, 5, 7)).requires_grad_()
    y = warp(x, flow)
    slope = randn(*y.shape)
    of_x, of_flow = torch.autograd.grad((y * slope).sum(), [x, flow])
    for name, value in dict(x=x, flow=flow, y=y, slope=slope, of_x=of_x, of_flow=of_flow).items():
        tensors[f"warp.{name}"] = last(value)

    a, b = randn(2, 19, 6, 9).requires_grad_(), randn(2, 19, 6, 9).requires_grad_()
    y = cost_volume(a, b, 4)
    slope = randn(*y.shape)
    of_a, of_b = torch.autograd.grad((y * slope).sum(), [a, b])
    for name, value in dict(a=a, b=b, y=y, slope=slope, of_a=of_a, of_b=of_b).items():
        tensors[f"cost.{name}"] = last(value)

    flow = randn(2, 2, 3, 5)
    tensors["grown.flow"], tensors["grown.y"] = last(flow), last(grown(flow, (6, 10)))

    a, b = smooth(g, 2, 3, 9, 12), smooth(g, 2, 3, 9, 12).requires_grad_()
    flow = randn(2, 2, 9, 12).requires_grad_()
    tensors["photo.a"], tensors["photo.b"], tensors["photo.flow"] = last(a), last(b), last(flow)
    for name, of in dict(ssim=structural, census=census).items():
        y = of(a, b)
        tensors[f"photo.{name}"] = last(y)
        tensors[f"photo.of_{name}"] = last(torch.autograd.grad(y.mean(), b)[0])
    for name, second in dict(first=False, second=True).items():
        y = smoothness(flow, a, 10.0, second)
        tensors[f"photo.{name}"] = y.detach().view(1)
        tensors[f"photo.of_{name}"] = last(torch.autograd.grad(y, flow)[0])


def network(tensors, meta):
    g = torch.Generator().manual_seed(20)
    scene = smooth(g, PAIRS, 3, SIZE[0] + 6, SIZE[1] + 6)
    first, second = scene[:, :, 3:-3, 3:-3], scene[:, :, 2:-4, 5:-1]
    frames = torch.cat([first, second]).contiguous()
    views = smooth(g, 2 * PICTURES, 3, VIEW, VIEW)
    levels, found, embedding, terms = whole(frames, views)
    sum(terms.values()).backward()
    tensors["frames"], tensors["views"], tensors["embedding"] = last(frames), last(views), embedding.detach()
    for i, (level, flow) in enumerate(zip(levels, found)):
        tensors[f"level.{i}"], tensors[f"flow.{i}"] = last(level), last(flow)
    print("  longest flows:", [round(float(f.detach().norm(dim=1).max()), 2) for f in found])
    for name, value in terms.items():
        print(f"  {name}: {value.item():.5f}")
    meta["terms"] = {name: value.item() for name, value in terms.items()}
    meta["gradients"] = {name: float(value.grad.norm()) for name, value in W.table.items()}
    meta["weights"] = W.listed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=HERE)
    out = parser.parse_args().out
    tensors, meta = {}, {}
    operations(tensors)
    network(tensors, meta)
    path = os.path.join(out, "motion.safetensors")
    save_file({name: value.float().contiguous() for name, value in tensors.items()}, path,
              metadata={key: json.dumps(value) for key, value in meta.items()})
    os.chmod(path, 0o644)
    print(f"{path}: {len(tensors)} tensors, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
