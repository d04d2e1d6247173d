"""Makes model.safetensors: one S-JEPA training step of a small network, with
everything in between, and schedules.safetensors.

    python model.py --mamp PATH [--out FOLDER]

Network: MAMP's Transformer, 96 wide, 2 deep, 4 heads, T = 24 frames, V = 25, l = 4 (6x25 =
150 tokens), LayerNorm eps 1e-5; predictor = its decoder, 2 deep, 96 wide, with the head
replaced by a linear 96 -> 96. Two samples of two persons, folded to 4 sequences; the
second person of sample 1 is absent (zeros). Ratio 0.9, tau 0.8: 14 tokens stay, 136
are predicted. The student sees a rotated view of the sequences, the teacher the
sequences themselves; the mask comes from the latter. Computed in float64 with the
float32 run's mask; tensors stored as float32, tables and scalars as float64, indices
as int64.

Weights are not stored; they follow a formula (`uniform16` in common.py), exact in
float32 and float16: element j (row-major) of the tensor with number k is
base + scale * uniform16(k, j). Metadata "weights" lists name, k, shape, base, scale,
sum and l2; names are student.{MAMP's name} and teacher.{MAMP's encoder name}.

  raw [2,3,24,25,2]      sample, axis, frame, joint, person
  (x = raw folded to [4,24,25,3]: sequence = sample * 2 + person)
  view [4,24,25,3]       x turned by angles [2,3] (one triple per sample, MAMP's _rot)
  u [4,150]  keep [4,14] (official order)  masked [4,136] (ascending)  restore [4,150]
  student.embed [4,14,96]    visible tokens after tables, in the order of keep
  student.hidden0, student.hidden1, student.norm [4,14,96]
  teacher.norm [2,150,96]    R_t of sequences 0 and 3, all tokens in their order
  prediction [4,136,96]      R_p at `masked`
  centre [96]  centre.next [96] (0.9 c + 0.1 mean of R_t over batch and all tokens)
  centre.next_masked [96]    the same over the masked tokens only
  token_loss [4,136]  loss [1]
  entropy.target, entropy.prediction [1]  mean entropies of the two softmaxes (nats)
  grad.l2 [P]        rows are metadata "parameters": [name, shape, decayed]
  grad.{name}        whole gradients of tensors up to 600 elements (tables, token, 1-D)
After AdamW (lr 1e-3, betas 0.9 / 0.95, eps 1e-8, weight decay 0.05 on "decayed" rows: all
but 1-D tensors and biases, so the position tables and the mask token are decayed),
then the teacher's update with momentum 0.99
  after.l2, after.delta [P]; after.{name} for the tensors of grad.{name} up to 100 elements
  teacher.l2, teacher.delta [E]  rows are metadata "teacher"
  after.loss [1]     same batch, mask and the next centre, new student and teacher
  mean_pool [2,96]   teacher before the step: mean over persons, time and joints (linear
      protocol's input)
The gradient of the key third of every attn.qkv.bias is zero in exact arithmetic and
AdamW may blow its noise up: compare that slice (and norms holding it) not at all.
Metadata "float32": largest differences of the float32 run.

schedules.safetensors (float64): lr [401] by epoch 0..400 (MAMP's function: warm-up 20,
1e-3 to 5e-4), momentum.t [9] and momentum [9] (0.9999 to 1, cosine).
loss.* : the notes' two-token example: loss.p, loss.t [2,4], loss.centre [4], loss.token [2],
loss.grad [2,4] (of the mean), loss.next [4].
"""
import math
import types

import torch

from common import (SJepa, arguments, cross_entropy, ema, embed, encode, fill, fold, gather, param_groups,
                    person, use_mamp, write)

KEYS = dict(width=96, depth=2, heads=4, predictor_depth=2, frames=24)
MOMENTUM, CENTRE = 0.99, 0.9


