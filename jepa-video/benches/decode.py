"""Decoding against PyAV: seconds a clip, on the same frames of the same recordings, in alternating runs.

    python decode.py FOLDER [--rounds 5] [--frames 16] [--step 4] [--clips 2]

On our side runs what `jepa-video` runs (`src/data/recording/program.rs`): `ffmpeg` decodes up to the last frame wanted, picks
the wanted ones by number and writes raw RGB into a pipe, which is read here; the start of the program is part of it. PyAV
decodes in this process up to the same frame and gives the same frames as arrays. Both decode with one thread. Frames of
both are compared first: the mean absolute difference of their values is printed. Times are of the clock and of the
processor (of PyAV this process's, of ours this process's and its children's), medians over the rounds; recordings that
one of them cannot read are named.

Needs ffmpeg, numpy and av (seen at 18.1.0). One JSON object a recording, then the medians of the ratios.
"""
import argparse
import functools
import json
import os
import random
import re
import resource
import statistics
import subprocess
import time

import av
import numpy as np


def official(first, frames, step, count):
    """Numbers of the frames of a clip, by the official rule; short recordings repeat their last frame."""
    numbers = np.clip(np.linspace(first, first + frames * step, frames), first, first + frames * step - 1)
    return sorted(set(int(i) for i in np.minimum(numbers, count - 1)))


@functools.cache
def every_frame():
    """`-fps_mode` came with ffmpeg 5.1, `-vsync` is gone since 9; an answer without a version is that of a new program."""
    answer = subprocess.run(["ffmpeg", "-version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True)
    version = re.match(r"ffmpeg version n?(\d+)(?:\.(\d+))?", answer.stdout)
    old = version is not None and (int(version[1]), int(version[2] or 0)) < (5, 1)
    return ["-vsync", "0"] if old else ["-fps_mode", "passthrough"]


def ours(path, wanted, shape):
    select = "+".join(rf"between(n\,{i}\,{i})" for i in wanted)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-noautorotate", "-protocol_whitelist", "file,pipe",
               "-i", "file:" + path, "-map", "0:v:0", "-an", "-sn", "-dn", *every_frame(), "-vf", f"select={select}",
               "-frames:v", str(len(wanted)), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    found = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    values = np.frombuffer(found.stdout, np.uint8)
    if values.size != len(wanted) * shape[0] * shape[1] * 3:
        raise ValueError(found.stderr.decode(errors="replace").strip().splitlines()[-1:] or "too few frames")
    return values.reshape(len(wanted), *shape, 3)


def pyav(path, wanted, _):
    frames, chosen = [], set(wanted)
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for i, frame in enumerate(container.decode(stream)):
            if i in chosen:
                frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == len(wanted):
                    break
    return np.stack(frames)


def used():
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def timed(reader, path, clips, shape):
    clock, processor = time.perf_counter(), used()
    for wanted in clips:
        reader(path, wanted, shape)
    return (time.perf_counter() - clock) / len(clips), (used() - processor) / len(clips)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--frames", type=int, default=16)
    p.add_argument("--step", type=int, default=4)
    p.add_argument("--clips", type=int, default=2, help="clips of every recording, at places drawn once")
    args = p.parse_args()
    draw = random.Random(0)
    ratios = []
    for path in sorted(os.path.join(d, f) for d, _, names in os.walk(args.folder) for f in names):
        name = os.path.relpath(path, args.folder)
        try:
            with av.open(path) as container:
                stream = container.streams.video[0]
                shape, codec = (stream.height, stream.width), stream.codec_context.name
                count = sum(1 for _ in container.decode(stream))
            last = max(1, count - args.frames * args.step)
            clips = [official(draw.randrange(last), args.frames, args.step, count) for _ in range(args.clips)]
            off = np.abs(ours(path, clips[0], shape).astype(int) - pyav(path, clips[0], shape)).mean()
        except (av.FFmpegError, ValueError, IndexError) as error:
            print(json.dumps({"recording": name, "left_out": str(error)}))
            continue
        runs = [(timed(ours, path, clips, shape), timed(pyav, path, clips, shape)) for _ in range(args.rounds)]
        medians = [[statistics.median(run[side][kind] for run in runs) for kind in range(2)] for side in range(2)]
        ratios.append([medians[0][kind] / medians[1][kind] for kind in range(2)])
        print(json.dumps({
            "recording": name, "codec": codec, "height": shape[0], "width": shape[1], "frames": count,
            "mean_difference": round(float(off), 3),
            "ours_s": round(medians[0][0], 4), "pyav_s": round(medians[1][0], 4),
            "ours_cpu_s": round(medians[0][1], 4), "pyav_cpu_s": round(medians[1][1], 4)}), flush=True)
    for kind, what in enumerate(("clock", "processor")):
        values = [ratio[kind] for ratio in ratios]
        print(f"{what}: seconds a clip over PyAV's, median {statistics.median(values):.2f} "
              f"({min(values):.2f} to {max(values):.2f}, {len(values)} recordings)")


if __name__ == "__main__":
    main()
