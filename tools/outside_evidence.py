"""How well out-of-distribution sounds are told from those of training, and the pretrained limits.

    python tools/outside_evidence.py scores [RUN...] --data DIR [--keep DIR]
    python tools/outside_evidence.py reference RUN... --data DIR
    python tools/outside_evidence.py limits --data DIR
    python tools/outside_evidence.py levels [RUN...] --data DIR
    python tools/outside_evidence.py card

All but `levels` hear clips as `predict` does: raised to the reference level. `scores` takes run
folders with weights. Each network scores the clips that it was not trained on:
those of its fold of ESC-10; and, for runs on the test folds, of the 16 kHz copy of all fifty
classes, and generated sounds; without runs, the pretrained model does. It adds rows to
results/ood/scores.csv: distance in multiples of the training clips' mean, energy, and highest
probability. `reference` takes runs on inner folds, and
writes results/ood/reference.csv: answers at the levels that soft recordings may be raised to; the
one with most of them right is taken, so it comes first. `limits` writes
acrnn_lib/assets/limits.safetensors for the pretrained model; the limit of the distance leaves
FALSE_ALARMS of the clips of the runs on inner folds above it, which no test fold is part of, and
whose recipe is that of the pretrained model.
`levels` classifies the clips of ESC-10 that a network was not trained on at lower levels, rounded
to 16 bits, as they are and with the limits, and writes results/ood/levels.csv; without runs, by the
pretrained model. `card` writes what was found into the model card.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from acrnn_lib import inference, trained
from acrnn_lib.data import audio, datasets, levels
from acrnn_lib.evaluation import calibration, outside
from acrnn_lib.features.frontend import level_db, normalise
from acrnn_lib.features.segments import audible_starts, network_input
from acrnn_lib.files import write_bytes

OUT, FALSE_ALARMS = Path("results/ood/scores.csv"), 0.05
INNER = {"lite": "inner", "paper": "inner, paper"}  # protocols of the rows of inner runs
EVERY = 3  # of the training segments, which overlap by half
RATE, CHANGES = audio.SAMPLE_RATE, (0, -10, -20, -40, -60)  # Hz; dB
REFERENCES = (0, -2, -4, -6, -8, -12)  # dB of full scale, to which recordings may be raised


MARK = "## Levels, sounds of other classes, calibration\n"
ABOUT_LIMITS = """
A recording whose loudest moment lies below {reference_dbfs:.0f} dB of full scale is raised to
it, with a note if it lies below {soft_dbfs:.0f} dB, where none of ESC-10 does; one below
{too_soft:.0f} dB, or without variation, gets no class. A sound audible for less than {shortest:.2f}
s, or farther than {farthest:.2f} times the mean distance of the training clips from the nearest
class (squared Mahalanobis, layer before the classifier), gets the note "unlike the training
sounds" beside its class. The second limit was chosen so that {alarms:.0%} of
{inner} clips lie above it, in networks of the same recipe that were trained on inner folds. Many
unknown sounds lie below it: see the shares in the last table. There the five networks, of the
profile lite, have a limit of their own from their inner folds. Recordings are ESC-10, and its
16 kHz, 8-bit copy with forty further classes (`results/ood`).

{rows}
"""


def raised(wave, reference):
    """The wave, raised to a level in dB of full scale if it lies below."""
    level = levels.Level()
    level.add(wave)
    return (wave * 10 ** (max(0.0, reference - level.dbfs) / 20)).astype(np.float32)


def softer(wave, change):
    """The wave by so many dB, rounded to 16 bits."""
    return (np.round(wave * 10 ** (change / 20) * 2**15) / 2**15).astype(np.float32)


def outputs(predictor, waves, every=1):
    """Logits, summaries (the classifier's input) and place of the clip of each audible segment."""
    found = []
    for place, wave in enumerate(waves):
        wave = audio.fit(wave, round(predictor.config.clip_seconds * RATE))
        static = predictor.front_end.static(torch.from_numpy(wave)[None])[0]
        starts = audible_starts(static, predictor.config)[::every]
        x = normalise(network_input(static, starts, predictor.config), predictor.mean,
                      predictor.std)
        logits, _, summaries = trained.outputs(x, predictor.model)
        found.append((logits, summaries, np.full(len(starts), place)))
    return [np.concatenate(part) for part in zip(*found, strict=True)]


def kept(folder, predictor, name, waves, every=1):
    """`outputs`, from a file of an earlier call where there is one."""
    made = hashlib.sha256(Path(predictor.path).read_bytes()).hexdigest()[:12]
    path = folder and folder / f"{made}-{name}.npz"
    if path and path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return [stored[part] for part in ("logits", "summaries", "clip")]
    found = outputs(predictor, waves(), every)
    if path:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **dict(zip(("logits", "summaries", "clip"), found, strict=True)))
    return found


