"""Makes model.safetensors (one training step of a small Point-JEPA, everything in
between), point.ckpt (its weights as PyTorch-Lightning saves them) and
schedules.safetensors (learning rate and teacher bookkeeping).

    python model.py --point-jepa PATH [--out FOLDER]

Model: 3 clouds of 128 points, G = 16 groups of K = 8, encoder 96 wide, 2 deep, 4
heads; predictor 48 wide, 2 deep, 2 heads; 4 targets; no dropout, no drop path. The
official PointJepa class runs under torch default float64 with the cast to half
switched off; indices are those of its float32 run. Tensors are stored as float32,
tables of norms and scalars as float64, indices as int64.

Weights are not stored; they follow a formula (`uniform16` in common.py), exact in
float32 and float16: element j (row-major) of the tensor with number k is
base + scale * uniform16(k, j). Metadata "weights" lists name, k, shape, base, scale,
sum and l2 of every float tensor of the state dict, BatchNorm statistics included;
point.ckpt holds the same values.

Inputs and geometry
  points [3,128,3]  start [3]  fps [3,16]  knn [3,16,8] (nearest first)  centres [3,16,3]
  order [3,16]      the sequencer's permutation, positions in the fps list
  targets.index [4,k]  context.index [n]  positions in the sorted order
Eval mode (before the step; BatchNorm uses the given running statistics)
  eval.tokens [3,16,96]   in fps order
  eval.hidden0, eval.hidden1 [3,16,96]  student after each block, fps order
  eval.norm [3,16,96]     after the final norm
  eval.feature [3,192]    max over tokens, then mean over tokens, of eval.norm
Train mode, one step
  tokens [3,16,96]        fps order, BatchNorm with the batch's statistics
  bn.{first,second}.{mean,var}  running statistics after the step's one forward pass
  pos [3,16,96]           position codes, sorted order
  teacher.hidden0, teacher.hidden1 [3,16,96]; target [3,16,96] = hidden1 without the
      final norm, normalised over channels (eps 1e-5, no weights); all in sorted order
  student.hidden0, student.hidden1, student.norm [3,n,96]  context only
  predictor.hidden0 [4,3,n+k,48]  after the predictor's first block, by target
  prediction [4,3,k,96]
  loss [1]; with_half.loss [1] and with_half.prediction: the official float32 code,
      which rounds the context's tokens to float16 on the way into the student
  std.prediction, std.target [1]  the logged health checks
  grad.l2 [P]    0 where there is no gradient; rows are metadata "parameters"
  grad.{name}    whole gradients of small tensors and of some matrices
After AdamW (lr 1e-3, weight decay 0.05 on every parameter that has a gradient,
betas 0.9 / 0.999, eps 1e-8), then the teacher's update with decay "tau"
  after.l2, after.delta [P]  norm of the parameter and of its change
  after.{name}               whole tensors, the same ones as grad.{name}
  ema.l2, ema.delta [E]      rows are metadata "teacher"
  ema.{name}                 some whole tensors
  after.loss [1]             same batch and indices once more (train mode)
The gradients of the key third of every attn.qkv.bias and of first_conv.3.bias (the
BatchNorm after it takes every constant away) are zero in exact arithmetic, and AdamW
blows their noise up: compare those (and norms holding them) not at all.
Metadata "config", "tau" (value used), "float32" (largest differences of the
official float32 run).

schedules.safetensors (float64): lr [500] by epoch (only with lightning-bolts),
ema.online [110], ema.teacher [110] (float32 arithmetic), ema.decay [110]: online weight
i + 1 before call i = 0..109, teacher weight and logged decay after it; tau 0.9995 to
0.99999 over 100 steps.
"""
import os
import types
import zipfile

import torch

from common import Draws, arguments, fill, use_point_jepa, write

CONFIG = dict(
    tokenizer_num_groups=16, tokenizer_group_size=8, tokenizer_group_radius=None, encoder_dim=96,
    encoder_depth=2, encoder_heads=4, encoder_dropout=0.0, encoder_attention_dropout=0.0,
    encoder_drop_path_rate=0.0, encoder_add_pos_at_every_layer=True, predictor_embed_dim=48,
    predictor_depth=2, predictor_heads=2, predictor_mlp_ratio=4.0, predictor_drop_out=0.0,
    predictor_attention_dropout=0.0, predictor_drop_path_rate=0.0, predictor_add_target_pos=True,
    token_seq_method="iterative_nearest_min_start", target_sample_method="contiguous",
    num_targets_per_sample=4, target_sample_ratio=(0.15, 0.2), context_sample_method="contiguous",
    context_sample_ratio=(0.4, 0.75), target_layers=[1], target_layer_part="final",
    target_layer_norm="layer", target_norm=None, ema_tau_min=0.9, ema_tau_max=0.99,
    ema_tau_epochs=10, loss="smooth_l1", loss_beta=2, learning_rate=1e-3,
    optimizer_adamw_weight_decay=0.05, lr_scheduler_linear_warmup_epochs=3,
    lr_scheduler_linear_warmup_start_lr=1e-5, lr_scheduler_cosine_eta_min=1e-6,
    transformation_subsample_points=128, svm_validation={})
