"""Settings of an experiment: frozen dataclasses with the paper's values, and a stable hash.

Nothing else may change a run, so the hash of all settings identifies it. ``experiments`` has the
named experiments.

Notebook: 06_training_on_a_gpu
"""

import dataclasses
import difflib
import hashlib
import json
import math
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .registry import AUGMENTATIONS, CHANNELS
from .registry import NETWORKS as REGISTERED

NAMES = tuple[str, ...]  # the type of a setting that lists names


@dataclass(frozen=True)
class FeatureConfig:
    """Settings of the front end. Values without a note are the paper's.

    Notebook: 02_gammatone_features
    """

    sample_rate: int = 44100  #: Hz
    clip_seconds: float = 5.0  #: s; shorter clips are zero-padded, longer ones cut
    n_fft: int = 1024  #: samples, 23 ms
    hop_length: int = 512  #: samples, 50 % overlap
    n_bands: int = 128  #: filters
    f_min: float = 50.0  #: Hz; not in the paper: below lies mostly wind and handling noise
    f_max: float = 22050.0  #: Hz; not in the paper: the Nyquist frequency
    #: not in the paper: about the rounding noise of 16-bit audio in the highest bands, above
    #: it in the others, so that neither it nor silence dominates the log
    log_floor: float = 1e-6
    delta_width: int = 9  #: frames; not in the paper: librosa's default, 0.1 s of context
    segment_frames: int = 128  #: frames, 1.49 s
    segment_hop: int = 64  #: frames, 50 % overlap
    #: dB; not in the paper: a segment whose loudest frame lies this far under the clip's
    #: loudest frame is silent; relative to the clip, so never all of a clip
    silence_db: float = 60.0
    scale: str = "gammatone"  #: of the filters; or mel
    channels: NAMES = ("static", "delta")  #: of the input; see registry.register_channel

    FIRST: ClassVar = ("sample_rate clip_seconds n_fft hop_length n_bands f_min f_max log_floor "
                       "delta_width segment_frames segment_hop silence_db").split()

    def __post_init__(self):
        _one_of("scale", self.scale, ("gammatone", "mel"))
        for name in self.channels:
            _one_of("channels", name, ("static", "delta", *CHANNELS))
        if len(set(self.channels)) < max(1, len(self.channels)):
            raise ValueError(f"channels: found {self.channels}, expected different names, at "
                             "least one")
        _in_range(self, ("sample_rate", "clip_seconds", "n_fft", "hop_length", "n_bands",
                         "segment_frames", "segment_hop"))
        if self.delta_width < 3 or self.delta_width % 2 == 0:
            raise ValueError(f"delta_width: found {self.delta_width}, expected an odd number of at "
                             "least 3")
        if not self.f_min < self.f_max <= self.sample_rate / 2:
            raise ValueError(f"f_min, f_max: found {self.f_min}, {self.f_max}, expected f_min "
                             "below f_max and f_max at most half the sample_rate")
        samples, least = self.clip_seconds * self.sample_rate, self.segment_frames - 1
        if samples + 0.5 < least * self.hop_length:
            raise ValueError(f"clip_seconds, sample_rate: found {samples:g} samples, expected at "
                             f"least a segment: segment_frames {self.segment_frames} with "
                             f"hop_length {self.hop_length}")


@dataclass(frozen=True)
class BankConfig:
    """Settings of the augmented copies of each training clip.

    Notebook: 03_augmentation
    """

    copies: int = 4  #: beside the original; the paper gives no number
    stretch: tuple[float, float] = (0.8, 1.3)  #: rate, uniform; over 1 is faster
    shift: tuple[float, float] = (-3.5, 3.5)  #: semitones, uniform
    seed: int = 0  #: of the random rates and shifts
    vocoder: int = 2  #: version of augment.py's vocoder, raised with each audible change
    combine: str = "both"  #: on each copy; or either, each with probability 1/2; not in the paper

    FIRST: ClassVar = "copies stretch shift seed vocoder".split()

    def __post_init__(self):
        _one_of("combine", self.combine, ("both", "either"))
        _in_range(self)
        if self.stretch[0] <= 0:
            raise ValueError(f"stretch: found {self.stretch}, expected rates over 0")


DATASETS = ("synth", "clips", "esc10", "esc50", "esc10-16k", "esc50-16k", "folder")


def dataset_label(name: str) -> str:
    """Name of a data set for tables and figures: the copies say what they are.

    Notebook: 07_result_tables
    """
    return f"{name} (16 kHz, 8-bit copy)" if name != original(name) else name


def run_label(dataset: str, profile: str) -> str:
    """Profile and data set for the titles of a notebook, such as "smoke: synthetic".

    Notebook: 00_start_here
    """
    return f"{profile}: {'synthetic' if dataset == 'synth' else dataset_label(dataset)}"


def original(name: str) -> str:
    """Name of the data set that a copy was made from; of any other its own.

    Notebook: 07_result_tables
    """
    return name.removesuffix("-16k")


