"""Makes blocks.safetensors: index sets of the official target and context samplers.

    python blocks.py --point-jepa PATH [--out FOLDER]

Case {c}: t64 and t32 (40 batches each, T = 64 / 32 tokens, 4 targets, seed 100 + b
for batch b). Draws in the order in which the official code consumes them, and the
results; integers are int64, holes at the end of a row are -1:
  {c}.u         [40] float32  torch.rand(1) of the target ratio
  {c}.ratio     [40] float32  u * (0.2 - 0.15) + 0.15, in float32
  {c}.k         [40]          max(1, int(T * ratio)), the product in float32
  {c}.starts    [40,4]        randint(0, T - k + 1)
  {c}.targets   [40,4,kmax]
  {c}.v         [40] float32  torch.rand(1) of the context ratio
  {c}.share     [40] float32  v * (0.75 - 0.4) + 0.4, in float32
  {c}.n         [40]          max(1, int(share * valid)), the product in float64
  {c}.start     [40]          randint(0, valid - n + 1)
  {c}.context   [40,nmax]
  {c}.valid     [40]          tokens in no target
Other modes of the samplers, T = 64, 6 batches each:
  rest.targets [6,4,kmax], rest.context [6,nmax]   context = all valid tokens
  random.perm [6,4,64], random.u [6], random.targets [6,4,kmax]  the first k of randperm
(The official "random" context indexes by mistake, so it is not here.)
Metadata "stats": means over 4000 draws (seed 0), T = 64 and 32.
"""
import statistics

import torch

from common import Draws, arguments, use_point_jepa, write


def padded(rows):
    width = max(len(r) for r in rows)
    return torch.tensor([list(r) + [-1] * (width - len(r)) for r in rows])


def runs(index):
    return 1 + sum(b != a + 1 for a, b in zip(index, index[1:]))


class Pair:
    """Both samplers on a batch whose tokens are their own indices."""

    def __init__(self, tokens, target="contiguous", context="contiguous"):
        from pointjepa.modules.context_sampler import ContextSampler
        from pointjepa.modules.target_sampler import TargetSampler
        self.index = torch.arange(tokens, dtype=torch.float32).view(1, tokens, 1)
        self.target = TargetSampler(target, 4, (0.15, 0.2), device="cpu")
        self.context = ContextSampler(context, (0.4, 0.75), device="cpu")

    def draw(self):
        draws = Draws()
        with draws.active():
            blocks, index = self.target.sample(self.index)
            tokens, _ = self.context.sample(self.index, self.index, index)
        assert torch.equal(blocks[:, 0, :, 0].long(), index)
        context = tokens[0, :, 0].long().tolist()
        assert not set(context) & set(index.flatten().tolist())
        return index, context, draws.log


def main():
    args = arguments(__doc__).parse_args()
    use_point_jepa(args.point_jepa)
    out, stats = {}, {}
    for t in (64, 32):
        pair, rows = Pair(t), []
        for b in range(40):
            torch.manual_seed(100 + b)
            index, context, log = pair.draw()
            assert [n for n, _ in log] == ["rand"] + ["randint"] * 4 + ["rand", "randint"]
            v = [x for _, x in log]
            rows.append(dict(u=v[0], ratio=v[0] * (0.2 - 0.15) + 0.15, k=torch.tensor([index.shape[1]]),
                             starts=torch.cat(v[1:5])[None], v=v[5], share=v[5] * (0.75 - 0.4) + 0.4,
                             n=torch.tensor([len(context)]), start=v[6], targets=index, context=context,
                             valid=torch.tensor([t - len(set(index.flatten().tolist()))])))
        c = f"t{t}"
        for key in rows[0]:
            if key == "context":
                out[f"{c}.context"] = padded([r[key] for r in rows])
            elif key == "targets":
                flat = padded([x for r in rows for x in r[key].tolist()])
                out[f"{c}.targets"] = flat.view(40, 4, -1)
            else:
                out[f"{c}.{key}"] = torch.cat([r[key] for r in rows])
        assert torch.equal((t * out[f"{c}.ratio"]).int().long(), out[f"{c}.k"])
        assert torch.equal((out[f"{c}.share"].double() * out[f"{c}.valid"]).long(), out[f"{c}.n"])

        torch.manual_seed(0)
        seen = [pair.draw()[:2] for _ in range(4000)]
        k = [i.shape[1] for i, _ in seen]
        union = [len(set(i.flatten().tolist())) for i, _ in seen]
        n = [len(x) for _, x in seen]
        pieces = [runs(x) for _, x in seen]
        stats[c] = dict(
            k={str(j): k.count(j) / 4000 for j in sorted(set(k))}, union_mean=statistics.fmean(union),
            union_range=[min(union), max(union)], context_mean=statistics.fmean(n), context_range=[min(n), max(n)],
            runs_mean=statistics.fmean(pieces), runs_max=max(pieces), one_run=pieces.count(1) / 4000)
        print(c, stats[c])

    pair, rows = Pair(64, context="rest"), []
    for b in range(6):
        torch.manual_seed(200 + b)
        rows.append(pair.draw()[:2])
    out["rest.targets"] = padded([x for i, _ in rows for x in i.tolist()]).view(6, 4, -1)
    out["rest.context"] = padded([x for _, x in rows])

    pair, rows = Pair(64, target="random"), []
    for b in range(6):
        torch.manual_seed(300 + b)
        index, _, log = pair.draw()
        rows.append((log[0][1], torch.stack([x for _, x in log[1:5]]), index))
    out["random.u"] = torch.cat([r[0] for r in rows])
    out["random.perm"] = torch.stack([r[1] for r in rows])
    out["random.targets"] = padded([x for r in rows for x in r[2].tolist()]).view(6, 4, -1)
    write(args.out, "blocks.safetensors", out, dict(stats=stats))


if __name__ == "__main__":
    main()
