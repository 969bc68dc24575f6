"""What ESC-10 says about a network's attention, asked on the folds that it never heard.

    python tools/attention_evidence.py NAME [--checkpoint FILE ...] [--data DIR] [--segments 1]

Writes results/attention/NAME.csv, a row per clip, filling and order of hiding: the areas and both
curves, means over the clip's segments; NAME-sound.csv, a row per clip and mask: what the attended
sound holds; and NAME.json, which says how they were made. A checkpoint answers for the clips of its
own fold; without one, the network that comes with the kit is asked.
"""

import argparse
import hashlib
import json
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from acrnn_lib import inference
from acrnn_lib.attention import audible, explain
from acrnn_lib.data import audio, datasets
from acrnn_lib.features.frontend import normalise
from acrnn_lib.files import write_bytes
from acrnn_lib.progress import bar
from acrnn_lib.training.crossval import git_state

OUT, SEED = Path("results/attention"), 0


def curves_of(predictor, clip, wave, habit, fills, per_clip):
    """A dict per fill and order of one clip, curves averaged over its segments."""
    x, starts, static = explain.segments_of(predictor, wave)
    if per_clip and len(starts) > per_clip:  # which ones, the clip's name decides, not its sound
        seed = np.random.SeedSequence([SEED, *clip.clip_id.encode()])
        chosen = np.sort(np.random.default_rng(seed).permutation(len(starts))[:per_clip])
        x, starts = x[chosen], starts[chosen]
    with torch.inference_mode():
        weights = predictor.model(x, return_attention=True)[1].double().numpy()
    energy = explain.step_energy(static, starts, len(habit), predictor.config)
    for fill in fills:
        filling = None
        if fill == "quiet":
            normal = normalise(predictor.front_end(torch.from_numpy(wave)[None]), predictor.mean,
                               predictor.std)
            filling = explain.quiet_frame(normal[0], static, config=predictor.config)
        chances = explain.subset_chances(predictor.model, x, clip.target, filling, len(habit))
        found = explain.occlusion(
            chances, attention=weights, energy=energy, habit=np.tile(habit, (len(x), 1)),
            effect=explain.single_effects(chances))
        for order, both in found.items():
            deletion, insertion = (curve.mean(axis=0) for curve in both)
            yield {"fill": fill, "clip_id": clip.clip_id, "target": clip.target,
                   "segments": len(x), "order": order, "deletion": explain.area(deletion),
                   "insertion": explain.area(insertion),
                   **{f"d{k}": value for k, value in enumerate(deletion)},
                   **{f"i{k}": value for k, value in enumerate(insertion)}}


def habits(predictor, clips, waves):
    """For each clip the network's mean weights over the clips of all *other* recordings."""
    means = []
    for wave in waves:
        _, weights, at = predictor.wave(wave)
        means.append(weights[np.isin(at, explain.segments_of(predictor, wave)[1])].mean(axis=0))
    sources = np.array([clip.source for clip in clips])
    return [np.mean([mean for mean, other in zip(means, sources, strict=True)
                     if other != source], axis=0) for source in sources]


def networks(checkpoints):
    """(note, Predictor) of each; SystemExit unless they are one experiment on different folds."""
    notes = [inference.load_model(path)[-1] for path in checkpoints]
    made = {(note["experiment"]["name"], note["experiment"]["profile"], note["seed"])
            for note in notes}
    folds = [note["fold"] for note in notes]
    if len(made) > 1 or len(set(folds)) < len(folds):
        raise SystemExit(f"--checkpoint: found {sorted(made)} on folds {folds}, expected one "
                         "experiment, profile and seed, each fold once")
    for note, path in zip(notes, checkpoints, strict=True):
        predictor = inference.Predictor(path)
        predictor.model.to(memory_format=torch.channels_last)  # a third faster on CPUs
        yield note, predictor


def main(name, checkpoints, data, fills, per_clip, limit):
    started, table, rows, sounds, notes = time.time(), datasets.load("esc10", data), [], [], []
    for note, predictor in networks(checkpoints):
        if datasets.class_names(table) != note["classes"]:
            raise SystemExit("a checkpoint names other classes than this data set")
        clips = list(table[table.fold == note["fold"]].itertuples())[:limit]
        notes.append(note)
        waves = [audio.read(clip.path, seconds=predictor.config.clip_seconds) for clip in clips]
        known = zip(clips, waves, habits(predictor, clips, waves), strict=True)
        for clip, wave, habit in bar(known, label=f"fold {note['fold']}", total=len(clips),
                                     unit="clip"):
            rows += curves_of(predictor, clip, wave, habit, fills, per_clip)
            sounds += [{"clip_id": clip.clip_id, "target": clip.target, **row}
                       for row in audible.account(predictor, wave, clip.target, habit)]
    contents = {f"{name}.csv": (rows, ["fill", "clip_id", "order"]),
                f"{name}-sound.csv": (sounds, ["clip_id", "mask"])}
    for file, (found, keys) in contents.items():
        contents[file] = pd.DataFrame(found).sort_values(keys).to_csv(
            index=False, float_format="%.5f", lineterminator="\n").encode()
        write_bytes(OUT / file, contents[file])
    made = notes[0]["experiment"]
    manifest = {
        "dataset": "esc10", "data_hash": datasets.data_hash(table),
        "clips": len({row["clip_id"] for row in rows}), "experiment": made["name"],
        "profile": made["profile"], "seed": notes[0]["seed"], "classes": notes[0]["classes"],
        "folds": [note["fold"] for note in notes],
        "checkpoint_sha256": [hashlib.sha256(path.read_bytes()).hexdigest()
                              for path in checkpoints],
        "segments_per_clip": per_clip or "all", "fills": fills, "quiet_share": explain.QUIET,
        **git_state(), "wall_seconds": round(time.time() - started),
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "numpy": np.__version__},
        "sha256": {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
    }
    write_bytes(OUT / f"{name}.json", (json.dumps(manifest, indent=1) + "\n").encode())
    print(f"{OUT / name}: {len(rows)} curves, {len(sounds)} sounds")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="what the files are called, such as acrnn")
    parser.add_argument("--checkpoint", type=Path, nargs="+", metavar="FILE",
                        default=[inference.DATA / "acrnn.safetensors"])
    parser.add_argument("--data", help="folder of ESC-10, or one that holds it by name")
    parser.add_argument("--fills", default="mean,quiet", help="what stands in for hidden frames")
    parser.add_argument("--segments", type=int, default=1, help="per clip; 0: all audible ones")
    parser.add_argument("--limit", type=int, help="only so many clips a fold, for a first look")
    chosen = parser.parse_args()
    main(chosen.name, chosen.checkpoint, chosen.data, chosen.fills.split(","), chosen.segments,
         chosen.limit)
