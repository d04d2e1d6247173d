"""Makes resize.safetensors: MAMP's cropping, linear resizing and rotation.

    python resize.py --mamp PATH [--out FOLDER]

Clips are [3,T,V,2] (axis, frame, joint, person), float32; frames from `valid` on are 0.
  ramp10to6 [6], ramp5to8 [8]    0..9 and 0..4 resized
  clip.{a,b,c}        T = 60 (valid 37), 150 (valid 131), 240 (valid 211); V = 2
  centre.{clip}.{p}.{window} [3,window,V,2]   centre crop of share p (0.9, 0.95, 1), then resize
  random{i}.{clip}.{window} [3,window,V,2]    random crop; metadata "random" lists clip, window,
      u (np.random.rand), share p = u * 0.5 + 0.5, length = min(max(floor(valid p), 64), valid),
      offset (np.random.randint(0, valid - length + 1))
  angles [4,3], matrix [4,3,3]   MAMP's Rz Ry Rx; matrix times column vector
  rotated [4,3,24,5,2]           the clip "turned" [3,24,5,2] under each
  rotation.u [3], rotation.angles [3]: theta * (2u - 1) with theta 0.3 as
      Tensor.uniform_ of seed 6 gave them; rotation.out [3,24,5,2] by random_rot
Metadata "trims": [share, valid, frames cut at each end].
"""
import numpy as np
import torch

from common import arguments, person, use_mamp, write


def main():
    args = arguments(__doc__).parse_args()
    use_mamp(args.mamp)
    from feeder import tools
    out, random, trims = {}, [], []

    # Newer NumPy refuses int() of the one-element array that rand(1) gives.
    rand = np.random.rand

    def resize(x, valid, p, window):
        np.random.rand = lambda n: rand(n)[0]
        try:
            return torch.from_numpy(tools.valid_crop_resize(x.numpy(), valid, p, window))
        finally:
            np.random.rand = rand

    for n, window in ((10, 6), (5, 8)):
        ramp = torch.arange(float(n)).view(1, n, 1, 1)
        # The official function squeezes a single row away; give it two equal ones.
        out[f"ramp{n}to{window}"] = resize(ramp.expand(2, -1, -1, -1), n, [1.0], window)[0, :, 0, 0]
    clips = {}
    for seed, (name, frames, valid) in enumerate((("a", 60, 37), ("b", 150, 131), ("c", 240, 211))):
        x = torch.zeros(3, frames, 2, 2)
        for m in range(2):
            x[:, :valid, :, m] = person(valid, 60 + 2 * seed + m, swing=0.3)[:, [8, 24]].float().permute(2, 0, 1)
        clips[name] = (x, valid)
        out[f"clip.{name}"] = x
    for name, (x, valid) in clips.items():
        for p in (0.9, 0.95, 1.0):
            for window in (120, 60) if p == 0.95 else (120,):
                out[f"centre.{name}.{p}.{window}"] = resize(x, valid, [p], window)
    for i, (name, window) in enumerate((("a", 120), ("b", 120), ("b", 60), ("c", 120), ("c", 60), ("c", 64))):
        x, valid = clips[name]
        np.random.seed(30 + i)
        u = float(np.random.rand(1)[0])
        p = u * (1 - 0.5) + 0.5
        length = min(max(int(np.floor(valid * p)), 64), valid)
        offset = int(np.random.randint(0, valid - length + 1))
        np.random.seed(30 + i)
        got = resize(x, valid, [0.5, 1], window)
        cut = torch.zeros_like(x)
        cut[:, :length] = x[:, offset:offset + length]
        assert torch.equal(got, resize(cut, length, [1.0], window))
        out[f"random{i}.{name}.{window}"] = got
        random.append(dict(clip=name, window=window, valid=valid, u=u, p=p, length=length, offset=offset))
    for p in (0.9, 0.95):
        trims += [[p, v, int((1 - p) * v / 2)] for v in (20, 37, 50, 64, 100, 131, 211, 300)]

    angles = torch.tensor([[0.1, 0.2, 0.3], [0.3, 0, 0], [0, -0.2, 0], [-0.25, 0.15, -0.05]])
    out["angles"], out["matrix"] = angles, tools._rot(angles)
    turned = torch.stack([person(24, 70 + m)[:, ::6].float().permute(2, 0, 1) for m in range(2)], -1)
    out["turned"] = turned
    out["rotated"] = torch.einsum("kij,jtvm->kitvm", out["matrix"], turned)
    torch.manual_seed(6)
    drawn = torch.zeros(3).uniform_(-0.3, 0.3)
    torch.manual_seed(6)
    out["rotation.angles"] = drawn
    out["rotation.u"] = (drawn / 0.3 + 1) / 2
    out["rotation.out"] = tools.random_rot(turned.numpy().copy())

    want = [0.333333, 2, 3.666667, 5.333333, 7, 8.666666]  # numbers printed in the project's notes
    assert (out["ramp10to6"] - torch.tensor(want)).abs().max() < 2e-6
    assert (out["matrix"][0, 0] - torch.tensor([0.9362934, 0.3129918, -0.1593451])).abs().max() < 1e-6
    write(args.out, "resize.safetensors", out, dict(random=random, trims=trims))


if __name__ == "__main__":
    main()
