"""Makes the built-in data: the first images of each class of Fashion-MNIST, in file order, as gzip IDX files.

    python3 make.py /usr/share/datasets/fashion-mnist OUT

The source folder holds the four original files (Debian package dataset-fashion-mnist). Needs Python alone; the output
is the same bytes on every run.
"""

import gzip
import struct
import sys
from pathlib import Path

PER_CLASS = {"train": 1000, "t10k": 200}
PIXELS = 28 * 28


def read(path, magic, header):
    data = gzip.decompress(path.read_bytes())
    found = struct.unpack(">I", data[:4])[0]
    assert found == magic, f"{path}: magic {found}, expected {magic}"
    return data[header:]


def write(path, data):
    # No name and no time in the gzip header: the bytes depend on the content alone.
    path.write_bytes(gzip.compress(data, compresslevel=9, mtime=0))


def main(source, out):
    for part, per_class in PER_CLASS.items():
        images = read(source / f"{part}-images-idx3-ubyte.gz", 2051, 16)
        labels = read(source / f"{part}-labels-idx1-ubyte.gz", 2049, 8)
        taken = [0] * 10
        chosen = []
        for index, label in enumerate(labels):
            if taken[label] < per_class:
                taken[label] += 1
                chosen.append(index)
        assert taken == [per_class] * 10, f"{part}: {taken} images per class, expected {per_class} each"
        n = len(chosen)
        pixels = b"".join(images[i * PIXELS : (i + 1) * PIXELS] for i in chosen)
        write(out / f"{part}-images-idx3-ubyte.gz", struct.pack(">4I", 2051, n, 28, 28) + pixels)
        write(out / f"{part}-labels-idx1-ubyte.gz", struct.pack(">2I", 2049, n) + bytes(labels[i] for i in chosen))
        print(f"{part}: {n} images")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
