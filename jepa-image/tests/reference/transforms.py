"""Makes transforms.safetensors: image resizing and cropping by torchvision on PIL.

    python transforms.py [--out FOLDER]

  image          [90, 120, 3] uint8   rows, columns, RGB (smooth shapes plus noise)
  crop{i}        [64, 64, 3]  uint8   F.resized_crop(box i, 64x64, bilinear)
  normalised     [3, 64, 64]  float32 crop0, scaled to 0..1, ImageNet mean and std
  resize72       [72, 96, 3]  uint8   F.resize(72): shorter side, bilinear
  centre64       [64, 64, 3]  uint8   centre crop of resize72
  resize100      [100, 133, 3] uint8  F.resize(100), an enlargement
  params         [16, 4]      int32   RandomResizedCrop.get_params (top, left, h, w)
                                      after torch.manual_seed(n), n = 0..15,
                                      scale (0.3, 1), ratio (3/4, 4/3)
Metadata: "boxes", the crop boxes (top, left, height, width).
"""
import numpy as np
import torch
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop

from common import arguments, write

BOXES = [(5, 10, 80, 100), (0, 0, 90, 120), (30, 40, 21, 33), (12, 3, 64, 64), (7, 50, 83, 31)]


def picture():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:90, 0:120].astype(np.float64)
    planes = [128 + 90 * np.sin(0.09 * x + 0.05 * y), 40 + 1.5 * x + 60 * (np.hypot(x - 70, y - 40) < 25),
              200 - 1.8 * y + 50 * ((x // 9 + y // 7) % 2)]
    noisy = np.stack(planes, -1) + rng.normal(0, 12, (90, 120, 3))
    return np.clip(noisy.round(), 0, 255).astype(np.uint8)


def array(pil):
    return torch.from_numpy(np.array(pil))


def main():
    args = arguments(__doc__, ijepa=False).parse_args()
    pixels = picture()
    pil = Image.fromarray(pixels)
    bilinear = InterpolationMode.BILINEAR
    f = {"image": torch.from_numpy(pixels)}
    crops = [F.resized_crop(pil, *b, [64, 64], bilinear) for b in BOXES]
    for i, c in enumerate(crops):
        f[f"crop{i}"] = array(c)
    f["normalised"] = F.normalize(F.to_tensor(crops[0]), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    small = F.resize(pil, 72, bilinear)
    f["resize72"] = array(small)
    f["centre64"] = array(F.center_crop(small, 64))
    f["resize100"] = array(F.resize(pil, 100, bilinear))
    params = []
    for n in range(16):
        torch.manual_seed(n)
        params.append(RandomResizedCrop.get_params(pil, [0.3, 1.0], [3 / 4, 4 / 3]))
    f["params"] = torch.tensor(params, dtype=torch.int32)
    print({k: list(v.shape) for k, v in f.items()})
    write(args.out, "transforms.safetensors", f, {"boxes": BOXES, "image_hw": [90, 120]})


if __name__ == "__main__":
    main()