STEP = 10  # teacher updates already done, so that the next one averages
WHOLE = ("predictor.predictor_embed.weight", "student.blocks.0.attn.proj.weight",
         "tokenizer.embedding.encoder.first_conv.0.weight", "positional_encoding.0.weight")


def build(config=CONFIG):
    """The official module with its teacher, and no trainer around it."""
    from pointjepa.models.point_jepa import PointJepa
    model = PointJepa(**config)
    model.trainer = types.SimpleNamespace(estimated_stepping_batches=100, max_epochs=config["ema_tau_epochs"])
    model.setup()
    model.on_fit_start()
    return model


class Casts:
    """Switches .half() off, and .float() too if asked."""

    def __init__(self, *names):
        self.names = names

    def __enter__(self):
        self.real = {n: getattr(torch.Tensor, n) for n in self.names}
        for n in self.names:
            setattr(torch.Tensor, n, lambda t: t)

    def __exit__(self, *_):
        for n, f in self.real.items():
            setattr(torch.Tensor, n, f)


class Tap:
    """Collects outputs of submodules, every call."""

    def __init__(self, model):
        self.got, self.hooks = {}, []
        first = lambda o: o[0] if isinstance(o, tuple) else o  # noqa: E731
        for name, m in (("tokenizer", model.tokenizer), ("pos", model.positional_encoding),
                        *((f"student.hidden{i}", b) for i, b in enumerate(model.student.blocks)),
                        *((f"teacher.hidden{i}", b) for i, b in enumerate(model.teacher.ema_model.blocks)),
                        ("student.norm", model.student.norm),
                        ("predictor.hidden0", model.predictor.predictor.blocks[0])):
            self.hooks.append(m.register_forward_hook(
                lambda _m, _i, o, name=name: self.got.setdefault(name, []).append(first(o).detach().clone())))

    def close(self):
        for h in self.hooks:
            h.remove()
        return self.got


def cloud():
    g = torch.Generator().manual_seed(5)
    p = torch.randn(3, 128, 3, generator=g) * torch.tensor([0.3, 0.4, 0.2])
    p = p - p.mean(1, keepdim=True)
    return (p / p.norm(dim=-1).amax(1)[:, None, None] * 64).round() / 64  # few digits, still in the sphere


def run(dtype, draws=None, half=False):
    """One step. Returns (results, draws, model)."""
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(5)
        model = build()
        about = fill(model)
        model.teacher.step.fill_(STEP)
        model.teacher.initted.fill_(1.0)
        points = cloud_points.to(dtype)
        casts = ([] if half else ["half"]) + (["float"] if dtype == torch.float64 else [])
        out = {}
        with Casts(*casts):
            return step(model, points, draws, out, about)
    finally:
        torch.set_default_dtype(torch.float32)


