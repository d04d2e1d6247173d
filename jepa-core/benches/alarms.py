#!/usr/bin/env python3
"""Alarms against collapse: each tool switched off in turn, and the same variants as they are.

    cargo build --package xtask
    python3 jepa-core/benches/alarms.py target/debug/xtask OUT

Trains every configuration below for 200 steps from several seeds, reads the runs' own logs, and writes OUT/alarms.md and
OUT/alarms.jsonl. A run counts as collapsed when, at its end, the mean standard deviation of its embeddings is below a
fifth of what it was after the first step, or fewer than 1.5 directions are left (RankMe).
"""

import json
import pathlib
import subprocess
import sys

STEPS = 200
INVARIANCE = 'objective.regularisers=[{weight=25.0,on="predicted",term={kind="invariance"}}]'
BARE = ["objective.regularisers=[]", 'objective.distance={kind="l2"}']
SHARED = ["target=shared"]

# variant, what is off, settings, seeds
OFF = [
    ("i-jepa", "EMA and stopped gradient", SHARED, 4),
    ("c-jepa", "EMA, stopped gradient, VICReg", SHARED + ["objective.regularisers=[]"], 4),
    ("v-jepa", "EMA and stopped gradient", SHARED, 4),
    ("v-jepa-2", "EMA and stopped gradient", SHARED, 4),
    ("point-jepa", "EMA and stopped gradient", SHARED, 4),
    ("vicreg", "variance and covariance", [INVARIANCE], 1),
    ("barlow-twins", "decorrelation: pulled together alone", [INVARIANCE], 1),
    ("lejepa", "SIGReg", BARE, 1),
    ("simclr", "negatives: pulled together alone", [INVARIANCE], 1),
    ("byol", "EMA and stopped gradient", SHARED, 1),
]
HEALTHY = ["i-jepa", "c-jepa", "v-jepa", "v-jepa-2", "point-jepa", "s-jepa", "vicreg", "barlow-twins", "lejepa", "simclr"]


def run(xtask, out, variant, settings, seed):
    command = [xtask, "train", variant, "--preset", "tiny", "--device", "cpu", "--steps", str(STEPS)]
    command += ["--seed", str(seed), "--out", str(out)]
    quick = ["run.diagnose_every=20", "probe.max_train=200", "probe.max_test=100"]
    for setting in quick + settings:
        command += ["--set", setting]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{ended.stderr[-2000:]}")
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    figures = [event["figures"] for event in events if event["kind"] == "collapse"]
    alarms = [event for event in events if event["kind"] == "alarm"]
    first, last = figures[0], figures[-1]
    return {
        "variant": variant,
        "seed": seed,
        "std": [first["std"], last["std"]],
        "rank_me": [first["rank_me"], last["rank_me"]],
        "collapsed": last["std"] < 0.2 * first["std"] or last["rank_me"] < 1.5,
        "alarm": alarms[0]["step"] if alarms else None,
        "said": alarms[0]["alarm"] if alarms else None,
    }


def main():
    xtask, out = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for group, cases in [("off", OFF), ("healthy", [(variant, "nothing", [], 2) for variant in HEALTHY])]:
        for variant, off, settings, seeds in cases:
            for seed in range(seeds):
                row = {"group": group, "off": off} | run(xtask, out / f"{group}-{variant}-{seed}", variant, settings, seed)
                rows.append(row)
                print(json.dumps(row), flush=True)
    (out / "alarms.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    head = "| variant | switched off | seed | std first to last | RankMe first to last | collapsed | alarm after step |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in rows:
        std, rank = (f"{row[key][0]:.3g} to {row[key][1]:.3g}" for key in ("std", "rank_me"))
        collapsed, alarm = "yes" if row["collapsed"] else "no", row["alarm"] or "none"
        lines.append(f"| `{row['variant']}` | {row['off']} | {row['seed']} | {std} | {rank} | {collapsed} | {alarm} |")
    fallen = [row for row in rows if row["collapsed"]]
    heard = sum(row["alarm"] is not None for row in fallen)
    sound = [row for row in rows if row["group"] == "healthy" and not row["collapsed"]]
    false = sum(row["alarm"] is not None for row in sound)
    lines += ["", f"{heard} of {len(fallen)} collapsed runs raised the alarm; {false} of {len(sound)} healthy ones did."]
    (out / "alarms.md").write_text("\n".join(lines) + "\n")
    print(lines[-1])


if __name__ == "__main__":
    main()
