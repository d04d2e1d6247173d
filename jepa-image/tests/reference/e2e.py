"""Makes e2e.safetensors (one tiny step, all intermediates) and
train.safetensors (twelve training steps of a small model).

    python e2e.py --ijepa PATH [--out FOLDER]

Both run the official modules, optimiser grouping, schedules and EMA on CPU.

e2e.safetensors: 32x32 image, patch 8, D=32, depth 2, heads 4, predictor P=16,
depth 2. Weights and image come from closed formulas (see `closed_form` and
metadata "e2e"), so they are not stored. Computed in float64 (position tables
too: exact, not rounded to float32); tensors are stored as float32, scalars
(one-element tensors) as float64:
  image pos_embed patch_embed with_pos context_tokens block0_attn_out
  block0_attn_probs context_block0 context_block1 context_norm target_block0
  target_block1 target_norm target_ln targets predictor_embed predictor_input
  predictor_block0 predictor_block1 predictor_norm prediction prediction_e2
  enc0, enc0_second (context of the E=2 prediction), pred0, pred1 (int32)
  {name}.sum {name}.l2          of each of the above in float64
  loss mse l1 loss_after_step grad_global (float64)
  grad_norm.{encoder,predictor}.{parameter}   (float64)
  step.{encoder,predictor}.{parameter}        after one AdamW step
  ema.target_encoder.{parameter}              after one EMA update

train.safetensors: 64x64 image, patch 8, D=96, depth 2, heads 4, predictor P=96,
depth 2; weights far from initialisation. Run twice, in float32 and in float64:
the second shows which digits of the first mean something.
  init.{encoder,predictor}.{parameter}  float16; every value is exactly a float16.
      The frozen position tables are left out. The target starts as the encoder.
  step{s}.enc0, step{s}.pred{m}  int32  masks of step s = 0..11
  loss, loss64, lr, wd, momentum        [12] float64
  image.first8 [12,8], image.sum [12], image.l2 [12] float64  checks of the images
  final.{net}.{parameter}.sum/.l2 and final64.… (float64; net also target_encoder)
  full.{net}.{parameter}                three whole tensors of the float32 run
The gradient of the key third of every attn.qkv.bias is zero in exact arithmetic;
AdamW turns its rounding noise into full-size steps, so compare that slice (and
the sums and norms that hold it) not at all. It has no effect on any output. In
e2e.safetensors it matters little (a float32 step differs by < 1e-5 there).
"""
import copy
import math
from functools import partial

import torch
import torch.nn.functional as F

from common import (RELEASED, arguments, blank, ema, randomise, target_features,
                    use_ijepa, write)


def build(image, patch, width, depth, heads, pwidth, pdepth):
    """Encoder and predictor of any size, as the official factories build them."""
    from src.models.vision_transformer import VisionTransformer, vit_predictor
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    encoder = VisionTransformer(img_size=[image], patch_size=patch, embed_dim=width, depth=depth,
                                num_heads=heads, mlp_ratio=4, qkv_bias=True, norm_layer=norm)
    predictor = vit_predictor(num_patches=encoder.patch_embed.num_patches, embed_dim=width,
                              predictor_embed_dim=pwidth, depth=pdepth, num_heads=heads)
    return encoder, predictor


def closed_form(module, first, phase):
    """Parameter k (trainable ones, in order), element j: a sine of both."""
    k = first
    with torch.no_grad():
        for name, p in module.named_parameters():
            if "pos_embed" in name:
                continue
            j = torch.arange(p.numel(), dtype=torch.float64)
            s = torch.sin(0.37 * (j + 1) + 1.3 * (k + 1) + phase).reshape(p.shape)
            if "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.1 * s)
            elif name.endswith("bias"):
                p.copy_(0.05 * s)
            else:
                p.copy_(0.08 * s)
            k += 1
    return k


def exact_tables(module):
    """Replaces the float32 position tables of a float64 module by exact ones."""
    from src.models.vision_transformer import get_2d_sincos_pos_embed
    with torch.no_grad():
        for name, p in module.named_parameters():
            if "pos_embed" in name:
                table = get_2d_sincos_pos_embed(p.shape[-1], int(p.shape[1] ** 0.5))
                p.copy_(torch.from_numpy(table).unsqueeze(0))
    return module


