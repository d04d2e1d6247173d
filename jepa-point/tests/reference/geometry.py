"""Makes geometry.safetensors: farthest points, neighbours, orders, augmentation.

    python geometry.py --point-jepa PATH [--out FOLDER]

Indices are int64, coordinates float32. FPS and kNN are pytorch3d's, or exact
restatements of them (metadata "pytorch3d"); the orders, grouping and augmentation
are the official package's.

Case {c} = wave (P[i] = (sin 0.7i, cos 1.3i, sin(2.1i + 0.5)), i < 64, float64 then
rounded), random (3 clouds of 512), lattice (a 4x4x4 grid, spacing 0.25: distances
tie exactly), twins (48 points of which only 12 differ: FPS runs out of them):
  {c}.points        [B,N,3]
  {c}.fps{s}.start  [B]      start index of each cloud; s = 0, 1, (2)
  {c}.fps{s}.index  [B,G]
  {c}.fps{s}.knn    [B,G,K]  neighbours of those centres, nearest first, ties by index
  {c}.fps{s}.dist   [B,G,K]  their squared distances
  {c}.fps{s}.min_start / .first / .morton  [B,G]  the centres' order, as positions
      in the FPS list: greedy from the smallest coordinate sum, greedy from position
      0, and z-order (stable among equal codes; official code would not be)
  {c}.fps{s}.z      [B,G]    z-order codes (see below)
(twins has no orders: its centres coincide.)
  wave.reversed.min_start [1,16]  order of the 16 centres of fps0 given backwards
  ball.index [3,32,16], ball.radius [1], ball.groups [3,32,16,3]: the radius variant on
      random.fps0, holes filled with the first index, coordinates / radius
  groups [3,32,16,3]  the plain variant: neighbour - centre, in the order of .knn
Augmentation (float32), each from random.points, draws before their use:
  augment.scale [3], augment.scaled; augment.centred; augment.sphere (of centred);
  augment.turn [1] radians about y, augment.rotated; augment.all: scaled, centred,
  unit sphere, rotated in this order with the same draws
The official z-order file needs NumPy < 2 (it shifts int32 by 32); here its codes are
taken from int64. For coordinates of a unit sphere the order is the same.
"""
import math

import numpy as np
import torch

from common import Draws, arguments, backend, use_point_jepa, write


def clouds():
    i = torch.arange(64, dtype=torch.float64)
    wave = torch.stack([(0.7 * i).sin(), (1.3 * i).cos(), (2.1 * i + 0.5).sin()], -1).float()[None]
    g = torch.Generator().manual_seed(11)
    random = torch.randn(3, 512, 3, generator=g) * torch.tensor([0.2, 0.35, 0.25])
    random[1] = random[1] / random[1].norm(dim=1, keepdim=True)  # a sphere's surface
    random[2, :, 1] = random[2, :, 1].round(decimals=1)  # layers
    a = torch.arange(4, dtype=torch.float32) * 0.25 - 0.5
    lattice = torch.cartesian_prod(a, a, a)[None]
    few = torch.randn(12, 3, generator=g) * 0.4
    twins = few[torch.randint(12, (48,), generator=g)][None]
    return dict(wave=wave, random=random, lattice=lattice, twins=twins)


def z_codes(centres):
    from pointjepa.modules import z_order
    out = []
    for c in centres.numpy():
        q = z_order.round_to_int_32(c).astype(np.int64)
        out.append(torch.from_numpy(z_order.get_z_order(q[:, 0], q[:, 1], q[:, 2])))
    return torch.stack(out)


def order(centres, min_start):
    from pointjepa.modules.point_sequencer import PointSequencer
    b, g, _ = centres.shape
    flat = PointSequencer(device="cpu").sort_iterative_nearest(centres.clone(), min_start=min_start)
    return flat.view(b, g) - torch.arange(b)[:, None] * g


