"""Makes mask.safetensors: MAMP's motion-aware masking with recorded uniform draws.

    python mask.py --mamp PATH [--out FOLDER]

Case {c}, metadata "cases" (frames T, joints V, segment l, ratio, tau, keep):
  {c}.x      [B,T,V,3] float32   sequences, persons already folded
  {c}.u      [B,L] float32       torch.rand draws, L = (T / l) V tokens
  {c}.motion [B,L] float32       scaled motion a (before the softmax)
  {c}.score  [B,L] float32       log softmax(a) + Gumbel noise
  {c}.keep   [B,keep] int64      visible tokens, ascending score (official order)
  {c}.mask   [B,L] int64         1 = removed
  {c}.restore [B,L] int64        ids_restore
keep, mask and restore are the official function's; motion and score are recomputed
(asserted to sort the same). Cases: wave (the notes' 16x5 one, tau 0.8, ratio 0.9), half
(same, ratio 0.5), ntu (T = 120, 750 tokens of which 74 stay, sequence 1 an absent
person: all zero), short (T = 24, 150 tokens, tau 0.75, 14 stay), plain (tau 0: uniform
masking, score = u). The last three's draws are chosen so that all scores of a sequence
are "smallest_gap" apart: rounding cannot reorder them.
Metadata "kept": int(L * (1 - ratio)) for further L and ratios; floating point makes
750 * 0.1 into 74.
"""
import torch
import torch.nn.functional as F

from common import SJepa, arguments, person, use_mamp, write


def scores(x, u, segment, tau):
    b, t, v, c = x.shape
    p = x.reshape(b, t // segment, segment, v, c)
    d = torch.zeros(b, t // segment, v)
    d[:, 1:] = (p[:, 1:] - p[:, :-1]).abs().mean(dim=(2, 4))
    d[:, 0] = d[:, 1]
    d = d.flatten(1)
    a = d / (d.amax(1, keepdim=True) * tau + 1e-10)
    return a, F.softmax(a, -1).log() - torch.log(-torch.log(u + 1e-10) + 1e-10)


def apart(x, tau, gap):
    """The first draws whose scores are all at least `gap` apart: rounding cannot reorder them."""
    length = x.shape[1] // 4 * x.shape[2]
    for seed in range(21, 1000):
        u = torch.rand(len(x), length, generator=torch.Generator().manual_seed(seed))
        score = scores(x, u, 4, tau)[1] if tau > 0 else u
        if score.sort(1).values.diff(dim=1).min() >= gap:
            return x, u, 0.9, tau
    raise SystemExit("no such draws")


def main():
    args = arguments(__doc__).parse_args()
    use_mamp(args.mamp)
    t, v, c = (torch.arange(n, dtype=torch.float64) for n in (16, 5, 3))
    wave = (0.3 * (v[None, :, None] + 1) * t[:, None, None] + c).sin() * (v[None, :, None] + 1) / 5
    wave = wave.float()[None]
    u = torch.frac(0.61803398875 * torch.arange(20, dtype=torch.float64) + 0.137).float()[None]
    ntu = torch.stack([person(120, 1), torch.zeros(120, 25, 3, dtype=torch.float64)]).float()
    short = torch.stack([person(24, 2 + i, swing=0.1 + 0.1 * i) for i in range(3)]).float()
    cases = dict(
        wave=(wave, u, 0.9, 0.8), half=(wave, u, 0.5, 0.8), ntu=apart(ntu, 0.8, 1.5e-5),
        short=apart(short, 0.75, 1e-4),
        plain=apart(short, 0.0, 1e-5))
    out, about = {}, {}
    for name, (x, u, ratio, tau) in cases.items():
        b, frames, joints, _ = x.shape
        net = SJepa(8, 1, 2, 1, frames, joints)
        keep, mask, restore = net.mask(x, u, ratio, tau)
        motion, score = scores(x, u, 4, tau) if tau > 0 else (torch.zeros_like(u), u)
        assert torch.equal(score.argsort(1), restore.argsort(1)), name
        assert torch.equal(score.argsort(1)[:, :keep.shape[1]], keep), name
        out.update({f"{name}.x": x, f"{name}.u": u, f"{name}.motion": motion, f"{name}.score": score,
                    f"{name}.keep": keep, f"{name}.mask": mask.long(), f"{name}.restore": restore})
        gaps = score.sort(1).values.diff(dim=1).min().item()
        about[name] = dict(frames=frames, joints=joints, segment=4, ratio=ratio, tau=tau, keep=keep.shape[1],
                           smallest_gap=gaps)
        print(name, about[name])
    # Numbers printed in the project's notes.
    assert out["wave.score"].argsort(1)[0].tolist() == [16, 0, 5, 10, 8, 15, 13, 18, 4, 2, 9, 7, 14, 12, 17, 1, 19, 6, 11, 3]
    assert sorted(out["half.keep"][0].tolist()) == [0, 2, 4, 5, 8, 10, 13, 15, 16, 18]
    kept = [[length, ratio, int(length * (1 - ratio))] for length in (20, 100, 150, 375, 500, 750, 1500)
            for ratio in (0.5, 0.75, 0.8, 0.85, 0.9, 0.95)]
    write(args.out, "mask.safetensors", out, dict(cases=about, kept=kept))


if __name__ == "__main__":
    main()
