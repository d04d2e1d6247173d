"""Makes skeletons/*.skeleton.gz (synthetic NTU recordings) and ntu.safetensors (what
MAMP's preprocessing makes of them).

    python ntu.py --mamp PATH [--out FOLDER]

The recordings are invented here (a swinging stick figure, no NTU data), in NTU's
file format; each exercises one rule, see SCENES. MAMP's three scripts run in a
temporary folder: get_raw_skes_data, get_raw_denoised_data, seq_transformation, of
data/ntu and (last stage) of data/ntu120.

  {name}.denoised [T,150] float32  selected actors before translation (only scenes that
      keep two)
  {name}.joints   [T,75 or 150] float32  after translation, before padding
  align.frames [9] int64      frames per recording, order of metadata "names"
  align.ntu, align.ntu120 [9,F,150] are not stored: F = max of align.frames (not 300), zeros
      behind; one actor: second half zeros (ntu) or a copy of the first (ntu120)
  split.{xsub,xview,xsub120,xset}.{train,test}  indices into "names" (official order:
      by performer, camera or setup id)
  label [9] (0-based)
  feeder.{joint,bone,motion,both} [3,16,25,2]  official Feeder on the recording "feeder"
      (metadata), p_interval [0.95], window 16: plain, bone, vel, bone and vel
Metadata "names", "scenes", "frames_dropped" (no body in them), "actors" (the official
text report of each recording with several ids: intervals, motion, what was filtered).
"""
import contextlib
import gzip
import io
import logging
import os
import pickle
import runpy
import shutil
import tempfile

import numpy as np
import torch

from common import HERE, arguments, person, use_mamp, write

A, B, C, D = "72057594037931101", "72057594037931368", "72057594037944738", "72057594037945012"


def wide(frames, seed, at):
    """A body much wider than high: no human posture."""
    p = person(frames, seed, at)
    centre = torch.tensor(at, dtype=torch.float64)
    return ((p - centre) * torch.tensor([1.6, 0.4, 1.0], dtype=torch.float64) + centre).round(decimals=4)


def only(bodies, frames):
    """{frame: joints} of a body seen in the given frames (its motion goes on unseen)."""
    return {f: bodies[f] for f in frames}


def scenes():
    """name -> (what for, frames, {body id: {frame: joints}}, line ending)."""
    left, right, far = (-0.5, 0.1, 3.0), (0.6, 0.05, 3.2), (1.6, 0.2, 4.0)
    r = lambda a, b: range(a, b)  # noqa: E731
    out = {}
    out["S001C001P001R001A001"] = ("one person", 18, {A: only(person(18, 1, left), r(0, 18))}, "\n")
    out["S001C002P003R001A050"] = (
        "two persons, the second moves more and comes first; lines end in CR LF", 18,
        {A: only(person(18, 2, left, 0.1), r(0, 18)), B: only(person(18, 3, right, 0.4), r(0, 18))}, "\r\n")
    out["S001C003P001R002A010"] = (
        "an id of 5 frames is dropped; the actor left is unseen in frames 9 and 10, which the official code closes up: the "
        "last two frames are empty and cut", 20,
        {A: only(person(20, 4, left), [*r(0, 9), *r(11, 20)]), B: only(person(20, 5, right, 0.5), r(8, 13))}, "\n")
    out["S002C001P003R001A020"] = (
        "an id whose posture is implausible in every frame is dropped", 16,
        {A: only(person(16, 6, left), r(0, 16)), B: only(wide(16, 7, right), r(0, 16))}, "\n")
    mixed = person(20, 9, right, 0.1)
    mixed[:10] = wide(20, 10, (2.6, 0.3, 4.5))[:10]
    out["S002C002P008R001A055"] = (
        "implausible in half of its frames, elsewhere: kept, its motion is lowered, which makes it second", 20,
        {A: only(person(20, 8, left, 0.3), r(0, 20)), B: only(mixed, r(0, 20))}, "\n")
    out["S002C003P001R001A003"] = (
        "no body in frames 0, 7 and 8: these frames are dropped", 17,
        {A: only(person(17, 11, left), [f for f in r(0, 17) if f not in (0, 7, 8)])}, "\n")
    split = person(26, 12, left, 0.3)
    out["S003C001P002R001A060"] = (
        "one person under two ids, the second begins in the last frame of the first (one shared frame is no overlap: "
        "the later id overwrites it), beside another", 26,
        {A: only(split, r(0, 13)), B: only(split, r(12, 26)), C: only(person(26, 13, right, 0.05), r(0, 26))}, "\n")
    late = person(24, 14, left, 0.5)
    out["S004C002P006R001A052"] = (
        "actor 1 appears late (the origin is its first frame) and vanishes for two frames (the official code moves its "
        "later frames forward), a third id overlaps both and is dropped", 24,
        {A: only(person(24, 15, right, 0.3), r(0, 24)), B: only(late, [*r(3, 14), *r(16, 22)]),
         C: only(person(24, 16, far, 0.05), r(4, 18))}, "\n")
    out["S005C001P004R001A058"] = (
        "an id of 11 frames is dropped, ids of 12 are kept; the first of these lies before the other and would fit into "
        "actor 2, but the official code lets actor 2 begin at frame 0 and drops it", 25,
        {A: only(person(25, 17, left, 0.5), r(0, 25)), B: only(person(25, 18, right, 0.3), r(13, 25)),
         C: only(person(25, 19, right, 0.05), r(0, 12)), D: only(person(25, 20, far, 0.1), r(7, 18))}, "\n")
    return out


