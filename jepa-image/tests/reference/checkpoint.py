"""Makes tiny.pth.tar (laid out as the official trainer saves checkpoints) and
checkpoint.safetensors (features it must give).

    python checkpoint.py --ijepa PATH [--out FOLDER] [--full-opt]

tiny.pth.tar: torch.save of {encoder, predictor, target_encoder (keys prefixed
`module.`), opt, scaler=None, epoch, loss, batch_size, world_size, lr} for a
32x32 image, patch 8, D=48, depth 1, heads 2, predictor P=48, depth 1. The
encoder and target encoder differ. To keep the file small the optimiser state
has moments for the one-dimensional parameters only, unless --full-opt is given;
the four parameter groups are always complete.
checkpoint.safetensors (float32)
  images          [2, 3, 32, 32]
  encoder.features, target_encoder.features  [2, 16, 48]  after the final norm
  enc0 [2,5], pred0, pred1 [2,3]  int32 masks
  prediction      [4, 3, 48]  predictor(encoder(images, enc0), enc0, pred), (m, e, b) order
Metadata "keys": for each network the list of [name, shape].
"""
import os

import torch

from common import arguments, ema, randomise, target_features, use_ijepa, write
from e2e import build, optimiser


def main():
    p = arguments(__doc__)
    p.add_argument("--full-opt", action="store_true", help="keep every moment (a larger file)")
    args = p.parse_args()
    use_ijepa(args.ijepa)
    encoder, predictor = build(32, 8, 48, 1, 2, 48, 1)
    target, _ = build(32, 8, 48, 1, 2, 48, 1)
    for i, m in enumerate((encoder, predictor, target)):
        randomise(m, 301 + i)
    for q in target.parameters():
        q.requires_grad = False

    enc = [torch.tensor([[0, 1, 2, 4, 8], [0, 3, 5, 6, 7]])]
    pred = [torch.tensor([[5, 6, 9], [9, 10, 13]]), torch.tensor([[10, 11, 14], [1, 2, 12]])]
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(304))
    opt, lr, wd = optimiser(encoder, predictor, ipe=4, epochs=3, warmup=1)
    lr.step(), wd.step()
    loss = torch.nn.functional.smooth_l1_loss(
        predictor(encoder(x, enc), enc, pred), target_features(target, x, pred, 1))
    loss.backward()
    if not args.full_opt:
        for group in opt.param_groups:
            for q in group["params"]:
                if q.dim() > 1:
                    q.grad = None
    opt.step()
    opt.zero_grad()
    ema(encoder, target, 0.996)

    def wrapped(m):  # as DistributedDataParallel names them
        return type(m.state_dict())((f"module.{k}", v) for k, v in m.state_dict().items())

    nets = {"encoder": encoder, "predictor": predictor, "target_encoder": target}
    path = os.path.join(args.out, "tiny.pth.tar")
    torch.save({**{n: wrapped(m) for n, m in nets.items()}, "opt": opt.state_dict(), "scaler": None,
                "epoch": 1, "loss": loss.item(), "batch_size": 2, "world_size": 1, "lr": 1e-3}, path)
    print(path, os.path.getsize(path), "bytes")

    # expected values come from the file, not from the live networks
    saved = torch.load(path, weights_only=False)
    for n, m in nets.items():
        m.load_state_dict({k[len("module."):]: v for k, v in saved[n].items()})
    with torch.no_grad():
        f = {"images": x, "encoder.features": encoder(x), "target_encoder.features": target(x),
             "prediction": predictor(encoder(x, enc), enc, pred)}
    assert (f["encoder.features"] - f["target_encoder.features"]).abs().max() > 0.1
    f["enc0"] = enc[0].int()
    f.update({f"pred{i}": m.int() for i, m in enumerate(pred)})
    print({k: list(v.shape) for k, v in f.items()})
    write(args.out, "checkpoint.safetensors", f, dict(
        keys={n: [[k, list(v.shape)] for k, v in saved[n].items()] for n in nets},
        image_size=32, patch=8, width=48, depth=1, heads=2, predictor_width=48, predictor_depth=1))


if __name__ == "__main__":
    main()
