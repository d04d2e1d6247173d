"""Frame numbers that V-JEPA's reader asks for: python sampling.py PATH_TO_JEPA_CHECKOUT > sampling.json

Runs `VideoDataset.loadvideo_decord` (facebookresearch/jepa 51c59d5) on a stand-in for the video reader that has a length
and no pixels. Random starts are recorded with the numbers that made them.
"""

import json
import os
import sys
import types

import numpy as np

COUNTS = [1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 66, 99, 128, 129, 300, 513]
SETTINGS = [(16, 4, 1), (16, 2, 1), (16, 4, 2), (16, 4, 8), (8, 8, 3), (32, 1, 2), (1, 4, 1), (16, 7, 1)]


class Frames:
    def __init__(self, indices):
        self.indices = [int(i) for i in indices]

    def asnumpy(self):
        return self.indices


class Reader:
    length = 0

    def __init__(self, *args, **kwargs):
        pass

    def __len__(self):
        return self.length

    def seek(self, at):
        pass

    def get_batch(self, indices):
        return Frames(indices)


def main(checkout):
    for name in ["decord", "pandas", "torchvision", "torch"]:
        sys.modules[name] = types.ModuleType(name)
    sys.modules["decord"].VideoReader, sys.modules["decord"].cpu = Reader, lambda n: n
    sys.modules["torchvision"].datasets = types.SimpleNamespace()
    sys.modules["torch"].utils = types.SimpleNamespace(data=types.SimpleNamespace(Dataset=object))
    for name in ["src", "src.datasets", "src.datasets.utils", "src.datasets.utils.weighted_sampler"]:
        sys.modules[name] = types.ModuleType(name)
    sys.modules["src.datasets.utils.weighted_sampler"].DistributedWeightedSampler = object
    source = open(os.path.join(checkout, "src/datasets/video_dataset.py")).read()
    source = source.replace("torch.utils.data.Dataset", "object")
    module = {"__name__": "video_dataset"}
    exec(compile(source, "video_dataset.py", "exec"), module)
    cases = []
    for frames, step, segments in SETTINGS:
        for count in COUNTS:
            for overlap in [False, True]:
                for seed in [None, 0]:
                    if count < segments or (overlap and segments == 1 and count > frames * step):
                        continue
                    dataset = object.__new__(module["VideoDataset"])
                    vars(dataset).update(
                        frames_per_clip=frames, frame_step=step, num_clips=segments, duration=None,
                        random_clip_sampling=seed is not None, allow_clip_overlap=overlap,
                        filter_short_videos=False, filter_long_videos=10**9,
                    )
                    Reader.length = count
                    ends = []
                    draw = np.random.RandomState(0).randint

                    def randint(low, high):
                        ends.append(int(draw(low, high)))
                        return ends[-1]

                    np.random.randint = randint
                    try:
                        indices, _ = dataset.loadvideo_decord(os.path.join(checkout, "src/datasets/video_dataset.py"))
                    except Exception:
                        continue
                    if seed is not None and not ends:
                        continue
                    starts = [end - frames * step for end in ends]
                    cases.append([frames, step, segments, overlap, count, starts, indices])
    print(json.dumps(cases, separators=(",", ":")).replace("],[", "],\n["))


if __name__ == "__main__":
    main(sys.argv[1])
