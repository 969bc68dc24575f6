"""Train one fold: a visible loop of epochs and batches, with a checkpoint after each epoch.

All randomness of an epoch comes from (seed, fold, epoch), so a run that was interrupted continues
from its last checkpoint with the same result.

Notebook: 06_training_on_a_gpu
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save
from torch.nn import functional as F

from ..config import Experiment, as_dict
from ..data.datasets import class_names
from ..device import (
    LAYOUTS,
    can_fuse,
    forget_peak,
    keep_freed_memory,
    machine,
    pick_device,
    pick_layout,
    return_freed_memory,
)
from ..evaluation import results
from ..files import locked, write_bytes
from ..models.acrnn import ConvLayer, parameter_count
from ..models.baselines import network
from . import checkpoints
from .batches import TrainingData, TrainingError, folds_rows
from .cuda import Recorded
from .identity import identity
from .optim import MovingAverage, learning_rate, make_optimizer, set_learning_rate, uphill
from .probe import pick_precision
from .testing import FoldTest
from .watching import Watch

if TYPE_CHECKING:
    import pandas as pd

PAUSE = {"cuda": 10.0}  # s between checkpoints: there an epoch may take less time than to write one


def fit(experiment: Experiment, table: "pd.DataFrame", copies: list[np.ndarray], fold: int,
        seed: int, folder: Path | str, *, train_folds: list[int] | None = None,
        device: torch.device | str = "auto", report: Callable[[dict], None] | None = None,
        extra: dict | None = None, attention: bool = True, reuse: bool = False,
        watch: bool = False, waves: list[np.ndarray] | None = None) -> results.Run:
    """Train one experiment on the other folds, predict this one, write the run folder.

    Parameters
    ----------
    experiment : config.Experiment
    table : pd.DataFrame
        Clip table of ``datasets.load``.
    copies : list of np.ndarray, shape (clips, n_bands, frames), float16
        Features of the clips and then of their augmented copies, from ``store.load``.
    fold : int
        The fold that is predicted.
    seed : int
    folder : Path or str
        Run folder; a checkpoint in it is resumed, a finished run is loaded as it is.
    train_folds : list of int, optional
        Training folds, by default all but ``fold``.
    device : auto, cpu, cuda or mps
    report : callable, optional
        Called with the row of the history after each epoch.
    extra : dict, optional
        More entries of the manifest.
    attention : bool
        Write attention.npz, most of the bytes of a run.
    reuse : bool
        Keep a finished run of other code than the present.
    watch : bool
        Write the accuracy on ``fold`` after each epoch, see ``watching``; training never reads it.
    waves : list of np.ndarray, optional
        From ``store.load_waves``, for ``mix_on="waves"``.

    Returns
    -------
    results.Run

    Raises
    ------
    TrainingError
        For features that never vary and for a loss or weights that are not finite.
    ValueError
        For folds without clips.
    ResultsError
        For a folder of a run with other settings, or of one that was not watched with ``watch``.

    Notebook: 06_training_on_a_gpu
    """
    train_folds, device = folds_to_learn(table, fold, train_folds), pick_device(device)
    same = identity(experiment, seed, fold, train_folds, len(class_names(table)), device.type,
                    extra)
    with locked(folder):
        if results.take_up(folder, same, reuse):
            checkpoints.drop(folder)
            return results.finished(folder, watch)
        started = time.time()
        forget_peak(device)
        folds_rows(table, [fold], "fold")
        data = TrainingData(experiment, table, copies, train_folds, device, waves)
        trainer = Trainer(experiment, len(data.classes), seed, fold, device)
        keep = checkpoints.Keeper(trainer, folder, same, started, PAUSE.get(device.type, 0.0))
        test = FoldTest(experiment, table, copies, fold, data.mean, data.std, device)
        watched = Watch(trainer, test, folder, same.get("protocol", "test")) if watch else None
        for epoch in range(trainer.epoch + 1, experiment.train.epochs + 1):
            return_freed_memory()  # of features or a checkpoint, whose pieces have other sizes
            keep_freed_memory()
            try:
                row = run_epoch(trainer, data, epoch)
            except TrainingError as error:
                kept = checkpoints.last(folder)
                raise TrainingError(f"{error}; last good epoch: {kept}") from None
            results.append_history(folder, row)
            if watched:
                watched.after(epoch)
            keep.when_due()
            try:
                if report:
                    report(row)
            except BaseException:
                keep.now()  # who stops the training between two epochs loses nothing
                raise
        predictions, weights = trainer.predict(test, attention)
        save_model(trainer, data, folder, same)
        manifest = {**same, **manifest_of(trainer, data, folder), **(extra or {}),
                    "wall_seconds": round(time.time() - started + keep.before, 1)}
        if watched:
            manifest["watched"] = watched.about
        run = results.write(folder, predictions, manifest, weights)
        checkpoints.drop(folder)
        return run


def run_epoch(trainer: "Trainer", data: TrainingData, epoch: int) -> dict:
    """Train for one epoch.

    Parameters
    ----------
    trainer : Trainer
        Its network is changed.
    data : batches.TrainingData
    epoch : int
        Counted from 1.

    Returns
    -------
    dict
        The epoch's row of the history; ``seconds`` in s.

    Raises
    ------
    TrainingError
        For a loss, a gradient or weights that are not finite; names the clips.
    """
    recipe, started = trainer.recipe, time.time()
    rng = np.random.default_rng([trainer.seed, trainer.fold, epoch])
    torch.manual_seed(stable_seed(trainer.seed, trainer.fold, epoch))
    trainer.model.train()
    batches, numbers = data.draw(rng), []
    for step, rows in enumerate(batches):
        rate = learning_rate(recipe, (epoch - 1 + step / len(batches)) / recipe.epochs)
        set_learning_rate(trainer.optimizer, rate)
        x, targets = data.batch(rows, rng)
        numbers.append(trainer.step(x, targets))
    loss, accuracy = must_be_finite(numbers, trainer, data, batches, epoch)
    trainer.epoch = epoch
    seconds, segments = time.time() - started, sum(map(len, batches))
    return {
        "epoch": epoch, "loss": round(loss, 5), "accuracy": round(accuracy, 5),
        "learning_rate": rate, "segments": segments, "seconds": round(seconds, 2),
        "segments_per_second": round(segments / seconds, 1),
    }


class Trainer:
    """A network in training with its optimizer.

    Parameters
    ----------
    experiment : config.Experiment
    n_classes, seed, fold : int
    device : torch.device

    Attributes
    ----------
    epoch : int
        Number of finished epochs.
    model : torch.nn.Module

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, experiment: Experiment, n_classes: int, seed: int, fold: int,
                 device: torch.device):
        self.experiment, self.recipe = experiment, experiment.train
        self.seed, self.fold, self.epoch, self.device = seed, fold, 0, device
        self.precision = pick_precision(device)
        torch.manual_seed(stable_seed(seed, fold, 0))
        channels = len(experiment.features.channels)
        self.model = network(experiment.model, n_classes, channels).to(device)
        self.average = (MovingAverage(self.model, self.recipe.average) if self.recipe.average
                        else None)
        self.use_layout(pick_layout(self.precision, experiment.model.early_pooling))
        self.optimizer = make_optimizer(self.model, self.recipe, fused=device.type != "mps")
        self.recorded = Recorded(self.model) if device.type == "cuda" else None

    def use_layout(self, name: str) -> None:
        """Store the kernels in a memory layout, one of device.LAYOUTS."""
        self.layout = name
        self.fused = can_fuse(self.device, self.precision, name,
                              self.experiment.model.early_pooling)
        for layer in self.model.modules():
            if isinstance(layer, ConvLayer):
                layer.fused = self.fused
        for model in {self.model, self.final_model()}:
            model.to(memory_format=LAYOUTS[name])

    def final_model(self) -> torch.nn.Module:
        """The network to test: the averaged weights, or the last ones."""
        return self.average.module if self.average else self.model

    def autocast(self) -> torch.autocast:
        """A context in which matrix products are computed in this run's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def step(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """One step of the optimizer: predict, loss, backward, step.

        Parameters
        ----------
        x : torch.Tensor, shape (B, channels, n_bands, frames), float32
        targets : torch.Tensor, shape (B, C), float32

        Returns
        -------
        torch.Tensor, shape (3,), float32
            Loss, norm of the gradient, number of correct segments. It stays on the device, so that
            no step waits for a GPU.
        """
        x = x.contiguous(memory_format=LAYOUTS[self.layout])
        numbers = self.gradients(x, targets)
        if self.recipe.sam:
            with uphill(self.model, self.recipe.sam):
                self.gradients(x, targets)
        self.optimizer.step()
        if self.average:
            self.average.update()
        return numbers

    def gradients(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """``compute_gradients``, on a CUDA device replayed as one launch of a CUDA graph."""
        if self.recorded:
            return self.recorded(self.compute_gradients, x, targets)
        return self.compute_gradients(x, targets)

    def compute_gradients(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Forward and backward pass, which sets the gradients; tensors as for ``step``."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            logits = self.model(x)
        loss = F.cross_entropy(logits.float(), targets,
                               label_smoothing=self.recipe.label_smoothing)
        loss.backward()
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in self.model.parameters() if p.grad is not None])
        hits = (logits.argmax(1) == targets.argmax(1)).sum()
        return torch.stack([loss.detach(), norm, hits.float()])

    def predict(self, test: FoldTest, attention: bool = True
                ) -> tuple["pd.DataFrame", dict[str, np.ndarray] | None]:
        """``FoldTest.predict`` with the final weights, in this run's precision.

        Parameters
        ----------
        test : testing.FoldTest
        attention : bool
            Return the attention, too.

        Returns
        -------
        pd.DataFrame, and dict of np.ndarray or None
        """
        return_freed_memory()  # of training
        return test.predict(self.final_model(), self.autocast, LAYOUTS[self.layout], attention)


def must_be_finite(numbers: list[torch.Tensor], trainer: Trainer, data: TrainingData,
                   batches: list[np.ndarray], epoch: int) -> tuple[float, float]:
    """Loss and accuracy of an epoch, read from the device at once.

    Parameters
    ----------
    numbers : list of torch.Tensor, shape (3,)
        What each ``Trainer.step`` returned.
    trainer : Trainer
    data : batches.TrainingData
    batches : list of np.ndarray, shape (B, 3), int64
        The drawn segments of each step.
    epoch : int

    Returns
    -------
    loss, accuracy : float
        Means over the segments.

    Raises
    ------
    TrainingError
        For the first loss or gradient that is not finite, and for weights that are not finite
        after the last step; names the files of the batch.
    """
    values = torch.stack(numbers).cpu().double().numpy()
    for step, (row, rows) in enumerate(zip(values, batches, strict=True), 1):
        for name, value in zip(("loss", "the gradient's norm"), row, strict=False):
            if not math.isfinite(value):
                raise TrainingError(f"epoch {epoch}, step {step}: {name} is {value}; the batch: "
                                    f"{data.names(rows)}")
    for model in {trainer.model, trainer.final_model()}:
        weights = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
        if torch.isfinite(torch.nn.utils.get_total_norm(weights.values())):
            continue  # asked of all at once: a GPU would have to be waited for at each
        for name, value in weights.items():
            if not torch.isfinite(value).all():
                raise TrainingError(f"epoch {epoch}, step {len(batches)}: {name} is not finite "
                                    f"after it; the batch: {data.names(batches[-1])}")
    sizes = [len(rows) for rows in batches]
    return np.average(values[:, 0], weights=sizes), values[:, 2].sum() / sum(sizes)


def manifest_of(trainer: Trainer, data: TrainingData, folder: Path | str) -> dict:
    """Entries of the manifest beside the identity: settings, classes, machine and speed.

    Parameters
    ----------
    trainer : Trainer
    data : batches.TrainingData
    folder : Path or str
        Run folder, whose history gives the speed.

    Returns
    -------
    dict
    """
    speeds = results.read_history(folder)["segments_per_second"]
    return {"config": as_dict(trainer.experiment), "classes": data.classes,
            "parameters": parameter_count(trainer.model),
            **machine(trainer.device, trainer.precision, trainer.layout),
            "recorded_steps": trainer.recorded is not None, "fused_norm": trainer.fused,
            "segments_per_second": round(float(speeds.median()), 1)}


def save_model(trainer: Trainer, data: TrainingData, folder: Path | str,
               same: dict | None = None) -> None:
    """Write model.safetensors: the final weights and all that ``predict`` needs.

    Parameters
    ----------
    trainer : Trainer
    data : batches.TrainingData
    folder : Path or str
        Run folder.
    same : dict, optional
        Identity of the run.
    """
    tensors = {k: v.detach().cpu().contiguous()
               for k, v in trainer.final_model().state_dict().items()}
    tensors |= {"feature_mean": data.mean.cpu(), "feature_std": data.std.cpu()}
    note = {"experiment": as_dict(trainer.experiment), "classes": data.classes,
            "fold": trainer.fold, "seed": trainer.seed, "run": same}
    metadata = {"acrnn": json.dumps(note)}
    write_bytes(Path(folder) / "model.safetensors", save(tensors, metadata))


def folds_to_learn(table: "pd.DataFrame", fold: int,
                   train_folds: list[int] | None = None) -> list[int]:
    """Training folds, by default all but the one to predict.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table.
    fold : int
        The fold to predict.
    train_folds : list of int, optional

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If ``fold`` is among ``train_folds``.
    """
    train_folds = train_folds or sorted({int(f) for f in table.fold} - {fold})
    if fold in train_folds:
        raise ValueError(f"train_folds: found {train_folds}, expected folds other than {fold}")
    return train_folds


def stable_seed(*parts: int) -> int:
    """One 63-bit seed from several non-negative integers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
