"""Does attention point better if it covers the whole clip? Deletion curves and known events.

    python tools/clip_attention.py NAME RUN... [--data DIR] [--clips 4]

NAME stands for the networks of the runs: they must be one experiment, on different folds. Each
answers for clips that it was not trained on: of ESC-10 the first so many of each class, of the
generated set all of its fold, whose events are known. Rows of the same name and data set in
results/whole-clip/clips.csv are replaced.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from acrnn_lib import inference
from acrnn_lib.attention import clips, explain
from acrnn_lib.data import audio, datasets, synth
from acrnn_lib.evaluation import metrics
from acrnn_lib.files import write_bytes
from acrnn_lib.progress import bar
from acrnn_lib.training.crossval import git_state

OUT = Path("results/whole-clip/clips.csv")


def rows_of(name, run, data, count):
    """A row per clip and order: area and points of the deletion curve, AUC where events are known.

    The AUC is the probability that a block inside an event has a higher score than one outside.
    """
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    predictor = inference.Predictor(run / "model.safetensors")
    predictor.model.to(memory_format=torch.channels_last)
    table = datasets.load(manifest["dataset"], data)
    table = table[table.fold == manifest["fold"]]
    if known := manifest["dataset"] == "synth":
        sounds = {clip: synth.render(clip.clip_id) for clip in table.itertuples()}
    else:
        table = table.groupby("target").head(count)
        sounds = {clip: (audio.read(clip.path, seconds=predictor.config.clip_seconds), None)
                  for clip in table.itertuples()}
    for clip, (wave, events) in bar(sounds.items(), label=f"fold {manifest['fold']}",
                                    total=len(sounds), unit="clip"):
        seed = np.random.SeedSequence([0, *clip.clip_id.encode()])
        scores, curves = clips.deletion(predictor, wave, clip.target, np.random.default_rng(seed))
        n_frames = 1 + len(wave) // predictor.config.hop_length
        inside = known and clips.block_events(events, n_frames, predictor.config)
        for order, curve in curves.items():
            auc = (metrics.attention_auc(scores[order][None], inside[None]) if order in scores
                   and known and order != "effect" and 0 < inside.sum() < len(inside) else np.nan)
            yield {"network": name, "dataset": manifest["dataset"], "fold": manifest["fold"],
                   "clip_id": clip.clip_id, "source": clip.source, "target": clip.target,
                   "order": order, "auc": auc, "area": explain.area(curve),
                   **{f"d{k}": value for k, value in enumerate(curve)}}


def main(name, runs, data, count):
    notes = [json.loads((run / "manifest.json").read_text(encoding="utf-8")) for run in runs]
    made = {(note["dataset"], note["config_hash"], note["seed"], note.get("protocol"))
            for note in notes}
    if len(made) > 1 or len({note["fold"] for note in notes}) < len(notes):
        raise SystemExit(f"RUN: found {sorted(map(str, made))}, expected one experiment, seed and "
                         "protocol, each fold once")
    rows = pd.DataFrame([row for run in runs for row in rows_of(name, run, data, count)])
    if OUT.is_file():
        kept = pd.read_csv(OUT, dtype={"source": str})
        same = (kept.network == name) & (kept.dataset == notes[0]["dataset"])
        rows = pd.concat([kept[~same], rows])
    rows = rows.sort_values(["network", "dataset", "clip_id", "order"], kind="stable")
    content = rows.to_csv(index=False, float_format="%.4f", lineterminator="\n").encode()
    write_bytes(OUT, content)
    path = OUT.with_suffix(".json")
    about = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"made": {}}
    about["made"][f"{name}, {notes[0]['dataset']}"] = {
        "config": notes[0]["config"], "seed": notes[0]["seed"],
        "protocol": notes[0].get("protocol", "test"), "folds": [note["fold"] for note in notes],
        "checkpoint_sha256": [hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
                              for run in runs], **git_state(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__}}
    about["sha256"] = hashlib.sha256(content).hexdigest()
    write_bytes(path, (json.dumps(about, indent=1) + "\n").encode())
    print(f"{OUT}: {len(rows)} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", metavar="NAME", help="of the networks, such as segments")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder with weights")
    parser.add_argument("--data", help="folder of ESC-10, or one that holds it by name")
    parser.add_argument("--clips", type=int, default=4, help="of each class and fold of ESC-10")
    chosen = parser.parse_args()
    main(chosen.name, chosen.runs, chosen.data, chosen.clips)
