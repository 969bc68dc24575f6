"""Cross-validation: experiments x seeds x folds, each a run folder of its own.

Notebook: 07_result_tables
"""

import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from . import datasets, store, train
from .config import CLASSICAL, PROFILES, experiment, known
from .results import ResultsError, run_folder

FOLDS = (1, 2, 3, 4, 5)


def run(dataset, experiments, profile="lite", folds=None, seeds=(0,), device="auto", out="runs",
        data=None, workers=None, changes=None, inner=False, progress=True):
    """Train and test experiments on the official folds.

    Parameters
    ----------
    dataset : synth, esc10 or esc50; data : its folder, see ``datasets.load``
    experiments : names of config.EXPERIMENTS
    profile : smoke, lite or paper
    folds : which to predict, by default those of the profile; seeds : whole numbers
    device : auto, cpu, cuda or mps; workers : threads that compute features
    out : root of the run folders; finished ones are kept, unfinished ones resumed
    changes : dict of settings, e.g. {"train.epochs": 10}
    inner : compare recipes without the test folds: for each fold f, leave f out altogether, train
        on three folds and predict fold (f mod 5) + 1; the run is filed under the fold predicted

    Returns a list of results.Run. Every mistake in the arguments is found before training starts.
    Notebook: 07_result_tables
    """
    chosen = [experiment(name, profile, changes) for name in experiments]
    folds = folds or PROFILES[profile].folds
    for fold in folds:
        known("fold", fold, FOLDS)
    if inner and len(folds) > 1 and Path(out).resolve() == Path("results").resolve():
        raise ResultsError(f"{out}: inner validation belongs in a root of its own")
    table = subset(datasets.load(dataset, data), PROFILES[profile].clips)
    tasks = [(e, seed, fold) for e in chosen for seed in seeds for fold in folds]
    shared = {"data_hash": datasets.data_hash(table), "protocol": "inner" if inner else "test",
              "clips_per_class_and_fold": PROFILES[profile].clips, **git_state()}
    runs = []
    for number, (task, seed, fold) in enumerate(tasks, 1):
        tested, learnt = protocol(fold, inner)
        copies = store.load(table, task.features, task.bank, workers, progress)
        folder = run_folder(out, dataset, profile, task.name, seed, tested)
        label = f"[{number}/{len(tasks)}] {task.name} seed {seed} fold {tested}"
        with Progress(label, task.train.epochs, progress) as report:
            runs.append(fit_of(task)(task, table, copies, tested, seed, folder, train_folds=learnt,
                                  device=device, report=report, extra=shared))
    return runs


def fit_of(experiment):
    """What fits an experiment: ``train.fit``, or ``classical.fit`` where there is no network."""
    if experiment.model.network not in CLASSICAL:
        return train.fit
    from . import classical  # scikit-learn, which training a network can do without

    return classical.fit


def protocol(fold, inner=False):
    """(fold to predict, folds to learn from). Notebook: 07_result_tables"""
    if not inner:
        return fold, [f for f in FOLDS if f != fold]
    validation = fold % 5 + 1
    return validation, [f for f in FOLDS if f not in (fold, validation)]


def subset(table, clips):
    """The first ``clips`` clips of each class and fold; the whole table for None."""
    if clips is None:
        return table
    return table.groupby(["fold", "target"]).head(clips).reset_index(drop=True)


class Progress:
    """A bar of epochs on a terminal, a line per epoch elsewhere: loss, accuracy, speed."""

    def __init__(self, label, epochs, show=True):
        self.label, self.show, self.live = label, show, sys.stderr.isatty()
        self.bar = tqdm(total=epochs, desc=label, unit="epoch", disable=not (show and self.live))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def __call__(self, row):
        if self.live:
            self.bar.update(row["epoch"] - self.bar.n)
            self.bar.set_postfix_str(self._numbers(row))
        elif self.show:
            left = (self.bar.total - row["epoch"]) * row["seconds"]
            print(f"{self.label}  epoch {row['epoch']}/{self.bar.total}  {self._numbers(row)}, "
                  f"{left / 60:.1f} min left", file=sys.stderr, flush=True)

    @staticmethod
    def _numbers(row):
        loss = f"loss {row['loss']:.3f}, " if "loss" in row else ""
        return (f"{loss}accuracy {row['accuracy']:.3f}, "
                f"{row['segments_per_second']:.0f} segments/s")


def git_state():
    """Commit of the kit's own checkout and whether it was changed since; empty outside git."""
    here = Path(__file__).parent

    def git(*words):
        return subprocess.run(["git", "-C", here, *words], capture_output=True, text=True,
                              check=True).stdout.strip()

    try:
        return {"git_commit": git("rev-parse", "HEAD"),
                "git_dirty": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}
