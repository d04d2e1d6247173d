"""Checks by hand that transformers opens a folder our exporter wrote.

    python export_check.py FOLDER [--features FILE] [--tolerance 1e-4]

FOLDER holds config.json and model.safetensors; FILE (default
FOLDER/features.safetensors) holds `pixel_values` and `last_hidden_state`.
Opens FOLDER with transformers.IJepaModel.from_pretrained, wants no missing,
unexpected or mismatched key, runs the model and compares. Prints the largest
difference; the exit status is 1 if anything is wrong.
"""
import argparse
import os
import sys

import torch
from safetensors.torch import load_file
from transformers import IJepaModel


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--features")
    p.add_argument("--tolerance", type=float, default=1e-4)
    args = p.parse_args()
    data = load_file(args.features or os.path.join(args.folder, "features.safetensors"))
    model, info = IJepaModel.from_pretrained(args.folder, output_loading_info=True, dtype=torch.float32)
    ok = True
    for kind, names in info.items():
        if names:
            print(f"{kind}: {names}")
            ok = False
    with torch.no_grad():
        got = model.eval()(data["pixel_values"].float()).last_hidden_state
    want = data["last_hidden_state"].float()
    if got.shape != want.shape:
        print(f"shape {list(got.shape)}, expected {list(want.shape)}")
        return 1
    worst = (got - want).abs().max().item()
    print(f"largest difference {worst:.3e} over {want.numel()} values (tolerance {args.tolerance:g})")
    if not worst <= args.tolerance:
        ok = False
    print("ok" if ok else "FAILED")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
