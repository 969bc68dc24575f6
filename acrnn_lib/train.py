"""Fit one fold: data in memory, the recipe, checkpoints between epochs, predictions.

All randomness of an epoch comes from (seed, fold, epoch), so a run that was killed goes on from
its last checkpoint as if nothing had happened.

Notebook: 06_training_on_a_gpu
"""

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch.nn import functional as F

from . import augment, checkpoints, evaluate, results
from .acrnn import parameter_count
from .averaging import MovingAverage
from .baselines import network
from .config import as_dict
from .datasets import class_names
from .device import (
    LAYOUTS,
    forget_peak,
    keep_freed_memory,
    machine,
    pick_device,
    pick_layout,
    sent,
)
from .features import segment_starts
from .identity import identity
from .paths import locked
from .probe import pick_precision
from .recorded import Recorded
from .segments import Segments
from .steps import frame_energy

EVAL_BATCH = 64  # segments
PAUSE = {"cuda": 10.0}  # s between checkpoints: there an epoch may take less time than to write one


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the epoch, the step and the clips."""


def fit(experiment, table, copies, fold, seed, folder, *, train_folds=None, device="auto",
        report=None, extra=None, attention=True, reuse=False):
    """Train one experiment on the other folds, predict this one, write the run folder.

    Parameters
    ----------
    experiment : config.Experiment
    table : clip table; copies : its features, from ``store.load``
    fold : int, the fold that is predicted; seed : int
    folder : run folder; a checkpoint in it is resumed, a finished run is loaded as it is
    train_folds : folds to learn from, by default all but ``fold``
    device : auto, cpu, cuda or mps
    report : called with a dict after each epoch (progress), optional
    extra : dict, more for the manifest
    attention : keep attention.npz, which takes more room than all else of a run
    reuse : keep a finished run that other code made, instead of making it anew

    Returns results.Run. Raises TrainingError for features that never vary and for a loss or
    weights that are not finite, ValueError for folds without clips, ResultsError for a folder made
    with other settings. Notebook: 06_training_on_a_gpu
    """
    train_folds = folds_to_learn(table, fold, train_folds)
    same = identity(experiment, seed, fold, train_folds, len(class_names(table)), device, extra)
    with locked(folder):
        if results.take_up(folder, same, reuse):
            checkpoints.drop(folder)
            return results.Run.at(folder)
        started = time.time()
        state = State(experiment, table, copies, fold, seed, train_folds, device)
        keep = checkpoints.Keeper(state, folder, same, started, PAUSE.get(state.device.type, 0.0))
        for epoch in range(state.epoch + 1, experiment.train.epochs + 1):
            try:
                row = state.run_epoch(epoch)
            except TrainingError as error:
                kept = checkpoints.last(folder)
                raise TrainingError(f"{error}; last good epoch: {kept}") from None
            results.append_history(folder, row)
            keep.when_due()
            try:
                if report:
                    report(row)
            except BaseException:
                keep.now()  # who stops the training between two epochs loses nothing
                raise
        return finish(state, folder, same, extra, started - keep.before, attention)


def finish(state, folder, same, extra, started, attention=True):
    """Predict the fold with the trained state and write the run folder; returns results.Run."""
    rows = np.flatnonzero(state.table.fold == state.fold)
    predictions, weights = state.predict(rows, attention)
    state.save_model(folder, same)
    manifest = {
        "config": as_dict(state.experiment), **same,
        "parameters": state.parameters, "classes": state.classes,
        **machine(state.device, state.precision, state.layout), **(extra or {}),
        "recorded_steps": state.recorded is not None,
        "wall_seconds": round(time.time() - started, 1),
        "segments_per_second": round(float(results.read_history(folder)
                                           ["segments_per_second"].median()), 1),
    }
    run = results.write(folder, predictions, manifest, weights)
    checkpoints.drop(folder)
    return run


def folds_to_learn(table, fold, train_folds=None):
    """The folds to learn from, by default all others; ValueError for the fold to predict."""
    train_folds = train_folds or sorted({int(f) for f in table.fold} - {fold})
    if fold in train_folds:
        raise ValueError(f"train_folds: found {train_folds}, expected folds other than {fold}")
    return train_folds


class State:
    """Everything that changes while one fold is trained, and what it predicts in the end."""

    def __init__(self, experiment, table, copies, fold, seed, train_folds, device):
        keep_freed_memory()
        self.experiment, self.table, self.copies = experiment, table, copies
        self.fold, self.seed, self.epoch = fold, seed, 0
        self.device = pick_device(device)
        forget_peak(self.device)
        self.precision = pick_precision(self.device)
        rows = np.flatnonzero(table.fold.isin(train_folds))
        for name, asked in (("fold", [fold]), ("train_folds", train_folds)):
            if not table.fold.isin(asked).any():
                raise ValueError(f"{name}: found {asked}, expected folds with clips: "
                                 f"{sorted({int(f) for f in table.fold})}")
        self.files = np.array([Path(path).name for path in table.path])[rows]
        self.targets = torch.from_numpy(table.target.to_numpy()[rows].copy())
        self.classes = class_names(table)
        self.n_classes = len(self.classes)
        self.segments = Segments(copies, rows, experiment.features, self.device)
        per_band = experiment.train.normalise == "band"
        self.mean, self.std = (m.to(self.device) for m in self.segments.moments(per_band))
        if not (self.std > 0).all():
            raise TrainingError("some channel or band of the training clips never varies, so it "
                                "cannot be normalised")
        torch.manual_seed(stable_seed(seed, fold, 0))
        model = network(experiment.model, self.n_classes)
        self.model = model.to(self.device)
        self.parameters = parameter_count(model)
        recipe = experiment.train
        self.average = MovingAverage(self.model, recipe.average) if recipe.average else None
        self.use_layout(pick_layout(self.precision, experiment.model.early_pooling))
        self.optimizer = make_optimizer(self.model, recipe, fused=self.device.type == "cuda")
        self.recorded = Recorded(self.model) if self.device.type == "cuda" else None

    def use_layout(self, name):
        """Keep kernels, like the maps, as ``lay`` gives them to the network."""
        self.layout = name
        for model in {self.model, self.final_model()}:
            model.to(memory_format=LAYOUTS[name])

    # -- one epoch ---------------------------------------------------------------------------

    def run_epoch(self, epoch):
        """Train for one epoch; returns its row of the history."""
        recipe = self.experiment.train
        started = time.time()
        rng = np.random.default_rng([self.seed, self.fold, epoch])
        torch.manual_seed(stable_seed(self.seed, self.fold, epoch))
        self.model.train()
        rows = self.segments.draw(recipe.segments, rng)
        n_steps = math.ceil(len(rows) / recipe.batch_size)
        batches = [rows[step::n_steps] for step in range(n_steps)]  # equal: no tiny last batch
        steps = []
        for step, batch in enumerate(batches):
            rate = learning_rate(recipe, (epoch - 1 + step / n_steps) / recipe.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            steps.append(self.step(batch, rng))
        loss, accuracy = self.finite(steps, batches, f"epoch {epoch}")
        self.must_have_finite_weights(batches[-1], f"epoch {epoch}, step {n_steps}")
        self.epoch = epoch
        seconds = time.time() - started
        return {
            "epoch": epoch, "loss": round(loss, 5), "accuracy": round(accuracy, 5),
            "learning_rate": rate,
            "segments": len(rows), "seconds": round(seconds, 2),
            "segments_per_second": round(len(rows) / seconds, 1),
        }

    def step(self, batch, rng):
        """One step of the optimizer on drawn rows (B, 3): (loss, norm of the gradient, hits).

        They stay on the device, which need not wait to be read from.
        """
        numbers = self.gradients(*self.inputs(batch, rng))  # one launch on a GPU
        self.optimizer.step()
        if self.average:
            self.average.update()
        return numbers

    def inputs(self, batch, rng):
        """The network's input (B, 2, n_bands, frames) for drawn rows, and targets (B, C)."""
        recipe = self.experiment.train
        labels = self.targets[batch[:, 0]]
        targets = sent(F.one_hot(labels, self.n_classes).float(), self.device)
        static = self.segments.static_of(batch)
        if recipe.gain_db:
            gain = rng.uniform(-1, 1, (len(batch), 1, 1)) * recipe.gain_db * math.log(10) / 10
            static += sent(gain.astype(np.float32), self.device)
        if recipe.colour_db:
            static = augment.colour(static, recipe.colour_db, rng)
        if recipe.mix_alpha:
            static, targets = augment.mix(static, targets, recipe.mix_alpha, rng)
        x = self.normalise(self.segments.with_delta(static))
        if recipe.freq_mask or recipe.time_mask:
            x = augment.mask(x, recipe.freq_mask, recipe.time_mask, rng)
        return self.lay(x), targets

    def gradients(self, x, targets):
        """``compute_gradients``, on a CUDA device replayed from a recording."""
        if self.recorded:
            return self.recorded(self.compute_gradients, x, targets)
        return self.compute_gradients(x, targets)

    def compute_gradients(self, x, targets):
        """Forwards and backwards; returns (loss, norm of the gradient, hits) as one tensor."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            logits = self.model(x)
        smoothing = self.experiment.train.label_smoothing
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=smoothing)
        loss.backward()
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in self.model.parameters() if p.grad is not None])
        hits = (logits.argmax(1) == targets.argmax(1)).sum()
        return torch.stack([loss.detach(), norm, hits.float()])

    def finite(self, steps, batches, where):
        """Mean loss and accuracy of an epoch from what its steps gave, read all at once.

        Raises TrainingError that names the files of the first batch whose loss or gradient are
        not numbers.
        """
        numbers = torch.stack(steps).cpu().double().numpy()
        for step, (row, batch) in enumerate(zip(numbers, batches, strict=True), 1):
            for name, value in zip(("loss", "the gradient's norm"), row, strict=False):
                if not math.isfinite(value):
                    raise self.error(f"{where}, step {step}: {name} is {value}", batch)
        sizes = [len(batch) for batch in batches]
        return np.average(numbers[:, 0], weights=sizes), numbers[:, 2].sum() / sum(sizes)

    def must_have_finite_weights(self, batch, where):
        """TrainingError like ``finite``, which does not see what the last step broke."""
        for model in {self.model, self.final_model()}:
            values = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
            if torch.isfinite(torch.nn.utils.get_total_norm(values.values())):
                continue  # asked of all at once: a GPU would have to be waited for at each
            for name, value in values.items():
                if not torch.isfinite(value).all():
                    raise self.error(f"{where}: {name} is not finite after it", batch)

    def error(self, what, batch):
        """The TrainingError that names the files of a batch."""
        files = ", ".join(sorted(set(self.files[batch[:, 0]])))
        return TrainingError(f"{what}; the batch: {files}")

    def normalise(self, x):
        return (x - self.mean.view(1, 2, -1, 1)) / self.std.view(1, 2, -1, 1)

    def lay(self, x):
        return x.contiguous(memory_format=LAYOUTS[self.layout])

    def autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    # -- prediction --------------------------------------------------------------------------

    def final_model(self):
        return self.average.module if self.average else self.model

    def predict(self, rows, attention=True):
        """Probabilities of clips after the vote; attention as ``results.Run`` keeps it, or None."""
        config = self.experiment.features
        segments = Segments(self.copies[:1], rows, config, self.device)
        drawn = segments.all()
        chances, weights = self.probabilities(segments, drawn)
        majority = self.experiment.train.vote == "majority"
        chances = evaluate.vote(chances, drawn[:, 0], majority)
        clips = self.table.iloc[rows].reset_index(drop=True)
        kept = None
        if attention and self.model_attends():
            kept = self.all_attention(segments, clips, drawn, weights)
            if self.fold == 1:  # pictures are large: one fold keeps them
                kept |= self.attention_maps(segments, clips)
        return results.prediction_table(clips, chances), kept

    def probabilities(self, segments, drawn):
        """Softmax (S, C) and attention (S, T') of drawn segments, float64."""
        model = self.final_model().eval()
        chances, weights = [], []
        with torch.inference_mode():
            for batch in np.array_split(drawn, math.ceil(len(drawn) / EVAL_BATCH)):
                static = segments.static_of(batch)
                x = self.normalise(segments.with_delta(static))
                with self.autocast():
                    logits, attention = model(self.lay(x), True)
                chances.append(logits.cpu().double().softmax(1))  # an Apple GPU has no float64
                weights.append(attention.cpu().double())
        return torch.cat(chances).numpy(), torch.cat(weights).numpy()

    def model_attends(self):
        """False for systems whose weights over frames say nothing; the mean is a control."""
        return self.experiment.model.network in ("acrnn", "attention-rnn")

    def all_attention(self, segments, clips, drawn, weights):
        """Attention of every test segment, and its frames' energy as a weight to compare with."""
        energy = [frame_energy(segments.static_of(rows), weights.shape[1], segments)
                  for rows in np.array_split(drawn, math.ceil(len(drawn) / EVAL_BATCH))]
        hop = segments.config.hop_length / segments.config.sample_rate
        return {"all_clips": clips.clip_id.to_numpy(dtype=str)[drawn[:, 0]],
                "all_starts": drawn[:, 2] * hop, "all_weights": weights.astype(np.float32),
                "all_energy": np.concatenate(energy), "hop_seconds": np.float64(hop)}

    def attention_maps(self, segments, clips):
        """The first clip of each class: attention of all its segments, over its spectrogram."""
        first = clips.drop_duplicates("target").sort_values("target")
        starts = segment_starts(segments.n_frames, segments.config)
        drawn = np.array([(clip, 0, start) for clip in first.index for start in starts])
        chances, weights = self.probabilities(segments, drawn)
        shape = (len(first), len(starts))
        static = torch.from_numpy(segments.copies[0][segments.rows[first.index]]).float()
        low, high = static.min().item(), static.max().item()
        image = ((static - low) / (high - low) * 255).round().to(torch.uint8).numpy()
        hop = segments.config.hop_length / segments.config.sample_rate
        return {
            "clip_id": first.clip_id.to_numpy(dtype=str), "target": first.target.to_numpy(),
            "attention": weights.reshape(*shape, -1).astype(np.float32),
            "probabilities": chances.reshape(*shape, -1).astype(np.float32),
            "segment_starts": starts * hop, "hop_seconds": np.float64(hop),
            "log_gammatone": image, "log_range": np.array([low, high]),
        }

    def save_model(self, folder, same=None):
        """Write model.safetensors: the final weights and all that ``predict`` needs.

        same : what the run is, see ``identity.identity``
        """
        tensors = {k: v.detach().cpu().contiguous()
                   for k, v in self.final_model().state_dict().items()}
        tensors |= {"feature_mean": self.mean.cpu(), "feature_std": self.std.cpu()}
        note = {"experiment": as_dict(self.experiment), "classes": self.classes,
                "fold": self.fold, "seed": self.seed, "run": same}
        metadata = {"acrnn": json.dumps(note)}
        results.write_bytes(Path(folder) / "model.safetensors", save(tensors, metadata))


def make_optimizer(model, recipe, fused=False):
    """SGD with Nesterov momentum or AdamW; decay acts on weights, not on biases and norms."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay},
              {"params": others, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=True,
                               fused=fused)
    return torch.optim.AdamW(groups, recipe.learning_rate, fused=fused)


def learning_rate(recipe, progress):
    """The rate at a point of training, progress from 0 to 1.

    step: a tenth after each third. onecycle: up over the first quarter, down to 0 as a cosine.
    """
    if recipe.schedule == "step":
        return recipe.learning_rate * 0.1 ** min(int(progress * 3), 2)
    rise = 0.25
    if progress < rise:
        return recipe.learning_rate * (0.04 + 0.96 * progress / rise)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


def stable_seed(*parts):
    """One 63-bit seed from several whole numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
