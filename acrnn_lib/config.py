"""What an experiment is: frozen settings, named experiments, profiles, and a stable hash.

An experiment is the base below plus a few named differences; a profile adds what the machine can
afford. Nothing else may change a run, so the hash of all settings names it.

Notebook: 06_training_on_a_gpu
"""

import dataclasses
import difflib
import hashlib
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FeatureConfig:
    """The front end. Values without a note are the paper's. Notebook: 02_gammatone_features"""

    sample_rate: int = 44100  # Hz
    clip_seconds: float = 5.0  # s; shorter clips are zero-padded, longer ones cut
    n_fft: int = 1024  # samples, 23 ms
    hop_length: int = 512  # samples, 50 % overlap
    n_bands: int = 128
    f_min: float = 50.0  # Hz; not in the paper: below lies mostly wind and handling noise
    f_max: float = 22050.0  # Hz; not in the paper: up to the Nyquist frequency, nothing left out
    log_floor: float = 1e-6  # not in the paper: about the rounding noise of 16-bit audio in the
    # highest bands, over it in the others, so that neither it nor digital silence rules the log
    delta_width: int = 9  # frames; not in the paper: librosa's default, 0.1 s of context
    segment_frames: int = 128  # frames, 1.49 s
    segment_hop: int = 64  # frames, 50 % overlap
    silence_db: float = 60.0  # dB; not in the paper: a segment whose loudest frame lies this far
    # under the clip's loudest frame is silent; relative to the clip, so never all of a clip


@dataclass(frozen=True)
class BankConfig:
    """Augmented copies of each training clip. Notebook: 03_augmentation"""

    copies: int = 4  # beside the original; the paper gives no number
    stretch: tuple[float, float] = (0.8, 1.3)  # rate, uniform; over 1 is faster
    shift: tuple[float, float] = (-3.5, 3.5)  # semitones, uniform
    seed: int = 0
    vocoder: int = 2  # counts the changes of augment.py that can be heard


@dataclass(frozen=True)
class ModelConfig:
    """The network's open points. Notebook: 04_the_model_layer_by_layer"""

    attention: str = "l10"  # none, l2, l4, l6, l8 or l10
    scaling: str = "softmax"  # or sigmoid
    rnn: str = "gru"  # or lstm
    directions: str = "sum"  # or concat; the sum matches the published 3.81 M parameters
    rnn_cells: int = 256
    dropout: float = 0.5
    early_pooling: bool = False  # not the paper's: see acrnn.EARLY_STRIDE
    init_std: float = 0.05  # weights from N(0, std), an assumption; 0 keeps PyTorch's defaults

    def __post_init__(self):
        _one_of("attention", self.attention, ("none", "l2", "l4", "l6", "l8", "l10"))
        _one_of("scaling", self.scaling, ("softmax", "sigmoid"))
        _one_of("rnn", self.rnn, ("gru", "lstm"))
        _one_of("directions", self.directions, ("sum", "concat"))


