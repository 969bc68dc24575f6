"""Cross-validation: experiments x seeds x folds, each a run folder of its own.

Notebook: 07_result_tables
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from ..config import CLASSICAL, Experiment, known, trainable
from ..data import datasets
from ..device import pick_device
from ..evaluation.results import ResultsError, Run, finished, run_folder, take_up, without_code
from ..experiments import PROFILES, experiment
from ..features import store
from ..files import locked
from ..models.baselines import network
from . import checkpoints, loop, parallel
from .identity import identity

if TYPE_CHECKING:
    import pandas as pd


def run(dataset: str, experiments: list[str], profile: str = "lite",
        folds: tuple[int, ...] | None = None, seeds: tuple[int, ...] = (0,), device: str = "auto",
        out: Path | str = "runs", data: Path | str | None = None, workers: int | None = None,
        changes: dict | None = None, inner: bool = False, progress: bool = True,
        threads: int | None = None, away: dict | None = None,
        report: Callable[[dict], None] | None = None, attention: bool = True,
        reuse: bool = False, watch: bool = False) -> list[Run]:
    """Train and test experiments on the official folds.

    All arguments are checked before training starts.

    Parameters
    ----------
    dataset : one of config.DATASETS
    experiments : list of str
        Names of experiments.EXPERIMENTS.
    profile : smoke, lite or paper
    folds : tuple of int, optional
        Folds to predict, by default those of the profile, else all of the data set's.
    seeds : tuple of int
    device : auto, cpu, cuda or mps
    out : Path or str
        Root of the run folders; finished ones are kept, unfinished ones resumed.
    data : Path or str, optional
        The data set's folder, see ``datasets.load``.
    workers : int, optional
        Threads that compute features.
    changes : dict, optional
        Settings by key, such as {"train.epochs": 10}.
    inner : bool
        Compare recipes without the test folds: for each fold f, leave f out, predict the next
        one and train on the others; the run is filed under the fold predicted.
    progress : bool
        Show a progress bar or lines.
    threads : int, optional
        Threads of a task's arithmetic, by default torch's own number; for distributed training
        see ``parallel.threads_of_a_task``.
    away : dict, optional
        Arguments of ``parallel.connect``, such as {"processes": 2}, to train folds in parallel;
        by default {"scheduler": ACRNN_SCHEDULER} where that environment variable is set.
    report : callable, optional
        Called, in place of progress, after each epoch trained in this process, with its row of the
        history and the label (run), number of epochs (epochs) and time left (seconds_left, s).
    attention : bool
        Keep the attention of every test segment, most of the bytes of a run.
    reuse : bool
        Keep finished runs of other code than the present; by default they are moved aside and
        trained again. Committed runs, under ``results``, are always kept.
    watch : bool
        Write the accuracy on the predicted fold after each epoch to a file of its own, which
        training never reads, see ``watching``.

    Returns
    -------
    list of results.Run
        In the order experiments, seeds, folds.

    Raises
    ------
    ValueError
        For an unknown name, fold or setting, a data set without training data, a network that does
        not fit its segments, and a system to watch that has no epochs.
    ResultsError
        For inner validation under ``results``, and a finished run to watch that was not watched.

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
                 inner, threads, attention, reuse or committed, watch)
    waiting = [task for task in tasks if not task.finished(out, away)]
    for task in tasks:
        if task not in waiting:
            checkpoints.drop(task.folder(out))
    if away and waiting:
        with parallel.connect(**away) as client:
            parallel.run(client, waiting, out, progress)
    for number, task in enumerate(waiting if not away else (), 1):
        label = f"[{number}/{len(waiting)}] {task.label}"
        with Progress(label, task.experiment.train.epochs, progress and not report,
                      report) as each:
            task.run(out, progress, each if progress or report else None)
    runs = [Run.at(task.folder(out)) for task in tasks]
    if progress and (old := without_code(runs)):
        print(f"{len(old)} of {len(runs)} runs are of versions that did not note which code made "
              "them: it was not compared", file=sys.stderr, flush=True)
    return runs


def plan(dataset: str, experiments: list[str], profile: str, folds: tuple[int, ...],
         seeds: tuple[int, ...], device: str, data: Path | str | None, workers: int | None,
         changes: dict | None, inner: bool, threads: int, attention: bool,
         reuse: bool = False, watch: bool = False) -> list["Task"]:
    """Tasks of ``run``, whose arguments these are, in the order of training."""
    trainable(dataset)
    chosen = [experiment(name, profile, changes) for name in experiments]
    data = str(Path(data).expanduser().absolute()) if data else None
    table = subset(datasets.load(dataset, data), PROFILES[profile].clips)
    n_classes, known_folds = len(datasets.class_names(table)), datasets.folds(table)
    folds = folds or PROFILES[profile].folds or known_folds
    for fold in folds:
        known("fold", fold, known_folds)
    for each in chosen:
        must_fit(each, n_classes)
        if watch and each.model.network in CLASSICAL:
            raise ValueError(f"{each.name}: has no epochs to watch, expected a network")
    extra = {"data_hash": datasets.data_hash(table), "protocol": "inner" if inner else "test",
             "clips_per_class_and_fold": PROFILES[profile].clips, **git_state()}
    return [Task(e, dataset, data, n_classes, seed, *protocol(fold, known_folds, inner), device,
                 threads, workers, attention, reuse, extra, watch)
            for e in chosen for seed in seeds for fold in folds]