def step(model, points, draws, out, about):
    from pytorch3d.ops import knn_points
    starts = None if draws is None else [draws[0]]
    before = {n: p.detach().clone() for n, p in model.named_parameters()}

    model.eval()
    draw = Draws(starts)
    with torch.no_grad(), draw.active():
        tokens, centres = model.tokenizer(points)
    starts = starts or draw.log
    x = model.student(tokens, model.positional_encoding(centres), return_hidden_states=True)
    out["eval.tokens"] = tokens
    out["eval.hidden0"], out["eval.hidden1"], out["eval.norm"] = *x.hidden_states, x.last_hidden_state
    out["eval.feature"] = torch.cat([x.last_hidden_state.max(dim=1).values, x.last_hidden_state.mean(dim=1)], -1)
    out["centres"], out["start"] = centres, starts[0][1]
    match = (points[:, :, None] == centres[:, None]).all(-1)
    assert (match.sum(1) == 1).all(), "two points of a cloud coincide"
    out["fps"] = match.int().argmax(1)
    out["knn"] = knn_points(centres, points, K=8)[1]

    opt = torch.optim.AdamW(params=model.parameters(), lr=model.hparams.learning_rate,
                            weight_decay=model.hparams.optimizer_adamw_weight_decay)
    chosen = {}
    sample = model.context_sampler.get_context_contiguous_idx
    model.context_sampler.get_context_contiguous_idx = \
        lambda *a: chosen.setdefault("context", sample(*a))
    blocks = model.target_sampler.select_embed_contiguous

    def keep(*a):
        r = blocks(*a)
        chosen.setdefault("targets", r[1])
        return r
    model.target_sampler.select_embed_contiguous = keep

    model.train()
    tap = Tap(model)
    draw = Draws(draws if draws is not None else None)
    if draws is None:  # the clouds' starts as in eval mode, the rest fresh
        torch.manual_seed(SEED)
        with draw.active():
            model.tokenizer.grouping.forward = fixed_start(model.tokenizer.grouping.forward, starts)
            prediction, target = model._perform_step(points)
        draws = starts + draw.log
    else:
        with draw.active():
            prediction, target = model._perform_step(points)
    got = tap.close()
    loss = model.loss_func(prediction, target)
    loss.backward()

    n = len(chosen["context"])
    sorted_centres = centres[torch.arange(3)[:, None], order(model, centres)]
    assert [len(got[k]) for k in ("tokenizer", "pos", "student.norm", "predictor.hidden0")] == [1, 2, 1, 4]
    e = model.tokenizer.embedding.encoder
    out.update({
        "order": order(model, centres), "targets.index": chosen["targets"], "context.index": chosen["context"],
        "tokens": got["tokenizer"][0], "pos": got["pos"][0],
        "bn.first.mean": e.first_conv[1].running_mean.clone(), "bn.first.var": e.first_conv[1].running_var.clone(),
        "bn.second.mean": e.second_conv[1].running_mean.clone(), "bn.second.var": e.second_conv[1].running_var.clone(),
        **{f"{w}.hidden{i}": got[f"{w}.hidden{i}"][0] for w in ("teacher", "student") for i in (0, 1)},
        "student.norm": got["student.norm"][0], "predictor.hidden0": torch.stack(got["predictor.hidden0"]),
        "prediction": prediction.detach(), "loss": loss.detach().view(1),
        "std.prediction": model.token_std(prediction).detach().view(1), "std.target": model.token_std(target).view(1)})
    assert torch.equal(got["pos"][0], model.positional_encoding(sorted_centres))
    out["target"] = torch.nn.functional.layer_norm(out["teacher.hidden1"], (96,))
    assert torch.equal(target, out["target"][:, chosen["targets"]].transpose(0, 1))
    assert out["student.norm"].shape == (3, n, 96)

    names = [k for k, p in model.named_parameters() if p.requires_grad]
    params = dict(model.named_parameters())
    l2 = lambda t: t.detach().double().norm()  # noqa: E731
    out["grad.l2"] = torch.stack([l2(params[k].grad) if params[k].grad is not None else torch.zeros(()).double()
                                  for k in names])
    whole = [k for k in names if params[k].grad is not None and (params[k].numel() <= 512 or k in WHOLE)]
    out.update({f"grad.{k}": params[k].grad.clone() for k in whole})

    teacher = [(k, p) for k, p in model.named_parameters() if k.startswith("teacher.ema_model.")]
    opt.step()
    model.teacher.update()
    out["after.l2"] = torch.stack([l2(params[k]) for k in names])
    out["after.delta"] = torch.stack([l2(params[k] - before[k]) for k in names])
    out.update({f"after.{k}": params[k].detach().clone() for k in whole})
    out["ema.l2"] = torch.stack([l2(p) for _, p in teacher])
    out["ema.delta"] = torch.stack([l2(p - before[k]) for k, p in teacher])
    out.update({f"ema.{k}": p.clone() for k, p in teacher if "blocks.1.norm1" in k or k.endswith("fc1.bias")})

    with torch.no_grad(), Draws(draws).active():
        if hasattr(model.tokenizer.grouping.forward, "starts"):
            del model.tokenizer.grouping.forward
        x, y = model._perform_step(points)
        out["after.loss"] = model.loss_func(x, y).view(1)
    meta = dict(weights=about, parameters=[[k, list(params[k].shape), params[k].grad is not None] for k in names],
                teacher=[[k, list(p.shape)] for k, p in teacher], tau=model.teacher.get_current_decay())
    return out, draws, meta


def fixed_start(forward, starts):
    """The grouping with given start points; everything else draws as usual."""
    def call(points):
        with Draws(starts).active():
            return forward(points)
    call.starts = starts
    return call


def order(model, centres):
    flat = model.point_sequencer.sort_iterative_nearest(centres.detach().clone(), min_start=True)
    return flat.view(3, 16) - torch.arange(3)[:, None] * 16


