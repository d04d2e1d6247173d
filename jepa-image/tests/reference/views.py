"""Makes views.safetensors: the parts of augmentations by torchvision on byte tensors.

    python views.py [--out FOLDER]

  image              [24, 32, 3] uint8   rows, columns, RGB
  {name}             [24, 32, 3] uint8   the image after one part; names and factors in the
                                         metadata "parts": [name, function, factor..]
  grey_{name}        [24, 32, 1] uint8   the same of the image's first channel
"""
import numpy as np
import torch
import torchvision.transforms.functional as F

from common import arguments, write

PARTS = [("bright_low", "brightness", 0.63), ("bright_high", "brightness", 1.37), ("contrast_low", "contrast", 0.61),
         ("contrast_high", "contrast", 1.39), ("saturation_low", "saturation", 0.4),
         ("saturation_high", "saturation", 1.71), ("hue_up", "hue", 0.083), ("hue_down", "hue", -0.17),
         ("grey", "grey", 0.0), ("solarised", "solarise", 128.0), ("blur_3", "blur", 3, 0.37), ("blur_7", "blur", 7, 1.9)]


def picture():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:24, 0:32].astype(np.float64)
    planes = [130 + 100 * np.sin(0.3 * x + 0.2 * y), 8.0 * x * (np.hypot(x - 16, y - 12) < 9), 240 - 9.0 * y]
    noisy = np.stack(planes, -1) + rng.normal(0, 15, (24, 32, 3))
    return torch.from_numpy(np.clip(noisy.round(), 0, 255).astype(np.uint8))


def part(image, kind, *numbers):
    if kind == "brightness":
        return F.adjust_brightness(image, numbers[0])
    if kind == "contrast":
        return F.adjust_contrast(image, numbers[0])
    if kind == "saturation":
        return F.adjust_saturation(image, numbers[0])
    if kind == "hue":
        return F.adjust_hue(image, numbers[0])
    if kind == "grey":
        return F.rgb_to_grayscale(image, image.shape[0])
    if kind == "solarise":
        return F.solarize(image, numbers[0])
    return F.gaussian_blur(image, numbers[0], numbers[1])


def main():
    args = arguments(__doc__, ijepa=False).parse_args()
    image = picture()
    f = {"image": image}
    for name, kind, *numbers in PARTS:
        planes = image.permute(2, 0, 1)
        f[name] = part(planes, kind, *numbers).permute(1, 2, 0)
        if kind != "grey":
            f[f"grey_{name}"] = part(planes[:1], kind, *numbers).permute(1, 2, 0)
    write(args.out, "views.safetensors", f, {"parts": PARTS})


if __name__ == "__main__":
    main()