@dataclass(frozen=True)
class TrainConfig:
    """The recipe. The defaults are the paper's, as far as they are known: an assumption.

    Notebook: 06_training_on_a_gpu
    """

    epochs: int = 300
    batch_size: int = 200  # segments
    segments: int = 0  # drawn at random per clip and epoch; 0: all of them, at fixed places
    optimizer: str = "sgd"  # Nesterov momentum; or adamw
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 2e-4  # on weights only; for SGD equal to an L2 penalty of 1e-4
    schedule: str = "step"  # divided by 10 after each third; or onecycle
    mix_alpha: float = 0.0  # Beta(alpha, alpha) shares of mixed sounds; 0: off
    freq_mask: int = 0  # bands, widest
    time_mask: int = 0  # frames, widest
    gain_db: float = 0.0  # dB, widest random change of level
    label_smoothing: float = 0.0
    average: float = 0.0  # decay per step of the averaged weights; 0: the last weights

    def __post_init__(self):
        _one_of("optimizer", self.optimizer, ("sgd", "adamw"))
        _one_of("schedule", self.schedule, ("step", "onecycle"))
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: found {getattr(self, name)}, expected at least 1")


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run, but for its data, fold and seed."""

    name: str
    profile: str
    about: str
    features: FeatureConfig = field(default_factory=FeatureConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class Profile:
    """What a machine can afford: which folds, how much of the data, how long."""

    about: str
    folds: tuple[int, ...] = (1, 2, 3, 4, 5)
    clips: int | None = None  # per class and fold; None: all
    changes: dict = field(default_factory=dict)  # to the base, before those of the experiment


PROFILES = {
    "smoke": Profile(
        "first contact and tests: a few clips, one fold, minutes",
        folds=(1,),
        clips=3,
        changes={"train.epochs": 4, "train.batch_size": 16, "train.segments": 2, "bank.copies": 1},
    ),
    "lite": Profile(
        "a laptop: all clips, a short schedule",
        changes={"train.epochs": 20, "train.batch_size": 32, "train.segments": 3},
    ),
    "paper": Profile("a GPU: the paper's recipe and epochs"),
}

# name: what it is, its differences from the base, further differences by profile
EXPERIMENTS = {
    "acrnn": ("the paper's network and recipe", {}, {}),
    "crnn": ("without attention: the mean over frames", {"model.attention": "none"}, {}),
    "acrnn-noaug": ("without augmentation", {"bank.copies": 0}, {}),
    "crnn-noaug": (
        "without attention and augmentation",
        {"model.attention": "none", "bank.copies": 0},
        {},
    ),
    "acrnn-plus": (
        "pooling moved into the first layer, a modern recipe",
        {
            "model.early_pooling": True,
            "model.init_std": 0.0,
            "train.optimizer": "adamw",
            "train.learning_rate": 2e-3,
            "train.weight_decay": 0.05,
            "train.schedule": "onecycle",
            "train.mix_alpha": 0.2,
            "train.freq_mask": 8,
            "train.time_mask": 8,
            "train.gain_db": 6.0,
            "train.average": 0.99,
        },
        {"lite": {"train.epochs": 40}},
    ),
}


def experiment(name, profile="lite", changes=None):
    """Build a named experiment for a profile.

    Parameters
    ----------
    name : one of EXPERIMENTS
    profile : one of PROFILES
    changes : dict, e.g. {"train.epochs": 10}; values may be text. The name then says so.

    Raises ValueError for an unknown name, setting or value, naming the nearest valid one.
    Notebook: 06_training_on_a_gpu
    """
    about, differences, by_profile = EXPERIMENTS[known("experiment", name, EXPERIMENTS)]
    base = PROFILES[known("profile", profile, PROFILES)].changes
    settings = {**base, **differences, **by_profile.get(profile, {}), **(changes or {})}
    title = "+".join([name, *(f"{key}={value}" for key, value in (changes or {}).items())])
    result = Experiment(title, profile, about)
    for key, value in settings.items():
        result = _changed(result, key, value)
    return result


def _changed(result, key, value):
    room, _, name = key.partition(".")
    rooms = [f.name for f in dataclasses.fields(Experiment)][3:]
    part = getattr(result, known("setting", room, rooms))
    known(f"setting of {room}", name, [f.name for f in dataclasses.fields(part)])
    old = getattr(part, name)
    if isinstance(value, str) and not isinstance(old, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError(f"{key}: found {value!r}, expected a number") from None
    if isinstance(old, tuple):
        value = tuple(value)
    elif isinstance(old, float) and isinstance(value, int):
        value = float(value)
    if type(value) is not type(old):
        raise ValueError(f"{key}: found {value!r}, expected a {type(old).__name__}")
    return dataclasses.replace(result, **{room: dataclasses.replace(part, **{name: value})})


def as_dict(config):
    """A config as plain nested dicts and lists, ready for JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def config_hash(config):
    """Twelve hex digits that change with any setting; an experiment's name does not count."""
    settings = {k: v for k, v in as_dict(config).items() if k not in ("name", "profile", "about")}
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def known(kind, name, choices):
    """Return name if it is among the choices; else raise ValueError with the nearest one."""
    if name in choices:
        return name
    near = difflib.get_close_matches(str(name), [str(c) for c in choices], 1, 0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"unknown {kind} {name!r}{hint} Known: {', '.join(map(str, choices))}")


def _one_of(option, value, choices):
    if value not in choices:
        raise ValueError(f"{option}: found {value!r}, expected one of {', '.join(choices)}")
