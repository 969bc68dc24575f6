"""Deletion and insertion curves of the kit's checkpoint on the fold of ESC-10 it never heard.

    python tools/attention_evidence.py --data DIR [--segments 0] [--fills mean,quiet] [--out CSV]

Writes results/attention/esc10.csv, a row per clip, fill and order: the areas and both curves,
means over the clip's segments; and beside it esc10.json, which says how it was made.
"""

import argparse
import hashlib
import json
import platform
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from acrnn_lib import audio, datasets, explain, predict, results
from acrnn_lib.crossval import git_state
from acrnn_lib.progress import bar

CHECKPOINT, SEED, STEPS = files("acrnn_lib") / "data" / "acrnn.safetensors", 0, 7


def rows_of(predictor, clip, fills, per_clip):
    """A dict per fill and order of one clip, curves averaged over its segments."""
    wave = audio.read(clip.path, seconds=predictor.config.clip_seconds)
    x, starts, static = explain.segments_of(predictor, wave)
    if per_clip and len(starts) > per_clip:  # which ones, the clip's name decides, not its sound
        seed = np.random.SeedSequence([SEED, *clip.clip_id.encode()])
        chosen = np.sort(np.random.default_rng(seed).permutation(len(starts))[:per_clip])
        x, starts = x[chosen], starts[chosen]
    with torch.inference_mode():
        weights = predictor.model(x, return_attention=True)[1].double().numpy()
    energy = explain.step_energy(static, starts, STEPS, predictor.config)
    for fill in fills:
        filling = None
        if fill == "quiet":
            normal = (predictor.front_end(torch.from_numpy(wave)[None]) - predictor.mean
                      ) / predictor.std
            filling = explain.quiet_frame(normal[0])
        chances = explain.subset_chances(predictor.model, x, clip.target, filling, STEPS)
        found = explain.occlusion(chances, attention=weights, energy=energy,
                                  effect=explain.single_effects(chances))
        for order, both in found.items():
            deletion, insertion = (curve.mean(axis=0) for curve in both)
            yield {"fill": fill, "clip_id": clip.clip_id, "target": clip.target,
                   "segments": len(x), "order": order, "deletion": explain.area(deletion),
                   "insertion": explain.area(insertion),
                   **{f"d{k}": value for k, value in enumerate(deletion)},
                   **{f"i{k}": value for k, value in enumerate(insertion)}}


def main(data, out, fills, per_clip, limit):
    started, note = time.time(), predict.load_model(CHECKPOINT)[-1]
    predictor = predict.Predictor(CHECKPOINT)
    predictor.model.to(memory_format=torch.channels_last)  # a third faster here
    table = datasets.load("esc10", data)
    if datasets.class_names(table) != note["classes"]:
        raise SystemExit("the checkpoint names other classes than this data set")
    clips = list(table[table.fold == note["fold"]].itertuples())[:limit]
    rows = [row for clip in bar(clips, label="clips", total=len(clips), unit="clip")
            for row in rows_of(predictor, clip, fills, per_clip)]
    content = pd.DataFrame(rows).sort_values(["fill", "clip_id", "order"]).to_csv(
        index=False, float_format="%.5f", lineterminator="\n").encode()
    results.write_bytes(out, content)
    manifest = {
        "dataset": "esc10", "data_hash": datasets.data_hash(table), "clips": len(clips),
        "fold": note["fold"], "seed": note["seed"], "experiment": note["experiment"]["name"],
        "profile": note["experiment"]["profile"], "classes": note["classes"],
        "checkpoint_sha256": hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest(),
        "segments_per_clip": per_clip or "all", "fills": fills, "quiet_share": explain.QUIET,
        **git_state(), "wall_seconds": round(time.time() - started),
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "numpy": np.__version__},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    results.write_bytes(out.with_suffix(".json"), (json.dumps(manifest, indent=1) + "\n").encode())
    print(f"{out}: {len(rows)} rows, {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of ESC-10, or one that holds it by name")
    parser.add_argument("--out", type=Path, default=Path("results/attention/esc10.csv"))
    parser.add_argument("--fills", default="mean,quiet", help="what stands in for hidden frames")
    parser.add_argument("--segments", type=int, default=0, help="per clip; 0: all audible ones")
    parser.add_argument("--limit", type=int, help="only so many clips, for a first look")
    chosen = parser.parse_args()
    main(chosen.data, chosen.out, chosen.fills.split(","), chosen.segments, chosen.limit)
