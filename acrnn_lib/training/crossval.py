"""Cross-validation: experiments x seeds x folds, each a run folder of its own.

Notebook: 07_result_tables
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from ..config import CLASSICAL, PROFILES, Experiment, experiment, known
from ..data import datasets
from ..device import pick_device
from ..evaluation.results import ResultsError, Run, run_folder, take_up, without_code
from ..features import store
from ..files import locked
from ..models.baselines import network
from ..registry import registered_code
from . import checkpoints, loop, parallel
from .identity import identity


def run(dataset, experiments, profile="lite", folds=None, seeds=(0,), device="auto", out="runs",
        data=None, workers=None, changes=None, inner=False, progress=True, threads=None,
        away=None, report=None, attention=True, reuse=False):
    """Train and test experiments on the official folds.

    Parameters
    ----------
    dataset : one of config.DATASETS; data : its folder, see ``datasets.load``
    experiments : names of config.EXPERIMENTS
    profile : smoke, lite or paper
    folds : which to predict, by default those of the profile; seeds : whole numbers
    device : auto, cpu, cuda or mps; workers : threads that compute features
    out : root of the run folders; finished ones are kept, unfinished ones resumed
    changes : dict of settings, e.g. {"train.epochs": 10}
    inner : compare recipes without the test folds: for each fold f, leave f out altogether, predict
        the next one and train on the others; the run is filed under the fold predicted
    threads : of a task's arithmetic; by default torch's own number here, see ``cluster`` for away
    away : what ``parallel.connect`` is told, such as {"processes": 2}, to train folds side by side;
        by default {"scheduler": ACRNN_SCHEDULER} where the environment has one
    report : called, instead of progress, after each epoch that is trained here, with its row of
        the history and in it what is trained (run), of how many epochs (epochs) and the time left
        (seconds_left, s)
    attention : keep the attention of every test segment, most of the bytes of a run
    reuse : keep finished runs that other code than today's has made; without it they are moved
        aside and made anew. Committed runs, under ``results``, are always kept.

    Returns a list of results.Run. Every mistake in the arguments is found before training starts.
    Notebook: 07_result_tables
    """
    if not away and os.environ.get("ACRNN_SCHEDULER"):
        away = {"scheduler": os.environ["ACRNN_SCHEDULER"]}
    committed = Path(out).resolve() == Path("results").resolve()
    if inner and committed:
        raise ResultsError(f"{out}: inner validation belongs in a root of its own")
    here = torch.get_num_threads()
    threads = threads or (parallel.threads_of_a_task(away, here) if away else here)
    tasks = plan(dataset, experiments, profile, folds, seeds, device, data, workers, changes,
                 inner, threads, attention, reuse or committed)
    waiting = [task for task in tasks if not task.finished(out, away)]
    for task in tasks:
        if task not in waiting:
            checkpoints.drop(task.folder(out))
    own = [name for task in waiting for name in registered_code(task.experiment)]
    if away and own:
        raise ValueError(f"{own[0]}: registered outside the kit, so other processes do not know "
                         "it; expected training in this process, without --processes or "
                         "--scheduler")
    if away and waiting:
        with parallel.connect(**away) as client:
            parallel.run(client, waiting, out, progress)
    for number, task in enumerate(waiting if not away else (), 1):
        label = f"[{number}/{len(waiting)}] {task.label}"
        with Progress(label, task.experiment.train.epochs, progress and not report,
                      report) as each:
            task.run(out, progress, each)
    runs = [Run.at(task.folder(out)) for task in tasks]
    if progress and (old := without_code(runs)):
        print(f"{len(old)} of {len(runs)} runs are of versions that did not note which code made "
              "them: it was not compared", file=sys.stderr, flush=True)
    return runs


def plan(dataset, experiments, profile, folds, seeds, device, data, workers, changes, inner,
         threads, attention, reuse=False):
    """The Tasks of ``run``, whose arguments these are, in the order of training."""
    chosen = [experiment(name, profile, changes) for name in experiments]
    data = str(Path(data).expanduser().absolute()) if data else None
    table = subset(datasets.load(dataset, data), PROFILES[profile].clips)
    n_classes, known_folds = len(datasets.class_names(table)), datasets.folds(table)
    folds = folds or PROFILES[profile].folds or known_folds
    for fold in folds:
        known("fold", fold, known_folds)
    for each in chosen:
        must_fit(each, n_classes)
    extra = {"data_hash": datasets.data_hash(table), "protocol": "inner" if inner else "test",
             "clips_per_class_and_fold": PROFILES[profile].clips, **git_state()}
    return [Task(e, dataset, data, n_classes, seed, *protocol(fold, known_folds, inner), device,
                 threads, workers, attention, reuse, extra)
            for e in chosen for seed in seeds for fold in folds]


@dataclass(frozen=True)
class Task:
    """One experiment, one seed, one fold to predict: all that a process needs to train it.

    The sounds do not travel: they are known by ``extra["data_hash"]``, ``data`` says where to
    look. Notebook: 07_result_tables
    """

    experiment: Experiment
    dataset: str
    data: str | None
    n_classes: int
    seed: int
    fold: int
    train_folds: list[int]
    device: str
    threads: int
    workers: int | None
    attention: bool
    reuse: bool
    extra: dict

    @property
    def label(self):
        return f"{self.experiment.name} seed {self.seed} fold {self.fold}"

    def folder(self, root):
        """Its run folder under a root."""
        e = self.experiment
        return run_folder(root, self.dataset, e.profile, e.name, self.seed, self.fold)

    def finished(self, root, away=None):
        """Is it done? Where its folder holds another run, see ``results.take_up``.

        away : where it would be trained; then device and precision are another machine's choice
        """
        folder, device = self.folder(root), None if away else self.device
        same = identity(self.experiment, self.seed, self.fold, self.train_folds, self.n_classes,
                        device, self.extra)
        if not folder.exists():
            return False
        with locked(folder):
            return take_up(folder, same, self.reuse)

    def run(self, root, progress=False, report=None):
        """Train it here, or go on where its folder under ``root`` ends; returns results.Run.

        Raises DatasetError for sounds other than those that are meant, and all that
        ``store.load`` and ``loop.fit`` raise.
        """
        table = subset(datasets.load(self.dataset, self.data),
                       PROFILES[self.experiment.profile].clips)
        if (found := datasets.data_hash(table)) != self.extra["data_hash"]:
            raise datasets.DatasetError(f"{Path(table.path[0]).parent}: data hash {found}, "
                                        f"expected {self.extra['data_hash']}: other sounds")
        features, bank = self.experiment.features, self.experiment.bank
        copies = store.load(table, features, bank, self.workers, progress, pick_device(self.device))
        torch.set_num_threads(self.threads)  # the run before may have gone on with its own number
        return fit_of(self.experiment)(
            self.experiment, table, copies, self.fold, self.seed, self.folder(root),
            train_folds=self.train_folds, device=self.device, report=report, extra=self.extra,
            attention=self.attention, reuse=self.reuse)


def fit_of(experiment):
    """What fits an experiment: ``loop.fit``, or ``classical.fit`` where there is no network."""
    if experiment.model.network not in CLASSICAL:
        return loop.fit
    from . import classical  # scikit-learn, which training a network can do without

    return classical.fit


def must_fit(experiment, n_classes):
    """Raise ValueError where the network cannot read segments of the experiment's shape."""
    shape = experiment.features.n_bands, experiment.features.segment_frames
    if experiment.model.network in CLASSICAL:
        return
    try:
        with torch.inference_mode():
            channels = len(experiment.features.channels)
            network(experiment.model, n_classes, channels).eval()(torch.zeros(1, channels, *shape))
    except RuntimeError as error:
        raise ValueError(f"{experiment.name}: its network cannot read segments of {shape[0]} bands "
                         f"and {shape[1]} frames ({error})") from error