class Tap:
    """Collects the outputs of named submodules while it is open."""

    def __init__(self, wanted):
        self.got, self.wanted, self.hooks = {}, wanted, []

    def __enter__(self):
        for name, (module, pick) in self.wanted.items():
            def hook(_, args, out, name=name, pick=pick):
                self.got[name] = pick(args, out).detach().clone()
            self.hooks.append(module.register_forward_hook(hook))
        return self.got

    def __exit__(self, *_):
        for h in self.hooks:
            h.remove()


def out(_, o):
    return o


def optimiser(encoder, predictor, ipe, epochs, warmup):
    from src.helper import init_opt
    opt, _, lr, wd = init_opt(encoder=encoder, predictor=predictor, iterations_per_epoch=ipe,
                              start_lr=2e-4, ref_lr=1e-3, final_lr=1e-6, warmup=warmup,
                              num_epochs=epochs, wd=0.04, final_wd=0.4, use_bfloat16=False,
                              ipe_scale=1.0)
    return opt, lr, wd


# Values printed in the project's notes: (first values), sum, L2.
EXPECT = {
    "image": ((0, 0.01699918, 0.03399345, 0.05097789), 101.17766934, 55.29062693),
    "pos_embed": ((0, 0, 0, 0), 254.98901394, 16.0),
    "patch_embed": ((0.14332061, -0.17535033, -0.04690775, 0.13903164), -2.70347345, 5.79212727),
    "with_pos": ((0.14332061, -0.17535033, -0.04690775, 0.13903164), 507.27455443, 23.82835054),
    "context_tokens": ((0.14332061, -0.17535033, -0.04690775, 0.13903164), 161.61796194, 13.25543042),
    "block0_attn_out": ((0.02526324, 0.09690415, 0.10134445, 0.03854122), 3.36550387, 2.06724165),
    "block0_attn_probs": ((0.31461784, 0.20831712, 0.16446865, 0.19473999), 40, 3.15681576),
    "context_block0": ((0.25696869, -0.18964125, 0.1994742, 0.09137036), 165.66677568, 13.61837191),
    "context_block1": ((0.63190503, -0.16486583, 0.36846396, 0.20397086), 168.60049733, 15.14203640),
    "context_norm": ((0.12394362, -0.98205219, -0.21668317, -0.43253509), 13.10709919, 18.17991457),
    "target_norm": ((-0.20124847, -0.65354746, -0.08076896, 0.01325731), 23.99404924, 32.74228197),
    "target_ln": ((-0.23678363, -0.67908725, -0.1189666, -0.02701822), 0, 31.99984707),
    "targets": ((0.33045607, 0.50122854, -0.35685818, -0.53742131), 0, 19.59582393),
    "prediction": ((0.10072264, 0.10756621, 0.10015901, 0.07952221), -2.54166865, 2.76355288),
    "prediction_e2": ((0.05502846, 0.02980435, -0.02308311, -0.04891545), -4.78406957, 3.25408863),
}
EXPECT_GRAD = {
    "encoder.patch_embed.proj.weight": 4.15415410e-2, "encoder.patch_embed.proj.bias": 9.71585149e-3,
    "encoder.blocks.0.norm1.weight": 1.42168234e-4, "encoder.blocks.0.attn.qkv.weight": 1.08799306e-2,
    "encoder.blocks.0.attn.proj.weight": 5.84296428e-2, "encoder.blocks.0.mlp.fc1.weight": 1.40409933e-3,
    "encoder.blocks.0.mlp.fc2.weight": 6.95976369e-2, "encoder.blocks.1.attn.qkv.weight": 1.07109189e-2,
    "encoder.blocks.1.mlp.fc2.weight": 6.67230542e-2, "encoder.norm.weight": 5.42394330e-3,
    "encoder.norm.bias": 6.10141249e-3, "predictor.mask_token": 1.39770023e-1,
    "predictor.predictor_embed.weight": 2.40106703e-1,
    "predictor.predictor_blocks.0.attn.qkv.weight": 3.61960533e-1,
    "predictor.predictor_blocks.0.attn.proj.weight": 4.22388533e-2,
    "predictor.predictor_blocks.0.mlp.fc1.weight": 3.95123227e-2,
    "predictor.predictor_blocks.0.mlp.fc2.weight": 6.45845463e-2,
    "predictor.predictor_blocks.1.attn.qkv.weight": 2.96432584e-1,
    "predictor.predictor_blocks.1.mlp.fc2.weight": 2.42781492e-2,
    "predictor.predictor_norm.weight": 6.00815354e-2,
    "predictor.predictor_proj.weight": 4.07007866e-1, "predictor.predictor_proj.bias": 1.21205431e-1,
}