def inputs():
    """Raw batch float32, views, draws."""
    from feeder.tools import _rot
    raw = torch.zeros(2, 3, 24, 25, 2)
    for seed, (n, m) in enumerate(((0, 0), (0, 1), (1, 0))):
        at = (0.6 * m - 0.2, 0.1, 0.3 * n)
        raw[n, :, :, :, m] = person(24, 40 + seed, at=at, swing=0.3, digits=3).float().permute(2, 0, 1)
    angles = torch.tensor([[0.1, -0.25, 0.05], [-0.2, 0.3, 0.15]])
    turn = _rot(angles)  # one matrix per sample
    view = torch.einsum("nij,njtvm->nitvm", turn, raw)
    u = torch.rand(4, 150, generator=torch.Generator().manual_seed(8))
    c = 0.2 * torch.randn(96, generator=torch.Generator().manual_seed(9))
    return raw, fold(raw), fold(view), angles, u, c


def run(dtype, mask=None):
    torch.set_default_dtype(torch.float32)
    raw, x, view, angles, u, c = inputs()
    torch.set_default_dtype(dtype)
    try:
        net = SJepa(**KEYS)
        about = fill(net)
        if mask is None:
            mask = net.mask(x, u, 0.9, 0.8)
        x, view, c = x.to(dtype), view.to(dtype), c.to(dtype)
        keep, removed, restore = mask
        masked = torch.stack([m.nonzero()[:, 0] for m in removed])
        out = dict(keep=keep, masked=masked, restore=restore)

        def forward(centre):
            with torch.no_grad():
                target = encode(net.teacher, x)
            hidden, visible, predicted = net.predict(view, keep, restore)
            p, t = gather(predicted, masked), gather(target, masked)
            return hidden, visible, p, target, t, cross_entropy(p, t, centre)

        hidden, visible, p, target, t, token = forward(c)
        loss = token.mean()
        loss.backward()
        entropy = lambda z: -(z.softmax(-1) * z.log_softmax(-1)).sum(-1).mean().view(1)  # noqa: E731
        pooled = target.reshape(2, 2, 150, 96).mean(dim=(1, 2))
        out.update({
            "student.embed": gather(embed(net.student, view), keep), "student.hidden0": hidden[0],
            "student.hidden1": hidden[1], "student.norm": visible, "teacher.norm": target, "prediction": p,
            "token_loss": token, "loss": loss.view(1), "mean_pool": pooled,
            "centre.next": CENTRE * c + (1 - CENTRE) * target.mean(dim=(0, 1)),
            "centre.next_masked": CENTRE * c + (1 - CENTRE) * t.mean(dim=(0, 1)),
            "entropy.target": entropy((t - c) / 0.06), "entropy.prediction": entropy(p / 0.1)})
        # The official encoder without masking gives the same features, shuffled.
        with torch.no_grad():
            official, _, back = net.student.forward_encoder(view, 0.0, 0.8)
            assert (gather(official, back) - encode(net.student, view)).abs().max() < 1e-4

        params = [(k, q) for k, q in net.named_parameters() if q.requires_grad]
        teacher = [(k, q) for k, q in net.named_parameters() if k.startswith("teacher.")]
        before = {k: q.detach().clone() for k, q in net.named_parameters()}
        l2 = lambda q: q.detach().double().norm()  # noqa: E731
        out["grad.l2"] = torch.stack([l2(q.grad) for _, q in params])
        out.update({f"grad.{k}": q.grad.clone() for k, q in params if q.numel() <= 600})
        groups = param_groups(net, 0.05)
        decayed = {id(q) for q in groups[1]["params"]}
        torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95)).step()
        ema(net.student, net.teacher, MOMENTUM)
        out["after.l2"] = torch.stack([l2(q) for _, q in params])
        out["after.delta"] = torch.stack([l2(q - before[k]) for k, q in params])
        out["teacher.l2"] = torch.stack([l2(q) for _, q in teacher])
        out["teacher.delta"] = torch.stack([l2(q - before[k]) for k, q in teacher])
        out.update({f"after.{k}": q.detach().clone() for k, q in params if q.numel() <= 100})
        with torch.no_grad():
            out["after.loss"] = forward(out["centre.next"])[-1].mean().view(1)
        meta = dict(weights=about, parameters=[[k, list(q.shape), id(q) in decayed] for k, q in params],
                    teacher=[[k, list(q.shape)] for k, q in teacher])
        out.update(dict(raw=raw, x=x, view=view, angles=angles, u=u, centre=c))
        return out, mask, meta
    finally:
        torch.set_default_dtype(torch.float32)