def short(v):
    v = f"{v:.4f}".rstrip("0").rstrip(".")
    return "0" if v in ("-0", "") else v


def text(frames, bodies, end):
    """The recording as a .skeleton file."""
    lines = [str(frames)]
    for f in range(frames):
        here = [(i, b[f]) for i, b in bodies.items() if f in b]
        lines.append(str(len(here)))
        for i, joints in here:
            lines += [f"{i} 0 1 1 1 1 0 {short(0.01 * (f % 7) - 0.02)} -0.1146 2", "25"]
            for j, (x, y, z) in enumerate(joints.tolist()):
                u, v = 365 * x / z, -365 * y / z
                depth = f"{round(256 + u)} {round(212 + v)}"
                colour = f"{round(960 + 2.9 * u)} {round(540 + 2.9 * v)}"
                tracked = 1 if j in (15, 19) else 2
                lines.append(f"{short(x)} {short(y)} {short(z)} {depth} {colour} 0 0 0 0 {tracked}")
    return end.join(lines) + end


def old_numpy():
    """Names that NumPy has dropped and the official scripts use."""
    np.int = int
    np.string_ = np.bytes_


def clear_logs():
    for logger in logging.root.manager.loggerDict.values():
        for h in list(getattr(logger, "handlers", ())):
            h.close()
            logger.removeHandler(h)