def heard(sounds):
    """Waves of files or arrays as `predict` hears them."""
    reference = best_reference()
    for sound in sounds:
        yield raised(sound if isinstance(sound, np.ndarray) else audio.read(sound), reference)


def fitted(predictor, folds, data, keep):
    """Centres of the network's training clips of ESC-10, and their mean distance from them."""
    table = datasets.load("esc10", data)
    table = table[table.fold.isin(folds)]
    _, summaries, clip = kept(keep, predictor, "train", lambda: heard(table.path), EVERY)
    centres = outside.Centres.of(summaries, table.target.to_numpy()[clip])
    return centres, pd.Series(centres.distance(summaries)).groupby(clip).mean().mean()


def generated():
    """(name, wave) of forty sounds made by formulas, five of a kind."""
    t, rng = np.arange(5 * RATE) / RATE, np.random.default_rng(0)
    for k in range(5):
        pitch = 110 * 2.0**k
        colour = np.fft.irfft(np.fft.rfft(rng.standard_normal(len(t)))
                              * np.fft.rfftfreq(len(t), 1 / RATE).clip(20) ** (0.5 * k - 1))
        steps = rng.choice([262, 294, 330, 392, 440], 20)[np.minimum((t * 4).astype(int), 19)]
        yield f"tone-{k}", np.sin(2 * np.pi * pitch * t)
        yield f"noise-{k}", colour / np.abs(colour).max()
        yield f"beeps-{k}", np.sin(2 * np.pi * 1000 * t) * (t * (k + 1) % 1 < 0.2)
        yield f"hum-{k}", np.sign(np.sin(2 * np.pi * (50 + 10 * k) * t))
        yield f"sweep-{k}", np.sin(2 * np.pi * (200 + 100 * (k + 1) * t) * t)
        yield f"chord-{k}", sum(np.sin(2 * np.pi * pitch * f * t) for f in (1, 1.25, 1.5)) / 3
        yield f"clicks-{k}", np.where(t * 2**k % 4 < 0.002, 1.0, 0.0)
        yield f"melody-{k}", np.sin(2 * np.pi * np.cumsum(steps * (k + 1)) / RATE)


def rows_of(table, found, centres, mean):
    """Scores by clip of what `outputs` found."""
    logits, summaries, clip = found
    segments = pd.DataFrame({"distance": centres.distance(summaries) / mean,
                             "energy": outside.energy(logits)}).groupby(clip).mean()
    segments["probability"] = pd.DataFrame(softmax(logits, axis=1)).groupby(clip).mean().max(axis=1)
    return table[["clip_id", "source", "category"]].reset_index(drop=True).join(segments)


def scores(runs, data, keep):
    found = [pd.read_csv(OUT, dtype={"source": str})] if OUT.is_file() else []
    esc10, fifty = (datasets.load(name, data) for name in ("esc10", "esc50-16k"))
    for run in runs or [None]:
        predictor = inference.Predictor(run and Path(run) / "model.safetensors")
        predictor.model.to(memory_format=torch.channels_last)
        fold, protocol = inference.load_model(predictor.path)[-1]["fold"], "pretrained"
        made = predictor.limits.centres, predictor.limits.mean_distance
        if run:
            manifest = json.loads((Path(run) / "manifest.json").read_text(encoding="utf-8"))
            protocol = INNER[manifest["profile"]] if manifest["protocol"] == "inner" else "test"
            made = fitted(predictor, manifest["train_folds"], data, keep)

        def of(name, table, predictor=predictor, made=made):
            return rows_of(table, kept(keep, predictor, name, lambda: heard(table.path)), *made)

        parts = {"esc10": of("esc10", esc10[esc10.fold == fold])}
        if protocol not in INNER.values():
            copy = of("esc50-16k", fifty[fifty.fold == fold])
            known = copy.clip_id.isin(esc10.clip_id)
            parts |= {"esc10-16k": copy[known], "other-16k": copy[~known]}
            sounds = [pair for k, pair in enumerate(generated()) if k % 5 + 1 == fold]
            table = pd.DataFrame({"clip_id": [name for name, _ in sounds]})
            table = table.assign(source=table.clip_id, category=table.clip_id.str[:-2],
                                 path=[(0.3 * wave).astype(np.float32) for _, wave in sounds])
            logits = kept(keep, predictor, "generated", lambda table=table: heard(table.path))
            parts["generated"] = rows_of(table, logits, *made)
        for kind, rows in parts.items():
            found.append(rows.assign(protocol=protocol, fold=fold, kind=kind))
            print(f"{run}: {kind}, {len(rows)} clips", flush=True)
    table = pd.concat(found).drop_duplicates(["protocol", "kind", "clip_id"], keep="last")
    columns = ["protocol", "kind", "fold", "clip_id", "source", "category", "distance", "energy",
               "probability"]
    table = table[columns].sort_values(columns[:4])
    write_bytes(OUT, table.to_csv(index=False, float_format="%.4f", lineterminator="\n").encode())


