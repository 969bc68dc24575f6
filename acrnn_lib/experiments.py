"""Named experiments and profiles.

An experiment is the base of ``config`` plus a few named differences; a profile adds what the
machine can afford.

Notebook: 06_training_on_a_gpu
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from .config import NAMES, READS, Experiment, known


@dataclass(frozen=True)
class Profile:
    """Amount of work for a machine: which folds, how much of the data, how long."""

    about: str  #: for whom
    folds: tuple[int, ...] | None = None  #: None: all of the data set's
    clips: int | None = None  #: per class and fold; None: all
    changes: dict = field(default_factory=dict)  #: to the base, before those of the experiment


PROFILES = {
    "smoke": Profile(
        "first contact and tests: a few clips, one fold, minutes",
        folds=(1,),
        clips=2,
        changes={"train.epochs": 4, "train.batch_size": 16, "train.segments": 2, "bank.copies": 1},
    ),
    "lite": Profile(
        "a laptop: all clips, a short schedule",
        changes={"train.epochs": 20, "train.batch_size": 32, "train.segments": 3},
    ),
    "paper": Profile("a GPU: long schedules; for acrnn the paper's recipe, as assumed"),
}

# a recipe that has become usual since the paper
MODERN = {
    "model.init_std": 0.0,
    "train.optimizer": "adamw",
    "train.learning_rate": 2e-3,
    "train.weight_decay": 0.05,
    "train.schedule": "onecycle",
}
# classical systems are fitted in one step, on the clips without augmented copies
ONE_STEP = {"features.scale": "mel", "bank.copies": 0, "train.epochs": 1}

# name: what it is, its differences from the base, further differences by profile
EXPERIMENTS = {
    "acrnn": ("the paper's network, its recipe as assumed", {}, {}),
    "crnn": ("without attention: the mean over frames", {"model.attention": "none"}, {}),
    "acrnn-noaug": ("without augmentation", {"bank.copies": 0}, {}),
    "crnn-noaug": (
        "without attention and augmentation",
        {"model.attention": "none", "bank.copies": 0},
        {},
    ),
    # of four other readings of the paper the best inside the training folds: results/README.md
    "acrnn-best-reading": (
        "as acrnn, but copies stretched or shifted, all in every epoch: our choice",
        {"bank.combine": "either", "train.copies": "all"},
        # as many steps as acrnn takes
        {"smoke": {"train.epochs": 2}, "lite": {"train.epochs": 4}, "paper": {"train.epochs": 60}},
    ),
    "acrnn-plus": (
        "pooling moved into the first layer, a modern recipe",
        {
            **MODERN,
            "model.early_pooling": True,
            "train.mix_alpha": 0.2,
            "train.freq_mask": 8,
            "train.time_mask": 8,
            "train.gain_db": 6.0,
            "train.colour_db": 12.0,
            "train.average": 0.99,
        },
        {
            "lite": {"train.epochs": 40},
            "paper": {"train.epochs": 150, "train.batch_size": 64, "train.segments": 3,
                      "train.mix_alpha": 1.0},
        },
    ),
    # baseline networks and classical systems
    "mfcc-gmm": ("a Gaussian mixture per class on cepstral frames",
                 {**ONE_STEP, "model.network": "mfcc-gmm"}, {}),
    "mfcc-rnn": ("two recurrent layers on cepstral frames",
                 {**MODERN, "features.scale": "mel", "model.network": "mfcc-rnn"}, {}),
    "rgb-cnn": ("a log-mel spectrogram as a coloured picture, five convolutions",
                {**MODERN, "features.scale": "mel", "model.network": "rgb-cnn"}, {}),
    "parallel": ("recurrent layers beside convolutions",
                 {**MODERN, "model.network": "parallel"}, {}),
    "attention-rnn": ("recurrent layers and attention, no convolutions",
                      {**MODERN, "model.network": "attention-rnn"}, {}),
    "knn": ("nearest neighbours on statistics of cepstra",
            {**ONE_STEP, "model.network": "knn"}, {}),
    "svm": ("linear support vectors on statistics of cepstra",
            {**ONE_STEP, "model.network": "svm"}, {}),
    "forest": ("500 trees on statistics of cepstra",
               {**ONE_STEP, "model.network": "forest"}, {}),
    # attention placement and scaling, kind of cell
    **{f"att-{layer}": (f"attention after the pool of {layer}", {"model.attention": layer}, {})
       for layer in ("l2", "l4", "l6", "l8")},
    "sigmoid": ("attention at l10, scaled by sigmoids", {"model.scaling": "sigmoid"}, {}),
    "lstm": ("LSTM cells in place of GRU", {"model.rnn": "lstm"}, {}),
    # ambiguity register: one detail each that the paper does not specify
    "open-concat": ("directions concatenated", {"model.directions": "concat"}, {}),
    "open-range": ("filters up to 16 kHz only", {"features.f_max": 16000.0}, {}),
    "open-floor": ("a log floor of 1e-10", {"features.log_floor": 1e-10}, {}),
    "open-delta": ("delta over 3 frames", {"features.delta_width": 3}, {}),
    "open-silence": ("silent segments kept", {"features.silence_db": 1e9}, {}),
    "open-band": ("each band normalised by itself", {"train.normalise": "band"}, {}),
    "open-copies": ("one augmented copy for four", {"bank.copies": 1}, {}),
    "open-either": ("a copy is stretched or shifted, not both", {"bank.combine": "either"}, {}),
    "open-vote": ("segments vote by majority", {"train.vote": "majority"}, {}),
    "open-adamw": ("AdamW, one cycle, the usual first weights", MODERN, {}),
    "open-epochs": ("twice the epochs", {}, {"lite": {"train.epochs": 40},
                                             "paper": {"train.epochs": 600},
                                             "smoke": {"train.epochs": 8}}),
    "open-decay": ("half the weight decay", {"train.weight_decay": 1e-4}, {}),
    "open-gain": ("attention after l6 multiplies by the weight alone",
                  {"model.attention": "l6", "model.keep_scale": False}, {}),
}


def experiment(
    name: str, profile: str = "lite", changes: dict[str, Any] | None = None
) -> Experiment:
    """Build a named experiment for a profile.

    Parameters
    ----------
    name : str
        One of EXPERIMENTS.
    profile : str
        One of PROFILES.
    changes : dict, optional
        E.g. {"train.epochs": 10}; values may be text. They become part of the name.

    Returns
    -------
    Experiment

    Raises
    ------
    ValueError
        An unknown name, setting or value; the message suggests the nearest valid one.

    Notebook: 06_training_on_a_gpu
    """
    about, differences, by_profile = EXPERIMENTS[known("experiment", name, EXPERIMENTS)]
    base = PROFILES[known("profile", profile, PROFILES)].changes
    settings = {**base, **differences, **by_profile.get(profile, {}), **(changes or {})}
    title = "+".join([name, *(f"{key}={value}" for key, value in (changes or {}).items())])
    result, parts = Experiment(title, profile, about), {}
    for key, value in settings.items():
        room, name, value = _converted(result, key, value)
        parts.setdefault(room, {})[name] = value
    # all at once: a setting may be valid only together with another one
    result = dataclasses.replace(result, **{
        room: dataclasses.replace(getattr(result, room), **values)
        for room, values in parts.items()})
    network = result.model.network
    for key in changes or {}:
        if network in READS and key.startswith("model.") and key != "model.network" and (
                key.removeprefix("model.") not in READS[network]):
            raise ValueError(f"{key}: {network} does not read this setting")
    return result


def _converted(result, key, value):
    """(part of the experiment, name of the setting, value of its type); ValueError for others."""
    room, _, name = key.partition(".")
    rooms = [f.name for f in dataclasses.fields(Experiment)][3:]
    part = getattr(result, known("setting", room, rooms))
    kinds = {f.name: f.type for f in dataclasses.fields(part)}
    old = getattr(part, known(f"setting of {room}", name, kinds))
    try:
        of_names = kinds[name] == NAMES
        if isinstance(value, str) and of_names:
            value = [part for part in value.split(",") if part]
        elif isinstance(value, str) and not isinstance(old, str):
            value = json.loads(value)
        if isinstance(value, list | tuple) and of_names:
            value = tuple(map(str, value))
        elif isinstance(old, tuple) and isinstance(value, list | tuple):
            value = tuple(float(x) for x in value)
        elif isinstance(old, float) and type(value) is int:
            value = float(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{key}: found {value!r}, expected a number") from None
    if type(value) is not type(old):
        raise ValueError(f"{key}: found {value!r}, expected a {type(old).__name__}")
    return room, name, value