def main():
    args = arguments(__doc__).parse_args()
    mamp = os.path.abspath(args.mamp)
    out_folder = os.path.abspath(args.out)
    use_mamp(mamp)
    old_numpy()
    kinds = scenes()
    names = sorted(kinds)
    folder = os.path.join(out_folder, "skeletons")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    number = {k: [int(n[i:i + 3]) for n in names] for k, i in dict(setup=1, camera=5, performer=9, replication=13, label=17).items()}

    out, size = {}, 0
    with tempfile.TemporaryDirectory() as tmp:
        raw = os.path.join(tmp, "nturgbd_raw", "nturgb+d_skeletons")
        work = os.path.join(tmp, "ntu")
        os.makedirs(raw)
        os.makedirs(os.path.join(work, "statistics"))
        for n in names:
            _, frames, bodies, end = kinds[n]
            data = text(frames, bodies, end).encode()
            with open(os.path.join(raw, n + ".skeleton"), "wb") as f:
                f.write(data)
            path = os.path.join(folder, n + ".skeleton.gz")
            with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
                z.write(data)
            size += os.path.getsize(path)
        print(len(names), "recordings,", size, "bytes compressed")
        with open(os.path.join(work, "statistics", "skes_available_name.txt"), "w") as f:
            f.write("\n".join(names) + "\n")
        for key, values in number.items():
            np.savetxt(os.path.join(work, "statistics", key + ".txt"), values, fmt="%d")

        back = os.getcwd()
        os.chdir(work)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                for script in ("get_raw_skes_data", "get_raw_denoised_data"):
                    runpy.run_path(os.path.join(mamp, "data", "ntu", script + ".py"), run_name="__main__")
                    clear_logs()
                with open("denoised_data/raw_denoised_joints.pkl", "rb") as f:
                    denoised = pickle.load(f)
                with open("raw_data/frames_drop_skes.pkl", "rb") as f:
                    dropped = {k: v.tolist() for k, v in pickle.load(f).items()}
                frames = np.loadtxt("denoised_data/frames_cnt.txt", dtype=int)
                stage = {}
                for which in ("ntu", "ntu120"):
                    path = os.path.join(mamp, "data", which, "seq_transformation.py")
                    stage[which] = runpy.run_path(path, run_name="reference")
                    runpy.run_path(path, run_name="__main__")
            actors = {n: open(f"denoised_data/actors_info/{n}.txt").read() for n in names
                      if os.path.exists(f"denoised_data/actors_info/{n}.txt")}
            joints = stage["ntu"]["seq_translation"]([d.copy() for d in denoised])
            for n, before, after in zip(names, denoised, joints):
                out[f"{n}.joints"] = torch.from_numpy(after)
                if before.shape[1] == 150:
                    out[f"{n}.denoised"] = torch.from_numpy(before)
            out["align.frames"] = torch.from_numpy(frames)
            # What the written archives hold is the padded form of that.
            for which, archive, parts in (("ntu", "NTU60", ("XSub", "XView")), ("ntu120", "NTU120", ("XSub", "XSet"))):
                aligned = stage[which]["align_frames"](joints, frames)
                assert aligned.shape == (len(names), frames.max(), 150)
                for i, j in enumerate(joints):
                    if j.shape[1] == 75:
                        second = np.zeros_like(j) if which == "ntu" else j
                        assert (aligned[i, :len(j), 75:] == second).all()
                for part in parts:
                    other = "camera" if which == "ntu" else "setup"
                    train, test = stage[which]["get_indices"](np.array(number["performer"]), np.array(number[other]), part)
                    key = part.lower() + ("120" if (which, part) == ("ntu120", "XSub") else "")
                    out[f"split.{key}.train"], out[f"split.{key}.test"] = (torch.from_numpy(i.astype(np.int64))
                                                                           for i in (train, test))
                    z = np.load(f"{archive}_{part}.npz")
                    assert (z["x_train"] == aligned[train]).all() and (z["x_test"] == aligned[test]).all()
                    assert (z["y_train"].argmax(1) == np.array(number["label"])[train] - 1).all()
            out["label"] = torch.tensor(number["label"]) - 1

            from feeder.feeder_ntu import Feeder
            chosen = next(i for i in out["split.xsub.train"].tolist() if joints[i].shape[1] == 150)
            row = out["split.xsub.train"].tolist().index(chosen)
            for key, bone, vel in (("joint", False, False), ("bone", True, False), ("motion", False, True), ("both", True, True)):
                feeder = Feeder("NTU60_XSub.npz", split="train", p_interval=[0.95], window_size=16, bone=bone, vel=vel)
                out[f"feeder.{key}"] = torch.as_tensor(feeder[row][0])
        finally:
            clear_logs()
            os.chdir(back)
    for n in names:
        print(n, kinds[n][1], "->", tuple(out[f"{n}.joints"].shape), kinds[n][0])
    write(out_folder, "ntu.safetensors", out,
          dict(names=names, scenes={n: kinds[n][0] for n in names}, frames_dropped=dropped, actors=actors, feeder=names[chosen]))


if __name__ == "__main__":
    main()