def close(got, want, what, digits=8):
    """Equal to the printed digits: `digits` decimals, or 9 significant figures."""
    got = float(got)
    tol = max(0.6 * 10 ** -digits, 0.6e-8 * abs(want)) if what[0] != "g" else 0.6e-8 * abs(want)
    assert abs(got - want) <= tol, f"{what}: {got!r} is not {want!r}"


def tiny_step(folder):
    encoder, predictor = build(32, 8, 32, 2, 4, 16, 2)
    encoder, predictor = exact_tables(encoder.double()), exact_tables(predictor.double())
    target = copy.deepcopy(encoder)
    k = closed_form(encoder, 0, 0.0)
    assert k == 28
    assert closed_form(predictor, k, 0.0) == 59
    closed_form(target, 0, 0.25)
    for p in target.parameters():
        p.requires_grad = False

    image = torch.sin(0.017 * torch.arange(2 * 3 * 32 * 32, dtype=torch.float64)).reshape(2, 3, 32, 32)
    enc = [torch.tensor([[0, 1, 2, 4, 8], [0, 3, 5, 6, 7]])]
    enc2 = enc + [torch.tensor([[3, 7, 12, 13, 15], [4, 8, 11, 14, 15]])]
    pred = [torch.tensor([[5, 6, 9], [9, 10, 13]]), torch.tensor([[10, 11, 14], [1, 2, 12]])]

    opt, _, _ = optimiser(encoder, predictor, ipe=4, epochs=3, warmup=1)
    for group in opt.param_groups:
        group["lr"] = 1e-3
        if not group.get("WD_exclude"):
            group["weight_decay"] = 0.04

    t = {"image": image, "pos_embed": encoder.pos_embed.detach()}
    wanted = {
        "target_block0": (target.blocks[0], out), "target_block1": (target.blocks[1], out),
        "patch_embed": (encoder.patch_embed, out),
        "context_tokens": (encoder.blocks[0], lambda a, _: a[0]),
        "block0_attn_out": (encoder.blocks[0].attn, lambda _, o: o[0]),
        "block0_attn_probs": (encoder.blocks[0].attn, lambda _, o: o[1]),
        "context_block0": (encoder.blocks[0], out), "context_block1": (encoder.blocks[1], out),
        "context_norm": (encoder.norm, out),
        "predictor_input": (predictor.predictor_blocks[0], lambda a, _: a[0]),
        "predictor_block0": (predictor.predictor_blocks[0], out),
        "predictor_block1": (predictor.predictor_blocks[1], out),
        "predictor_norm": (predictor.predictor_norm, out),
    }
    # two hooks on one module overwrite nothing: each stores under its own name
    with Tap(wanted) as got:
        t["target_norm"], t["target_ln"], t["targets"] = target_features(target, image, pred, 1, True)
        z = predictor(encoder(image, enc), enc, pred)
    t.update(got)
    # linear output before the in-place addition of positions
    t["predictor_embed"] = predictor.predictor_embed(t["context_norm"]).detach()
    t["with_pos"] = t["patch_embed"] + t["pos_embed"]
    t["prediction"] = z.detach()
    h = t["targets"]
    loss = F.smooth_l1_loss(z, h)
    s = {"loss": loss.item(), "mse": F.mse_loss(z, h).item(), "l1": F.l1_loss(z, h).item()}
    loss.backward()
    nets = {"encoder": encoder, "predictor": predictor}
    grads = {f"{n}.{p}": v.grad.detach().clone() for n, m in nets.items()
             for p, v in m.named_parameters() if v.grad is not None}
    assert len(grads) == 59
    s["grad_global"] = math.sqrt(sum(float(g.norm()) ** 2 for g in grads.values()))

    opt.step()
    opt.zero_grad()
    ema(encoder, target, 0.996)
    with torch.no_grad():
        s["loss_after_step"] = F.smooth_l1_loss(predictor(encoder(image, enc), enc, pred), h).item()
        t["prediction_e2"] = predictor(encoder(image, enc2), enc2, pred)

    for name, (first, total, l2) in EXPECT.items():
        flat = t[name].flatten()
        for i, v in enumerate(first):
            close(flat[i], v, f"{name}[{i}]")
        close(flat.sum(), total, f"sum {name}")
        close(flat.norm(), l2, f"l2 {name}")
    for name, v in (("loss", 0.4535042747), ("mse", 1.0672549956), ("l1", 0.8335023725),
                    ("grad_global", 0.7939950492), ("loss_after_step", 0.4152169509)):
        close(s[name], v, f"={name}", 10)
    for name, v in EXPECT_GRAD.items():
        close(grads[name].norm(), v, f"g {name}")
    params = {f"{n}.{p}": v.detach() for n, m in nets.items() for p, v in m.named_parameters()}
    qkv = params["encoder.blocks.0.attn.qkv.weight"]
    for got_, want in ((qkv.sum(), -0.02396629), (qkv.norm(), 3.13630794), (qkv[0, 0], 0.04528591),
                       (qkv[0, 3], 0.0783649),
                       (params["encoder.blocks.0.norm1.weight"].sum(), 32.10187924),
                       (params["encoder.blocks.0.norm1.weight"].norm(), 5.68926251),
                       (params["predictor.mask_token"].sum(), -0.00233734),
                       (params["predictor.mask_token"].norm(), 0.22954346)):
        close(got_, want, "after step")
    tq = target.blocks[0].attn.qkv.weight
    for got_, want in ((tq.sum(), -0.04436440), (tq.norm(), 3.13558985), (tq[0, 0], 0.0593446),
                       (tq[0, 1], 0.07471746)):
        close(got_, want, "after EMA")
    print("all printed values of the notes agree")

    f = {}
    for name, v in t.items():
        f[name] = v.float()
        f[f"{name}.sum"] = v.sum().reshape(1)
        f[f"{name}.l2"] = v.norm().reshape(1)
    for name, v in s.items():
        f[name] = torch.tensor([v], dtype=torch.float64)
    for name, g in grads.items():
        f[f"grad_norm.{name}"] = g.norm().reshape(1)
    for name, p in params.items():
        if name in grads:
            f[f"step.{name}"] = p.float()
    for name, p in target.named_parameters():
        if "pos_embed" not in name:
            f[f"ema.target_encoder.{name}"] = p.detach().float()
    f.update(enc0=enc[0].int(), enc0_second=enc2[1].int(), pred0=pred[0].int(), pred1=pred[1].int())
    write(folder, "e2e.safetensors", f, {"e2e": dict(
        image_size=32, patch=8, width=32, depth=2, heads=4, mlp_ratio=4, predictor_width=16,
        predictor_depth=2, batch=2, image="sin(0.017 i), i flat over [2,3,32,32]",
        weights="trainable parameter k (encoder then predictor, in order), element j: "
                "s = sin(0.37(j+1) + 1.3(k+1) + phase); norm weights 1+0.1s, biases 0.05s, else 0.08s; "
                "phase 0.25 for the target encoder (k as the encoder), else 0",
        lr=1e-3, wd=0.04, momentum=0.996, betas=[0.9, 0.999], eps=1e-8)})