def difference(a, b):
    worst = {}
    for k, v in a.items():
        if v.is_floating_point() and "qkv.bias" not in k:
            worst[k] = (v.double() - b[k].double()).abs().max().item()
    top = {}
    for k, d in worst.items():
        g = k if k.count(".") < 2 else k.split(".")[0]
        top[g] = max(top.get(g, 0), d)
    return top


def example():
    """The two-token example of the notes."""
    d = torch.float64
    p = torch.tensor([[0.2, -0.1, 0.4, 0], [1, 0.5, -0.5, 0.25]], dtype=d, requires_grad=True)
    t = torch.tensor([[0.3, 0, 0.5, -0.2], [0.9, 0.6, -0.4, 0.1]], dtype=d)
    c = torch.tensor([0.05, 0.1, -0.05, 0], dtype=d)
    token = cross_entropy(p, t, c)
    token.mean().backward()
    assert abs(token.mean().item() - 0.09207252) < 1e-7
    return {"loss.p": p, "loss.t": t, "loss.centre": c, "loss.token": token, "loss.grad": p.grad,
            "loss.next": CENTRE * c + (1 - CENTRE) * t.mean(0)}


def schedules():
    from util.lr_sched import adjust_learning_rate
    args = types.SimpleNamespace(lr=1e-3, min_lr=5e-4, warmup_epochs=20, epochs=400)
    opt = types.SimpleNamespace(param_groups=[{}])
    lr = [adjust_learning_rate(opt, e, args) for e in range(401)]
    assert abs(lr[110] - 9.339309767e-4) < 1e-12
    t = [i / 8 for i in range(9)]
    m = [1 - (1 - 0.9999) * (math.cos(math.pi * q) + 1) / 2 for q in t]
    return {"lr": torch.tensor(lr, dtype=torch.float64), "momentum.t": torch.tensor(t, dtype=torch.float64),
            "momentum": torch.tensor(m, dtype=torch.float64), **example()}


def main():
    args = arguments(__doc__).parse_args()
    use_mamp(args.mamp)
    single, mask, _ = run(torch.float32)
    out, _, meta = run(torch.float64, mask)
    meta["float32"] = difference(single, out)
    print(meta["float32"])
    print({k: out[k].item() for k in ("loss", "after.loss", "entropy.target", "entropy.prediction")})
    assert torch.equal(out["x"], fold(out["raw"]))
    print("not decayed:", [k for k, _, d in meta["parameters"] if not d][:6], "... decayed:",
          [k for k, s, d in meta["parameters"] if d and len(s) > 2])
    tables = ("l2", "delta", "loss", "entropy.target", "entropy.prediction")
    out = {k: v if v.is_floating_point() and k.endswith(tables) and k != "token_loss"
           else v.float() if v.is_floating_point() else v for k, v in out.items()}
    out["teacher.norm"] = out["teacher.norm"][[0, 3]]  # the file stays small
    del out["x"]
    meta["config"] = dict(KEYS, ratio=0.9, tau=0.8, segment=4, joints=25, momentum=MOMENTUM, centre=CENTRE,
                          student_temperature=0.1, teacher_temperature=0.06, lr=1e-3, betas=[0.9, 0.95], weight_decay=0.05)
    write(args.out, "model.safetensors", out, meta)
    write(args.out, "schedules.safetensors", schedules(), {})


if __name__ == "__main__":
    main()
