"""Makes masks.safetensors: index sets of the official mask collators.

    python masks.py --ijepa PATH [--out FOLDER]

Tensors (all int32 unless said otherwise)
  case{c}.batch{b}.enc{e}   [B, k_enc]  context indices, ascending
  case{c}.batch{b}.pred{m}  [B, k_pred] target indices, ascending
  stats.{G}x{G}.{B}.enc / .pred  [50]   k_enc / k_pred of 50 batches, global seed 0
  random.batch{b}.enc0 / .pred0         random-mask collator (not sorted)
  mt19937.rand8 (float32)  [8]          manual_seed(0), eight torch.rand(1)
  mt19937.randint13        [8]          manual_seed(0), eight torch.randint(0, 13, (1,))
  mt19937.randint1000      [1400]       manual_seed(0), one randint call (two twists)
  mt19937.randperm64       [64]         manual_seed(0), torch.randperm(64)
Metadata: "cases", "random", "stats" (JSON). Each case starts with
torch.manual_seed(seed) and a new collator, whose counter gives 0 for batch 0;
"relaxed" counts, per batch, how often a constraint was dropped.
"""
import logging

import torch

from common import RELEASED, arguments, blank, use_ijepa, write

CASES = [
    # name, input size, patch, B, seed, batches, changes to the released settings
    ("14x14", 224, 16, 2, 0, 2, {}),
    ("14x14 larger batch", 224, 16, 8, 7, 3, {}),
    ("16x16", 224, 14, 4, 3, 2, {}),
    ("28x28", 448, 16, 2, 5, 2, {}),
    ("12x12", 96, 8, 4, 11, 3, {}),
    ("8x8", 64, 8, 4, 1, 3, dict(min_keep=4)),
    ("overlap allowed", 224, 16, 2, 13, 2, dict(allow_overlap=True)),
    ("two contexts", 224, 16, 3, 17, 2, dict(nenc=2)),
    ("relaxation", 224, 16, 4, 19, 4, dict(enc_mask_scale=(0.1, 0.2), pred_mask_scale=(0.4, 0.5))),
    ("constructor defaults", 224, 16, 4, 23, 3,
     dict(enc_mask_scale=(0.2, 0.8), pred_mask_scale=(0.2, 0.8), aspect_ratio=(0.3, 3.0),
          npred=2, min_keep=4)),
    ("wide grid", (128, 256), 16, 4, 29, 3, {}),
]


class Warnings(logging.Handler):
    """Counts the collator's 'decreasing acceptable-regions' warnings."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.n = 0

    def emit(self, record):
        self.n += 1

    def take(self):
        n, self.n = self.n, 0
        return n


def main():
    args = arguments(__doc__).parse_args()
    use_ijepa(args.ijepa)
    from src.masks.multiblock import MaskCollator, logger
    from src.masks.random import MaskCollator as RandomCollator
    warnings = Warnings()
    logger.handlers = [warnings]
    logger.setLevel(logging.WARNING)

    out, cases, stats = {}, [], []
    for c, (name, size, patch, batch, seed, batches, change) in enumerate(CASES):
        cfg = {**RELEASED, **change}
        collator = MaskCollator(input_size=size, patch_size=patch, **cfg)
        torch.manual_seed(seed)
        relaxed = []
        for b in range(batches):
            _, enc, pred = collator(blank(batch))
            relaxed.append(warnings.take())
            for e, t in enumerate(enc):
                out[f"case{c}.batch{b}.enc{e}"] = t.int()
            for m, t in enumerate(pred):
                out[f"case{c}.batch{b}.pred{m}"] = t.int()
        cases.append(dict(name=name, h=collator.height, w=collator.width, B=batch, seed=seed,
                          batches=batches, relaxed=relaxed, **cfg))
        print(name, "relaxed", relaxed, "k_enc/k_pred",
              [(out[f"case{c}.batch{b}.enc0"].shape[1], out[f"case{c}.batch{b}.pred0"].shape[1])
               for b in range(batches)])
    by_name = {c["name"]: c for c in cases}
    assert sum(by_name["relaxation"]["relaxed"]) > 0

    for grid, patch in ((14, 16), (16, 14)):
        for batch in (1, 16, 64, 128):
            collator = MaskCollator(input_size=224, patch_size=patch, **RELEASED)
            torch.manual_seed(0)
            k = []
            for _ in range(50):
                _, enc, pred = collator(blank(batch))
                k.append((enc[0].shape[1], pred[0].shape[1]))
            k = torch.tensor(k, dtype=torch.int32)
            out[f"stats.{grid}x{grid}.{batch}.enc"] = k[:, 0]
            out[f"stats.{grid}x{grid}.{batch}.pred"] = k[:, 1]
            stats.append(dict(grid=grid, B=batch, mean_enc=k[:, 0].float().mean().item(),
                              mean_pred=k[:, 1].float().mean().item(), relaxed=warnings.take()))
            print("stats", stats[-1])

    collator = RandomCollator(ratio=(0.4, 0.6), input_size=224, patch_size=16)
    torch.manual_seed(2)
    for b in range(2):
        _, enc, pred = collator(blank(2))
        out[f"random.batch{b}.enc0"] = enc[0].int()
        out[f"random.batch{b}.pred0"] = pred[0].int()

    torch.manual_seed(0)
    out["mt19937.rand8"] = torch.cat([torch.rand(1) for _ in range(8)])
    torch.manual_seed(0)
    out["mt19937.randint13"] = torch.cat([torch.randint(0, 13, (1,)) for _ in range(8)]).int()
    torch.manual_seed(0)
    out["mt19937.randint1000"] = torch.randint(0, 1000, (1400,)).int()
    torch.manual_seed(0)
    out["mt19937.randperm64"] = torch.randperm(64).int()

    write(args.out, "masks.safetensors", out,
          dict(cases=cases, stats=stats,
               random=dict(h=14, w=14, B=2, seed=2, batches=2, ratio=(0.4, 0.6))))


if __name__ == "__main__":
    main()
