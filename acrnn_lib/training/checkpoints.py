"""Checkpoints: a fold's training written after its epochs, and resumed exactly.

The tensors lie in a safetensors file. A JSON beside it is written last and names them by SHA-256:
half-written files of an interrupted process are never read.

Notebook: 00_start_here, 06_training_on_a_gpu
"""

import hashlib
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as as_bytes

from ..evaluation import results
from ..evaluation.results import CHECKPOINT
from ..files import read_json, write_bytes


class Keeper:
    """Resumes a training from its folder and writes its checkpoints from then on.

    Parameters
    ----------
    state : loop.Trainer
    folder : Path or str
        Run folder.
    same : dict
        Identity of the run, written into each checkpoint.
    started : float, s
        ``time.time()`` at the start of the training.
    pause : float, s
        Minimum time between two checkpoints.

    Attributes
    ----------
    before : float, s
        Training time spent before this start.

    Raises
    ------
    ResultsError
        As ``resume``.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, state, folder: Path | str, same: dict, started: float, pause: float):
        self.state, self.folder, self.same, self.pause = state, folder, same, pause
        self.before, self.started = resume(state, folder), started
        self.epoch, self.written = state.epoch, time.monotonic()

    def when_due(self) -> None:
        """Write a checkpoint after an epoch, if the last one is ``pause`` seconds old."""
        if time.monotonic() - self.written >= self.pause:
            self.now()

    def now(self) -> None:
        """Write the last finished epoch, unless it is written already."""
        if self.state.epoch > self.epoch:
            seconds = self.before + time.time() - self.started
            save(self.state, self.folder, seconds, self.same)
            self.epoch, self.written = self.state.epoch, time.monotonic()


def tensors(state) -> dict[str, torch.Tensor]:
    """All state of a loop.Trainer by name, on the CPU; the optimizer's by its parameter's name."""
    found = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    if state.average:
        found |= {f"average.{k}": v for k, v in state.average.module.state_dict().items()}
    for name, parameter in state.model.named_parameters():
        for key, value in state.optimizer.state.get(parameter, {}).items():
            if value is not None:
                found[f"optimizer.{name}.{key}"] = torch.as_tensor(value)
    return {k: v.detach().cpu().contiguous() for k, v in found.items()}


def save(state, folder: Path | str, seconds: float, same: dict) -> None:
    """Write a checkpoint; its JSON, written last, names the tensors and makes it valid.

    Parameters
    ----------
    state : loop.Trainer
    folder : Path or str
        Run folder; older checkpoints in it are removed.
    seconds : float, s
        Training time so far.
    same : dict
        Identity of the run, in which a run that resumes it must agree.
    """
    folder = Path(folder)
    data = as_bytes(tensors(state))
    name = f"checkpoint-{state.epoch}.safetensors"
    write_bytes(folder / name, data)
    note = {
        **same, "epoch": state.epoch, "file": name,
        "sha256": hashlib.sha256(data).hexdigest(), "precision": state.precision,
        "layout": state.layout, "averaged": state.average.steps if state.average else 0,
        "seconds": round(seconds, 1), "threads": torch.get_num_threads(),
    }
    note["note_sha256"] = results.note_hash(note)
    write_bytes(folder / CHECKPOINT, json.dumps(note, indent=1).encode())
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def resume(state, folder: Path | str) -> float:
    """Load the folder's checkpoint into a loop.Trainer; without one the history is emptied.

    Parameters
    ----------
    state : loop.Trainer
    folder : Path or str
        Run folder.

    Returns
    -------
    float, s
        Training time spent before it.

    Raises
    ------
    ResultsError
        For a checkpoint that changed since it was written, or of an earlier version.
    """
    folder = Path(folder)
    if not (folder / CHECKPOINT).exists():
        results.truncate_history(folder, 0)
        return 0.0
    note = results.read_note(folder / CHECKPOINT)
    path = folder / note["file"]
    data = path.read_bytes()  # not mapped: Windows removes no file that is
    if hashlib.sha256(data).hexdigest() != note["sha256"]:
        raise results.ResultsError(f"{path}: changed since it was written; remove it and "
                                   f"{CHECKPOINT} to train this fold from the start")
    if "averaged" not in note:
        raise results.ResultsError(f"{path}: of an earlier version; remove it and {CHECKPOINT} to "
                                   "train this fold from the start")
    stored = from_bytes(data)
    state.precision = note["precision"]
    state.use_layout(note["layout"])
    torch.set_num_threads(note["threads"])  # sums in another order would end elsewhere

    def part(prefix):
        return {k[len(prefix):]: v for k, v in stored.items() if k.startswith(prefix)}

    state.model.load_state_dict(part("model."))
    if state.average:
        state.average.module.load_state_dict(part("average."))
        state.average.steps = note["averaged"]
    fused = state.optimizer.defaults["fused"]  # then the steps are counted on the device
    count = state.device if fused else torch.device("cpu")
    for name, parameter in state.model.named_parameters():
        moments = part(f"optimizer.{name}.")
        state.optimizer.state[parameter] = {
            key: value.to(count) if key == "step" else torch.empty_like(parameter).copy_(value)
            for key, value in moments.items()
        }
    state.epoch = note["epoch"]
    results.truncate_history(folder, state.epoch)
    return note["seconds"]


def last(folder: Path | str) -> str:
    """Epoch and path of a folder's checkpoint, or "none", for messages."""
    path = Path(folder) / CHECKPOINT
    return f"epoch {read_json(path)['epoch']}, in {path}" if path.exists() else "none"


def drop(folder: Path | str) -> None:
    """Remove the checkpoints and half-written files of a finished run."""
    for pattern in ("checkpoint*", ".*.tmp"):
        for path in Path(folder).glob(pattern):
            path.unlink(missing_ok=True)