def trainable(name: str) -> str:
    """Return the name of a data set that can be trained on.

    Raises
    ------
    ValueError
        For ``clips``.

    Notebook: 00_start_here
    """
    if name == "clips":
        raise ValueError("data set clips: a few sounds to listen to and to classify, too few to "
                         "train and test on; expected synth, or esc10 (fetched by `python -m "
                         "acrnn_lib data esc10`)")
    return name


PRECISIONS = ("float32", "bf16")  # of the arithmetic; chosen by the machine, not a setting

# baseline and classical systems: notebook 11_six_systems
NETWORKS = ("acrnn", "mfcc-rnn", "rgb-cnn", "parallel", "attention-rnn")
# settings of the ModelConfig that each system uses; the ACRNN uses all
_RECURRENT = ("rnn", "rnn_cells", "directions", "dropout")
CLASSICAL = ("mfcc-gmm", "knn", "svm", "forest")
READS = {"mfcc-rnn": _RECURRENT, "parallel": _RECURRENT, "rgb-cnn": ("dropout",),
         "attention-rnn": (*_RECURRENT, "scaling"), **dict.fromkeys(CLASSICAL, ())}
SYSTEMS = NETWORKS + CLASSICAL


@dataclass(frozen=True)
class ModelConfig:
    """Settings of the network, for what the paper does not specify.

    Notebook: 04_the_model_layer_by_layer
    """

    attention: str = "l10"  #: none, l2, l4, l6, l8 or l10
    scaling: str = "softmax"  #: or sigmoid
    rnn: str = "gru"  #: or lstm
    directions: str = "sum"  #: or concat; the sum matches the published 3.81 M parameters
    rnn_cells: int = 256  #: in each direction
    dropout: float = 0.5  #: probability
    early_pooling: bool = False  #: not in the paper: see acrnn.EARLY_STRIDE
    init_std: float = 0.05  #: weights from N(0, std), an assumption; 0 keeps PyTorch's defaults
    network: str = "acrnn"  #: one of SYSTEMS, or registered: see registry.register_network
    #: attention in the CNN multiplies by frames x weight, so that uniform weights change
    #: nothing; False: by the weight alone
    keep_scale: bool = True
    dropout_on: str = "outputs"  #: of the recurrent layers; or inputs; not in the paper
    parts: int = 1  #: of a segment, heard one by one; over 1 a second attention weighs them

    FIRST: ClassVar = ("attention scaling rnn directions rnn_cells dropout early_pooling "
                       "init_std").split()

    def __post_init__(self):
        _one_of("network", self.network, dict.fromkeys((*SYSTEMS, *REGISTERED)))
        _one_of("attention", self.attention, ("none", "l2", "l4", "l6", "l8", "l10"))
        _one_of("scaling", self.scaling, ("softmax", "sigmoid"))
        _one_of("rnn", self.rnn, ("gru", "lstm"))
        _one_of("dropout_on", self.dropout_on, ("outputs", "inputs"))
        _one_of("directions", self.directions, ("sum", "concat"))
        _in_range(self, ("rnn_cells", "parts"), ("dropout",))
        if self.parts > 1 and self.attention != "l10":
            raise ValueError(f"parts: found {self.parts}, expected 1 for attention "
                             f"{self.attention}: a second attention needs a first at l10")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of the training. The defaults are the paper's where it states them, else assumed.

    Notebook: 06_training_on_a_gpu
    """

    epochs: int = 300  #: all of them; the last one is tested
    batch_size: int = 200  #: segments
    segments: int = 0  #: random positions per clip and epoch; 0: all fixed positions
    optimizer: str = "sgd"  #: Nesterov momentum; or adamw
    learning_rate: float = 0.01  #: the highest of the schedule
    momentum: float = 0.9  #: of SGD
    weight_decay: float = 2e-4  #: on weights only; for SGD equal to an L2 penalty of 1e-4
    schedule: str = "step"  #: learning rate divided by 10 after each third; or onecycle
    mix_alpha: float = 0.0  #: mixup with shares from Beta(alpha, alpha); 0: off
    freq_mask: int = 0  #: bands, widest
    time_mask: int = 0  #: frames, widest
    gain_db: float = 0.0  #: dB, widest random change of level
    label_smoothing: float = 0.0  #: share of the target spread over all classes
    average: float = 0.0  #: EMA decay of the weights per step; 0: the last weights
    normalise: str = "channel"  #: mean and deviation per channel; or band: per channel and band
    colour_db: float = 0.0  #: dB, widest gain of random filters
    vote: str = "mean"  #: of the segments' probabilities; or majority
    copies: str = "one"  #: of each clip in an epoch, drawn at random; or all of them
    augmentations: NAMES = ()  #: registered ones: see registry.register_augmentation
    shortest: int = 0  #: frames, of windows of random length in training; 0: whole segments
    mix_on: str = "energies"  #: or waves: with their interference, before the front end
    sam: float = 0.0  #: radius of sharpness-aware minimisation, two passes a step; 0: off

    FIRST: ClassVar = ("epochs batch_size segments optimizer learning_rate momentum weight_decay "
                       "schedule mix_alpha freq_mask time_mask gain_db label_smoothing "
                       "average").split()

    def __post_init__(self):
        for name in self.augmentations:
            _one_of("augmentations", name, AUGMENTATIONS)
        _one_of("normalise", self.normalise, ("channel", "band"))
        _one_of("vote", self.vote, ("mean", "majority"))
        _one_of("copies", self.copies, ("one", "all"))
        _one_of("mix_on", self.mix_on, ("energies", "waves"))
        _one_of("optimizer", self.optimizer, ("sgd", "adamw"))
        _one_of("schedule", self.schedule, ("step", "onecycle"))
        _in_range(self, ("epochs", "batch_size"), ("momentum", "label_smoothing", "average"))
        if 0 < self.shortest < 18:
            raise ValueError(f"shortest: found {self.shortest}, expected 0 or at least 18, the "
                             "frames of one attention step")
        if self.mix_on == "waves" and (self.shortest or self.augmentations or not self.mix_alpha):
            raise ValueError("mix_on: found waves, expected energies without mix_alpha, and with "
                             "shortest or augmentations, which move energies away from the waves")
        if self.optimizer == "sgd" and not self.momentum:
            raise ValueError("momentum: found 0, expected over 0 for optimizer sgd, which is "
                             "Nesterov's")


@dataclass(frozen=True)
class Experiment:
    """All settings that decide a run, except its data, fold and seed.

    Parameters
    ----------
    name, profile, about : str
        Not part of the hash.
    features : FeatureConfig
    bank : BankConfig
    model : ModelConfig
    train : TrainConfig
    """

    name: str
    profile: str
    about: str
    features: FeatureConfig = field(default_factory=FeatureConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self):
        _one_of("sample_rate", self.features.sample_rate, (44100,))  # what audio.read gives
        for mask, most in (("freq_mask", "n_bands"), ("time_mask", "segment_frames"),
                           ("shortest", "segment_frames")):
            found, limit = getattr(self.train, mask), getattr(self.features, most)
            if found > limit:
                raise ValueError(f"{mask}: found {found}, expected at most {most}, {limit}")


def wanted_precision() -> str:
    """Precision that ACRNN_PRECISION asks for: auto (default), float32 or bf16.

    It serves to repeat a run of another machine.

    Raises
    ------
    ValueError
        Another value.

    Notebook: 06_training_on_a_gpu
    """
    wanted = os.environ.get("ACRNN_PRECISION") or "auto"
    return known("ACRNN_PRECISION", wanted, ("auto", *PRECISIONS))


def as_dict(config: Any) -> dict:
    """Convert a config to plain nested dicts and lists, ready for JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def hashed(config: Any) -> dict:
    """Settings that count in a hash: those of the first published runs, and later non-defaults.

    A new setting thus keeps the hashes of earlier runs, if its default does what was done before. A
    default, once published, is never changed.

    Parameters
    ----------
    config : dataclass
        Its ``FIRST`` lists the settings of the first published runs.

    Returns
    -------
    dict
        Nested for nested configs.
    """
    kept = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)
            if f.name in getattr(config, "FIRST", (f.name,))
            or getattr(config, f.name) != f.default}
    return {k: hashed(v) if dataclasses.is_dataclass(v) else v for k, v in kept.items()}


