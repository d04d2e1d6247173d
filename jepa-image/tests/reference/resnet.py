"""Makes resnet.safetensors: features and gradients of torchvision's ResNet-18 with the stem of CIFAR.

    python resnet.py [--out FOLDER]

Weights are not stored: value j (from 0, row-major) of the tensor called n is, with
s = 2 frac(43758.5453 sin(12.9898 (j + 1) + 0.01 (sum of the bytes of n modulo 1000))) - 1,
frac(v) = v - floor(v); smoother formulas make channels that hardly vary, whose normalisation
no single precision survives:
  convolutions 2.45 s / sqrt(inputs * side^2); scales 1 + 0.2 s; shifts 0.1 s;
  running means 0.1 s; running variances 1 + 0.3 s.

  image      [4, 3, 16, 16] sin(0.017 i) over flat i, plus 0.5 cos(0.31 i)
  evaluated  [4, 512]       features by the running figures
  trained    [4, 512]       features by the figures of the batch
  mean, var  [512]          running figures of the last normalisation after that
  gradients  [n]            norms of the gradients of sum(trained * w), w = sin(0.1 (flat + 1)),
                            in the order of the metadata "names"
"""
import math

import torch
import torchvision

from common import arguments, write


def fill(network):
    with torch.no_grad():
        for name, p in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            phase = 0.01 * (sum(name.encode()) % 1000)
            v = 43758.5453 * torch.sin(12.9898 * torch.arange(1, p.numel() + 1, dtype=torch.float64) + phase)
            s = (2 * (v - v.floor()) - 1).reshape(p.shape)
            if p.dim() == 4:
                value = 2.45 * s / math.sqrt(p.shape[1] * p.shape[2] * p.shape[3])
            elif name.endswith("running_var"):
                value = 1 + 0.3 * s
            elif name.endswith("weight"):
                value = 1 + 0.2 * s
            else:
                value = 0.1 * s
            p.copy_(value)


def main():
    args = arguments(__doc__, ijepa=False).parse_args()
    torch.set_default_dtype(torch.float64)
    network = torchvision.models.resnet18(num_classes=1)
    network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = torch.nn.Identity()
    network.fc = torch.nn.Identity()
    fill(network)
    i = torch.arange(4 * 3 * 16 * 16)
    image = (torch.sin(0.017 * i) + 0.5 * torch.cos(0.31 * i)).reshape(4, 3, 16, 16)
    with torch.no_grad():
        evaluated = network.eval()(image)
    trained = network.train()(image)
    w = torch.sin(0.1 * torch.arange(1, trained.numel() + 1)).reshape(trained.shape)
    (trained * w).sum().backward()
    names = [n for n, _ in network.named_parameters()]
    gradients = torch.stack([p.grad.norm() for _, p in network.named_parameters()])
    last = network.layer4[1].bn2
    f = {"image": image.float(), "evaluated": evaluated, "trained": trained.detach(), "mean": last.running_mean,
         "var": last.running_var, "gradients": gradients}
    print(evaluated.std(), trained.std())
    write(args.out, "resnet.safetensors", f, {"names": names})


if __name__ == "__main__":
    main()
