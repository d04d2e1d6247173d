"""Takes the first images of every class out of Fashion-MNIST: python3 make.py FOLDER_WITH_THE_FOUR_FILES OUT"""

import gzip
import pathlib
import struct
import sys

COUNTS = {"train": 128, "t10k": 64}


def main(source: pathlib.Path, out: pathlib.Path) -> None:
    for part, each in COUNTS.items():
        images = gzip.decompress((source / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:]
        labels = gzip.decompress((source / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:]
        taken, seen = [], [0] * 10
        for index, label in enumerate(labels):
            if seen[label] < each:
                seen[label] += 1
                taken.append(index)
        pixels = b"".join(images[i * 784 : (i + 1) * 784] for i in taken)
        for name, magic, shape, values in [
            (f"{part}-images-idx3-ubyte.gz", 2051, (len(taken), 28, 28), pixels),
            (f"{part}-labels-idx1-ubyte.gz", 2049, (len(taken),), bytes(labels[i] for i in taken)),
        ]:
            header = struct.pack(f">{1 + len(shape)}I", magic, *shape)
            (out / name).write_bytes(gzip.compress(header + values, 9, mtime=0))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