IPE, EPOCHS, STEPS, BATCH = 4, 3, 12, 4
IMAGE_FORMULA = "sin(0.37 i + 1.1 s) * cos(0.0113 (s + 1) i), i flat over [4,3,64,64], s = step, float64 then cast"


def train_image(step):
    i = torch.arange(BATCH * 3 * 64 * 64, dtype=torch.float64)
    x = torch.sin(0.37 * i + 1.1 * step) * torch.cos(0.0113 * (step + 1) * i)
    return x.reshape(BATCH, 3, 64, 64)


def train(start, masks, dtype):
    """Twelve official training steps; returns the curves and the three networks."""
    encoder, predictor = (copy.deepcopy(m).to(dtype) for m in start)
    target = copy.deepcopy(encoder)
    for p in target.parameters():
        p.requires_grad = False
    opt, lr_sched, wd_sched = optimiser(encoder, predictor, IPE, EPOCHS, warmup=1)
    curves = {"loss": [], "lr": [], "wd": [], "momentum": []}
    for step, (enc, pred) in enumerate(masks):
        lr, wd = lr_sched.step(), wd_sched.step()
        x = train_image(step).to(dtype)
        h = target_features(target, x, pred, len(enc))
        loss = F.smooth_l1_loss(predictor(encoder(x, enc), enc, pred), h)
        loss.backward()
        opt.step()
        opt.zero_grad()
        m = 0.996 + step * (1.0 - 0.996) / (IPE * EPOCHS * 1.0)
        ema(encoder, target, m)
        for key, v in zip(curves, (loss.item(), lr, wd, m)):
            curves[key].append(v)
    return curves, {"encoder": encoder, "predictor": predictor, "target_encoder": target}