def main():
    args = arguments(__doc__).parse_args()
    use_point_jepa(args.point_jepa)
    from pointjepa.modules.tokenizer import PointcloudGrouping
    from pointjepa.utils import transforms
    from pytorch3d.ops import knn_points, sample_farthest_points

    sizes = dict(wave=(16, 6), random=(32, 16), lattice=(24, 8), twins=(20, 6))
    starts = dict(wave=[[0], [5]], random=[[0, 0, 0], [17, 300, 511], [256, 1, 99]],
                  lattice=[[0], [21]], twins=[[0], [7]])
    out = {}
    for c, p in clouds().items():
        out[f"{c}.points"] = p
        k, near = sizes[c]
        for s, start in enumerate(starts[c]):
            start = torch.tensor(start)
            with Draws([("randint", start)]).active():
                centres, idx = sample_farthest_points(p, K=k, random_start_point=True)
            d, n, _ = knn_points(centres, p, K=near)
            assert (d[..., 1:] >= d[..., :-1]).all()
            here = f"{c}.fps{s}"
            out.update({f"{here}.start": start, f"{here}.index": idx, f"{here}.knn": n, f"{here}.dist": d})
            if c != "twins":
                z = z_codes(centres)
                out.update({f"{here}.min_start": order(centres, True), f"{here}.first": order(centres, False),
                            f"{here}.z": z, f"{here}.morton": z.argsort(dim=1, stable=True)})
    wave = out["wave.points"]
    centres = wave[:, out["wave.fps0.index"][0]]
    out["wave.reversed.min_start"] = order(centres.flip(1), True)

    # Numbers printed in the project's notes.
    assert out["wave.fps0.index"][0].tolist() == [0, 2, 7, 35, 29, 21, 25, 41, 5, 18, 39, 36, 28, 47, 42, 54]
    assert out["wave.fps1.index"][0, :8].tolist() == [5, 12, 17, 48, 6, 11, 29, 40]
    assert out["wave.fps0.knn"][0, 3].tolist() == [35, 23, 59, 62, 8, 50]
    assert out["wave.fps0.min_start"][0].tolist() == [7, 3, 8, 4, 13, 1, 5, 12, 15, 0, 10, 9, 11, 2, 14, 6]
    assert out["wave.fps0.first"][0].tolist() == [0, 15, 9, 11, 5, 12, 10, 4, 13, 1, 7, 3, 8, 6, 14, 2]
    assert out["wave.reversed.min_start"][0].tolist() == [8, 12, 7, 11, 2, 14, 10, 3, 0, 15, 5, 6, 4, 13, 1, 9]

    p = out["random.points"]
    start = [("randint", out["random.fps0.start"])]
    with Draws(start).active():
        groups, _ = PointcloudGrouping(32, 16, None)(p)
    # The official order inside a group is arbitrary: put nearest first.
    out["groups"] = p[torch.arange(3)[:, None, None], out["random.fps0.knn"]] - \
        p[torch.arange(3)[:, None], out["random.fps0.index"]][:, :, None]
    same = (groups.norm(dim=-1).sort(dim=2).values - out["groups"].norm(dim=-1).sort(dim=2).values).abs().max()
    assert same == 0, same
    radius = 0.3
    with Draws(start).active():
        ball, _ = PointcloudGrouping(32, 16, radius)(p)
    from pointjepa.modules.tokenizer import fill_empty_indices
    from pytorch3d.ops import ball_query
    c = p[torch.arange(3)[:, None], out["random.fps0.index"]]
    index = ball_query(c, p, K=16, radius=radius, return_nn=False)[1]
    print("ball: holes", (index < 0).float().mean().item())
    out.update({"ball.index": fill_empty_indices(index), "ball.radius": torch.tensor([radius]), "ball.groups": ball})

    u = torch.tensor([0.9, 0.1, 0.35])
    sign = torch.rand(3)
    a = torch.tensor([0.7])
    scale = transforms.PointcloudScaling(min=0.8, max=1.2)
    turn = transforms.PointcloudRotation(dims=[1], deg=None)
    centre, sphere = transforms.PointcloudCentering(), transforms.PointcloudUnitSphere()
    out["augment.scale"] = u * (1.2 - 0.8) + 0.8
    out["augment.turn"] = 2 * math.pi * a - math.pi
    draws = [("rand", u), ("rand", sign)]
    with Draws(draws).active():
        out["augment.scaled"] = scale(p.clone())
    with Draws([("rand", a)]).active():
        out["augment.rotated"] = turn(p.clone())
    out["augment.centred"] = centre(p.clone())
    out["augment.sphere"] = sphere(out["augment.centred"].clone())
    with Draws(draws + [("rand", a)]).active():
        out["augment.all"] = transforms.Compose([scale, centre, sphere, turn])(p.clone())

    ties = {c: sum(len(set(z)) < len(z) for s in range(3) if f"{c}.fps{s}.z" in out
                   for z in out[f"{c}.fps{s}.z"].tolist()) for c in sizes}
    print("clouds with equal z codes", ties, "twins", out["twins.fps0.index"].tolist())
    write(args.out, "geometry.safetensors", out,
          dict(pytorch3d=backend(), cases={c: dict(G=g, K=k) for c, (g, k) in sizes.items()}))


if __name__ == "__main__":
    main()