def limits(data):
    least = outside.limit(pd.read_csv(OUT), INNER["paper"], FALSE_ALARMS)
    predictor = inference.Predictor()
    note = inference.load_model(predictor.path)[-1]
    clips = datasets.load("esc10", data)
    known, peaks, audible = clips.fold != note["fold"], [], []
    for path in clips.path:
        level, wave = levels.Level(), audio.read(path)
        level.add(wave)
        loud = level_db(predictor.front_end.static(torch.from_numpy(wave)[None])[0])
        peaks.append(level.dbfs)
        audible.append(float((loud > loud.max() - predictor.config.silence_db).sum()))
    peaks, audible = np.array(peaks), np.array(audible)
    centres, mean = fitted(predictor, sorted(set(clips.fold[known])), data, None)
    found = outside.Limits(
        soft_dbfs=float(np.floor(peaks.min())),  # of all clips, which get no note
        reference_dbfs=best_reference(),
        shortest=audible[known].min() * predictor.config.hop_length / RATE,
        farthest=float(least), mean_distance=float(mean), centres=centres)
    path = found.save(Path(predictor.path))
    numbers = {name: getattr(found, name) for name in outside.NUMBERS}
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB, {numbers}")


def at_levels(runs, data):
    path, table, rows = OUT.with_name("levels.csv"), datasets.load("esc10", data), []
    shipped = inference.Predictor()
    for run in runs or [None]:
        predictor = inference.Predictor(run and Path(run) / "model.safetensors")
        predictor.model.to(memory_format=torch.channels_last)
        network = "fold" if run else "pretrained"
        fold = inference.load_model(predictor.path)[-1]["fold"]
        for clip in table[table.fold == fold].itertuples():
            wave = audio.read(clip.path)
            for change in CHANGES:
                soft = softer(wave, change) if change else wave
                for lift in (False, True)[bool(run):]:
                    predictor.limits = outside.Limits(
                        reference_dbfs=shipped.limits.reference_dbfs if lift else -np.inf)
                    found = predictor.predict(soft).probabilities
                    rows.append([network, fold, clip.clip_id, clip.source, clip.target, change,
                                 int(lift), -1 if found is None else int(found.argmax())])
        print(f"{predictor.path}: done", flush=True)
    found = [pd.read_csv(path, dtype={"source": str})] if path.is_file() else []
    columns = ["network", "fold", "clip_id", "source", "target", "change", "raised", "predicted"]
    found = pd.concat([*found, pd.DataFrame(rows, columns=columns)]).drop_duplicates(
        columns[:3] + columns[5:7], keep="last").sort_values(columns[:3] + columns[5:7])
    write_bytes(path, found.to_csv(index=False, lineterminator="\n").encode())


def references(runs, data):
    """Accuracy at each reference level of recordings that are 40 dB softer, on inner folds."""
    table, rows = datasets.load("esc10", data), []
    for run in map(Path, runs):
        predictor = inference.Predictor(run / "model.safetensors")
        predictor.model.to(memory_format=torch.channels_last)
        clips = table[table.fold == inference.load_model(predictor.path)[-1]["fold"]]
        for reference in REFERENCES:
            logits, _, clip = outputs(predictor, (
                raised(softer(audio.read(path), -40), reference) for path in clips.path), every=2)
            named = pd.DataFrame(softmax(logits, axis=1)).groupby(clip).mean().idxmax(axis=1)
            rows.append(clips[["fold", "clip_id", "target"]].assign(
                reference=reference, predicted=named.to_numpy()))
        print(f"{run}: done", flush=True)
    write_bytes(OUT.with_name("reference.csv"), pd.concat(rows).sort_values(
        ["fold", "clip_id", "reference"]).to_csv(index=False, lineterminator="\n").encode())


