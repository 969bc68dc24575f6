"""ACRNN kit: environmental sound classification with attention, small enough to read.

A clip travels through the packages in this order: ``data`` -> ``features`` -> ``models`` ->
``training`` -> ``evaluation`` -> ``attention`` -> ``viz``. ``inference`` classifies any sound with
a trained model, ``kit`` runs what needs a checkout. The names below are the ones that most users
need; each is imported when it is first used, so ``import acrnn_lib`` is light.

Notebook: 00_start_here
"""

from importlib import import_module

__version__ = "0.2.0"

# public name: (module, its name there); None: the module itself
_EXPORTS = {
    "ACRNN": ("models.acrnn", "ACRNN"),
    "LogGammatone": ("features.frontend", "LogGammatone"),
    "Predictor": ("inference", "Predictor"),
    "attention_curve": ("attention.maps", "attention_curve"),
    "attention_map": ("viz.maps", "attention_map"),
    "crossval": ("training.crossval", "run"),
    "experiment": ("experiments", "experiment"),
    "fit": ("training.loop", "fit"),
    "load_dataset": ("data.datasets", "load"),
    "load_features": ("features.store", "load"),
    "load_results": ("evaluation.results", "load"),
    "pitch_shift": ("features.augment", "pitch_shift"),
    "predict": ("inference", "predict"),
    "read_audio": ("data.audio", "read"),
    "register_augmentation": ("registry", "register_augmentation"),
    "register_channel": ("registry", "register_channel"),
    "register_network": ("registry", "register_network"),
    "time_stretch": ("features.augment", "time_stretch"),
}
__all__ = sorted(_EXPORTS)


def __getattr__(name):
    """Import a public name when it is first used."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _EXPORTS[name]
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return value


def __dir__():
    return sorted({*globals(), *__all__})