def twelve_steps(folder):
    from src.masks.multiblock import MaskCollator
    encoder, predictor = build(64, 8, 96, 2, 4, 96, 2)
    start = randomise(encoder, 101), randomise(predictor, 102)
    with torch.no_grad():  # values that float16 holds exactly
        for m in start:
            for name, p in m.named_parameters():
                if "pos_embed" not in name:
                    p.copy_(p.half().float())
    collator = MaskCollator(input_size=64, patch_size=8, **{**RELEASED, "min_keep": 4})
    torch.manual_seed(31)
    masks = [collator(blank(BATCH))[1:] for _ in range(STEPS)]

    f = {}
    for net, m in zip(("encoder", "predictor"), start):
        for name, p in m.named_parameters():
            if "pos_embed" not in name:
                f[f"init.{net}.{name}"] = p.detach().half()
    for s, (enc, pred) in enumerate(masks):
        f[f"step{s}.enc0"] = enc[0].int()
        for i, p in enumerate(pred):
            f[f"step{s}.pred{i}"] = p.int()
    images = [train_image(s).flatten() for s in range(STEPS)]
    f["image.first8"] = torch.stack([x[:8] for x in images])
    f["image.sum"] = torch.stack([x.sum() for x in images])
    f["image.l2"] = torch.stack([x.norm() for x in images])

    finals = {}
    for tag, dtype in (("", torch.float32), ("64", torch.float64)):
        curves, nets = train(start, masks, dtype)
        finals[tag] = nets
        f["loss" + tag] = torch.tensor(curves["loss"], dtype=torch.float64)
        if not tag:
            for key in ("lr", "wd", "momentum"):
                f[key] = torch.tensor(curves[key], dtype=torch.float64)
        for net, m in nets.items():
            for name, p in m.named_parameters():
                if "pos_embed" in name:
                    continue
                p = p.detach().double()
                f[f"final{tag}.{net}.{name}.sum"] = p.sum().reshape(1)
                f[f"final{tag}.{net}.{name}.l2"] = p.norm().reshape(1)
        for net, name in (("encoder", "blocks.0.attn.qkv.weight"), ("predictor", "mask_token"),
                          ("target_encoder", "norm.weight")):
            if not tag:
                f[f"full.{net}.{name}"] = dict(nets[net].named_parameters())[name].detach().float()

    print("loss  ", [f"{v:.7f}" for v in f["loss"].tolist()])
    print("loss64", [f"{v:.7f}" for v in f["loss64"].tolist()])
    print("largest loss difference", (f["loss"] - f["loss64"]).abs().max().item())
    rows = []
    for net in finals[""]:
        b = dict(finals["64"][net].named_parameters())
        for name, p in finals[""][net].named_parameters():
            d = (p.detach().double() - b[name].detach()).abs()
            if name.endswith("qkv.bias"):
                third = len(d) // 3
                rows.append((d[third:2 * third].max().item(), f"{net}.{name} key third"))
                d = torch.cat([d[:third], d[2 * third:]])
            rows.append((d.max().item(), f"{net}.{name}"))
    rows.sort(reverse=True)
    for v, name in rows[:12]:
        print(f"  float32 against float64: {v:.2e} {name}")
    write(folder, "train.safetensors", f, {"train": dict(
        image_size=64, patch=8, width=96, depth=2, heads=4, mlp_ratio=4, predictor_width=96,
        predictor_depth=2, batch=BATCH, steps=STEPS, image=IMAGE_FORMULA, ipe=IPE, epochs=EPOCHS,
        warmup_epochs=1, start_lr=2e-4, ref_lr=1e-3, final_lr=1e-6, wd=0.04, final_wd=0.4,
        ema=[0.996, 1.0], ipe_scale=1.0, betas=[0.9, 0.999], eps=1e-8, mask_seed=31, min_keep=4,
        largest_float32_difference={n: v for v, n in rows})})


def main():
    args = arguments(__doc__).parse_args()
    use_ijepa(args.ijepa)
    tiny_step(args.out)
    twelve_steps(args.out)


if __name__ == "__main__":
    main()