@dataclass(frozen=True)
class Task:
    """One experiment, one seed, one fold to predict: all that a process needs to train it.

    Audio is not part of it: ``extra["data_hash"]`` identifies the clips, ``data`` is their folder.

    Notebook: 07_result_tables
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
    watch: bool = False

    @property
    def label(self) -> str:
        """Experiment, seed and fold, for messages."""
        return f"{self.experiment.name} seed {self.seed} fold {self.fold}"

    def folder(self, root: Path | str) -> Path:
        """Its run folder under a root."""
        e = self.experiment
        return run_folder(root, self.dataset, e.profile, e.name, self.seed, self.fold)

    def finished(self, root: Path | str, away: dict | None = None) -> bool:
        """Whether it is done; a folder of another run is handled by ``results.take_up``.

        Parameters
        ----------
        root : Path or str
            Root of the run folders.
        away : dict, optional
            As in ``run``; device and precision are then chosen by another machine and not compared.

        Returns
        -------
        bool
        """
        folder, device = self.folder(root), None if away else self.device
        same = identity(self.experiment, self.seed, self.fold, self.train_folds, self.n_classes,
                        device, self.extra)
        if not folder.exists():
            return False
        with locked(folder):
            if done := take_up(folder, same, self.reuse):
                finished(folder, self.watch)  # refuses a run that was not watched
            return done

    def run(self, root: Path | str, progress: bool = False,
            report: Callable[[dict], None] | None = None) -> Run:
        """Train it in this process, or resume its folder.

        Parameters
        ----------
        root : Path or str
            Root of the run folders.
        progress : bool
            Show the progress of computing features.
        report : callable, optional
            Called with the row of the history after each epoch.

        Returns
        -------
        results.Run

        Raises
        ------
        DatasetError
            For clips with another data hash, and for what ``store.load`` refuses.
        TrainingError, ResultsError, ValueError
            As ``loop.fit``.
        """
        table = subset(datasets.load(self.dataset, self.data),
                       PROFILES[self.experiment.profile].clips)
        if (found := datasets.data_hash(table)) != self.extra["data_hash"]:
            raise datasets.DatasetError(f"{Path(table.path[0]).parent}: data hash {found}, "
                                        f"expected {self.extra['data_hash']}: other sounds")
        features, bank = self.experiment.features, self.experiment.bank
        wanted = table, features, bank, self.workers, progress, pick_device(self.device)
        copies, on_waves = store.load(*wanted), self.experiment.train.mix_on == "waves"
        torch.set_num_threads(self.threads)  # the run before may have gone on with its own number
        return fit_of(self.experiment)(
            self.experiment, table, copies, self.fold, self.seed, self.folder(root),
            train_folds=self.train_folds, device=self.device, report=report, extra=self.extra,
            attention=self.attention, reuse=self.reuse, watch=self.watch,
            waves=store.load_waves(*wanted) if on_waves else None)


def fit_of(experiment: Experiment) -> Callable[..., Run]:
    """Training function of an experiment: ``loop.fit``, or ``classical.fit`` without a network."""
    if experiment.model.network not in CLASSICAL:
        return loop.fit
    from . import classical  # scikit-learn, which training a network can do without

    return classical.fit


def must_fit(experiment: Experiment, n_classes: int) -> None:
    """Check that the network can read segments of the experiment's shape.

    Parameters
    ----------
    experiment : config.Experiment
    n_classes : int

    Raises
    ------
    ValueError
        Names the experiment and the shape.
    """
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


def protocol(fold: int, folds: list[int], inner: bool = False) -> tuple[int, list[int]]:
    """Fold to predict and training folds.

    Parameters
    ----------
    fold : int
    folds : list of int
        All folds, 1 to N.
    inner : bool
        Leave out ``fold`` and predict the next one.

    Returns
    -------
    predicted : int
    train_folds : list of int

    Notebook: 07_result_tables
    """
    if not inner:
        return fold, [f for f in folds if f != fold]
    validation = fold % len(folds) + 1
    return validation, [f for f in folds if f not in (fold, validation)]


def subset(table: "pd.DataFrame", clips: int | None) -> "pd.DataFrame":
    """The first clips of each class and fold.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table.
    clips : int or None
        None keeps the whole table.

    Returns
    -------
    pd.DataFrame
    """
    if clips is None:
        return table
    return table.groupby(["fold", "target"]).head(clips).reset_index(drop=True)


class Progress:
    """A bar of epochs on a terminal, a line per epoch elsewhere: loss, accuracy, speed.

    Parameters
    ----------
    label : str
        Shown before the numbers.
    epochs : int
        Epochs of the whole training.
    show : bool
    report : callable, optional
        Called after each epoch, as in ``run``.
    """

    def __init__(self, label: str, epochs: int, show: bool = True,
                 report: Callable[[dict], None] | None = None):
        self.label, self.show, self.live = label, show, sys.stderr.isatty()
        self.report = report
        self.bar = tqdm(total=epochs, desc=label, unit="epoch", disable=not (show and self.live))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def __call__(self, row: dict) -> None:
        """Show an epoch's row of the history."""
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


def git_state() -> dict[str, str | bool | None]:
    """Commit of the kit's checkout and whether it has local changes; None outside git."""
    here = Path(__file__).parents[1]

    def git(*words):
        return subprocess.run(["git", "-C", here, *words], capture_output=True, text=True,
                              check=True).stdout.strip()

    try:
        return {"git_commit": git("rev-parse", "HEAD"),
                "git_dirty": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}