def difference(a, b):
    """Largest difference of whole tensors; biases whose gradient is rounding noise left out."""
    worst = {}
    for k, v in a.items():
        if v.is_floating_point() and not k.endswith(("qkv.bias", "first_conv.3.bias")) and not k.endswith(("l2", "delta")):
            d = (v.double() - b[k].double()).abs().max().item()
            group = k.split(".")[0]
            worst[group] = max(worst.get(group, 0), d)
    return worst


def checkpoint(path):
    """The state dict as the Trainer saves it, its zip entries deflated to be small."""
    model = build()
    fill(model)
    model.teacher.step.fill_(STEP)
    model.teacher.initted.fill_(1.0)
    state = model.state_dict()
    params = [p for p in model.parameters()]
    opt = torch.optim.AdamW(params, lr=1e-3, weight_decay=0.05)
    model.mask_token.grad = torch.zeros_like(model.mask_token)
    opt.step()
    fill(model)  # the step has decayed one tensor
    torch.save({
        "epoch": 1, "global_step": STEP, "pytorch-lightning_version": "1.7.7", "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"completed": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5), "best_model_path": ""}},
        "optimizer_states": [opt.state_dict()], "lr_schedulers": [{"last_epoch": 1, "_step_count": 2}],
        "hparams_name": "kwargs", "hyper_parameters": dict(CONFIG),
        "native_amp_scaling_state": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 3},
    }, path)
    plain = os.path.getsize(path)
    with zipfile.ZipFile(path) as z:
        entries = [(i.filename, z.read(i)) for i in z.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name, data in entries:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, data, compresslevel=9)
    os.chmod(path, 0o644)
    again = torch.load(path, weights_only=False)["state_dict"]
    assert list(again) == list(state) and all(torch.equal(again[k], state[k]) for k in state)
    print(f"{path}: {len(state)} entries, {os.path.getsize(path)} bytes ({plain} before deflating)")
    return {k: [list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in state.items()}


def schedules():
    from pl_bolts.optimizers.lr_scheduler import LinearWarmupCosineAnnealingLR
    from pointjepa.modules.EMA import EMA
    out = {}
    if LinearWarmupCosineAnnealingLR is not None:
        opt = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        sched = LinearWarmupCosineAnnealingLR(opt, warmup_epochs=30, max_epochs=500, warmup_start_lr=1e-5, eta_min=1e-6)
        lr = []
        for _ in range(500):
            lr.append(opt.param_groups[0]["lr"])
            opt.step()
            sched.step()
        out["lr"] = torch.tensor(lr, dtype=torch.float64)
        print("lr", [lr[i] for i in (0, 1, 29, 30, 265, 499)])
    online = torch.nn.Linear(1, 1, bias=False)
    ema = EMA(online, tau_min=0.9995, tau_max=0.99999, tau_steps=100, update_after_step=0, update_every=1)
    rows = []
    for i in range(110):
        online.weight.data.fill_(i + 1)
        ema.update()
        rows.append((i + 1, ema.ema_model.weight.item(), ema.get_current_decay()))
    for name, column in zip(("online", "teacher", "decay"), zip(*rows)):
        out[f"ema.{name}"] = torch.tensor(column, dtype=torch.float64)
    print("ema", rows[:6])
    return out


SEED = 234  # targets that overlap, a context that hops over them
cloud_points = cloud()


def main():
    args = arguments(__doc__).parse_args()
    use_point_jepa(args.point_jepa)
    single, draws, _ = run(torch.float32)
    half, _, _ = run(torch.float32, draws, half=True)
    out, _, meta = run(torch.float64, draws)
    for k, v in out.items():
        if not v.is_floating_point():
            assert torch.equal(v, single[k]), k
    meta["float32"] = difference(single, out)
    print("float32 against float64", meta["float32"], "tau", meta["tau"])
    print("targets", out["targets.index"].tolist(), "context", out["context.index"].tolist(),
          "loss", out["loss"].item(), "half", half["loss"].item(), "after", out["after.loss"].item())
    print("std", out["std.prediction"].item(), out["std.target"].item(),
          "no gradient:", [n for n, _, g in meta["parameters"] if not g])
    tables = ("l2", "delta", "loss", "std.prediction", "std.target")
    out = {k: v if v.is_floating_point() and k.endswith(tables) else v.float() if v.is_floating_point() else v
           for k, v in out.items()}
    out["points"] = cloud_points
    out["with_half.loss"], out["with_half.prediction"] = half["loss"].double(), half["prediction"]
    meta["config"] = CONFIG
    meta["state_dict"] = checkpoint(os.path.join(args.out, "point.ckpt"))
    write(args.out, "model.safetensors", out, meta)
    write(args.out, "schedules.safetensors", schedules(), {})


if __name__ == "__main__":
    main()