def config_hash(config: Any) -> str:
    """Twelve hex digits that change with any setting; an experiment's name does not count."""
    settings = {k: v for k, v in hashed(config).items() if k not in ("name", "profile", "about")}
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def known(kind: str, name: Any, choices: Collection) -> Any:
    """Return ``name`` if it is among the choices.

    Parameters
    ----------
    kind : str
        What the name stands for, for the message.
    name
    choices : Collection

    Raises
    ------
    ValueError
        Unknown name; the message suggests the nearest choice.
    """
    if name in choices:
        return name
    near = difflib.get_close_matches(str(name), [str(c) for c in choices], 1, 0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"unknown {kind} {name!r}{hint} Known: {', '.join(map(str, choices))}")


def _in_range(config, at_least_1=(), below_1=()):
    """Raise ValueError for numbers out of range; none may be negative."""
    names = {f.name for f in dataclasses.fields(config) if f.type == NAMES}
    for name, value in vars(config).items():
        if isinstance(value, tuple) and name not in names:
            if not (len(value) == 2 and -math.inf < value[0] <= value[1] < math.inf):
                raise ValueError(f"{name}: found {value}, expected two numbers, the lower first")
        elif isinstance(value, int | float):
            least = 1 if name in at_least_1 else 0
            if not least <= value < (1 if name in below_1 else math.inf):
                upper = " and below 1" * (name in below_1)
                raise ValueError(f"{name}: found {value}, expected at least {least}{upper}")


def _one_of(option, value, choices):
    if value not in choices:
        raise ValueError(f"{option}: found {value!r}, expected one of "
                         f"{', '.join(map(str, choices))}")