def protocol(fold, folds, inner=False):
    """(fold to predict, folds to learn from), of all folds 1 to N. Notebook: 07_result_tables"""
    if not inner:
        return fold, [f for f in folds if f != fold]
    validation = fold % len(folds) + 1
    return validation, [f for f in folds if f not in (fold, validation)]


def subset(table, clips):
    """The first ``clips`` clips of each class and fold; the whole table for None."""
    if clips is None:
        return table
    return table.groupby(["fold", "target"]).head(clips).reset_index(drop=True)


class Progress:
    """A bar of epochs on a terminal, a line per epoch elsewhere: loss, accuracy, speed.

    report : told the same, as ``run`` says
    """

    def __init__(self, label, epochs, show=True, report=None):
        self.label, self.show, self.live = label, show, sys.stderr.isatty()
        self.report = report
        self.bar = tqdm(total=epochs, desc=label, unit="epoch", disable=not (show and self.live))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def __call__(self, row):
        left = (self.bar.total - row["epoch"]) * row["seconds"]
        if self.report:
            self.report(row | {"run": self.label, "epochs": self.bar.total, "seconds_left": left})
        if self.live:
            self.bar.update(row["epoch"] - self.bar.n)
            self.bar.set_postfix_str(self._numbers(row))
        elif self.show:
            print(f"{self.label}  epoch {row['epoch']}/{self.bar.total}  {self._numbers(row)}, "
                  f"{left / 60:.1f} min left", file=sys.stderr, flush=True)

    @staticmethod
    def _numbers(row):
        loss = f"loss {row['loss']:.3f}, " if "loss" in row else ""
        return (f"{loss}accuracy {row['accuracy']:.3f}, "
                f"{row['segments_per_second']:.0f} segments/s")


def git_state():
    """Commit of the kit's own checkout and whether it was changed since; empty outside git."""
    here = Path(__file__).parents[1]

    def git(*words):
        return subprocess.run(["git", "-C", here, *words], capture_output=True, text=True,
                              check=True).stdout.strip()

    try:
        return {"git_commit": git("rev-parse", "HEAD"),
                "git_dirty": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}