def best_reference():
    found = pd.read_csv(OUT.with_name("reference.csv"))
    return float((found.predicted == found.target).groupby(found.reference).mean().idxmax())


def card(table, soft, limits):
    """Markdown rows of the model card: levels, out-of-distribution sounds, limits."""
    right = soft.assign(right=soft.predicted == soft.target)
    steps = [f"{change} dB" for change in CHANGES]

    def accuracy(network, raised):
        rows = right[(right.network == network) & (right.raised == raised)]
        return {change: clips.right for change, clips in rows.groupby("change")}

    def row(head, found):
        cells = [f"{found[c].mean():.1%}" if c in found else "" for c in CHANGES]
        return f"| {head} | {' | '.join(cells)} |"

    lines = [f"| accuracy, recordings softer by | {' | '.join(steps)} |".replace("-", ""),
             "|---" * 6 + "|",
             row("pretrained, fold 1, as they are", accuracy("pretrained", 0)),
             row("pretrained, fold 1, raised by the rule", accuracy("pretrained", 1)),
             row("five networks, all folds, raised by the rule", accuracy("fold", 1)), "",
             "| known against unknown sounds | score | AUROC, 95 % interval over recordings |",
             "|---|---|---|"]
    lines += [f"| {a.known} against {a.unknown} | {a.score} | {a.auroc:.1%}, {a.low:.1%} to "
              f"{a.high:.1%} |" for a in outside.aurocs(table).itertuples()]
    temperature, changes = calibration.table("results")
    lines += ["", f"| probabilities (temperature {temperature:.2f}, fitted on inner folds; "
              "`predict` does not use it) | mean of the highest | accuracy | calibration error | "
              "with it |",
              "|---|---|---|---|---|"]
    lines += [f"| {name} | {row['mean probability']:.1%} | {row['accuracy']:.1%} | "
              f"{row['calibration error']:.1%} | {row['with T']:.1%} |"
              for name, row in changes.iterrows()]
    limit = np.where(table.protocol == "pretrained", limits.farthest,
                     outside.limit(table, INNER["lite"], FALSE_ALARMS))
    above = (table.distance > limit).groupby([table.kind, table.protocol]).mean()
    lines += ["", "| above the limit of the distance | five networks | pretrained, fold 1 |",
              "|---|---|---|"]
    return lines + [f"| {kind} | {share.test:.1%} | {share.pretrained:.1%} |"
                    for kind, share in above.unstack().iterrows()]


def write_card(limits):
    path = inference.DATA / "MODEL_CARD.md"
    head, *_ = path.read_text(encoding="utf-8").partition(MARK)
    scores = outside.scores("results")
    rows = card(scores, pd.read_csv(OUT.with_name("levels.csv")), limits)
    text = ABOUT_LIMITS.format(**vars(limits), too_soft=levels.TOO_SOFT_DBFS,
                               alarms=FALSE_ALARMS, rows="\n".join(rows),
                               inner=(scores.protocol == INNER["paper"]).sum())
    write_bytes(path, (head + MARK + text).encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, dest="command")
    sub = commands.add_parser("scores")
    sub.add_argument("runs", nargs="*", metavar="RUN")
    sub.add_argument("--keep", type=Path, help="folder of outputs, for a second call")
    inner = commands.add_parser("reference")
    inner.add_argument("runs", nargs="+", metavar="RUN")
    soft = commands.add_parser("levels")
    soft.add_argument("runs", nargs="*", metavar="RUN")
    commands.add_parser("card")
    for one in (sub, inner, soft, commands.add_parser("limits")):
        one.add_argument("--data", help="folder that holds esc10 and esc50-16k by name")
    chosen = parser.parse_args()
    if chosen.command == "scores":
        scores(chosen.runs, chosen.data, chosen.keep)
    elif chosen.command == "levels":
        at_levels(chosen.runs, chosen.data)
    elif chosen.command == "reference":
        references(chosen.runs, chosen.data)
    elif chosen.command == "card":
        write_card(inference.Predictor().limits)
    else:
        limits(chosen.data)
