"""Registration of one's own networks, input channels and augmentations by name.

Settings, runs, config hashes and ``predict`` then know the name, without a change in the library.

Notebook: 04_the_model_layer_by_layer, 06_training_on_a_gpu
"""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable
from typing import Any

NETWORKS, CHANNELS, AUGMENTATIONS = {}, {}, {}
CONTEXT = {}  # channel: frames that it reads on each side, a number or a function of the config


def register_network(name: str) -> Callable[[type], type]:
    """Class decorator: make a network known as ``model.network=name``.

    The class is called with (ModelConfig, n_classes, in_channels) and is a torch module that maps
    (batch, in_channels, n_bands, frames), float32, to logits (batch, n_classes); with
    ``return_attention=True`` to (logits, weights (batch, T')), weights summing to 1 over T'.
    Subclasses of ``ACRNN`` fulfil this.

    Parameters
    ----------
    name : str

    Returns
    -------
    Callable
        The decorator. It raises ValueError for the name of one of the kit's own networks.

    Notebook: 04_the_model_layer_by_layer
    """
    return _registering(NETWORKS, "network", name)


def register_channel(name: str, context: int | Callable = 0) -> Callable[[Callable], Callable]:
    """Decorator: make an input channel known to ``features.channels``.

    The function maps (static, FeatureConfig) to a tensor of static's shape; static is
    (..., n_bands, frames), float32 log energies.

    Parameters
    ----------
    name : str
    context : int, or function of a FeatureConfig that returns it, frames
        How far the channel reads to each side of a frame.

    Returns
    -------
    Callable
        The decorator. It raises ValueError for the name of one of the kit's own channels.
    """
    CONTEXT[name] = context
    return _registering(CHANNELS, "channel", name)


def register_augmentation(name: str) -> Callable[[Callable], Callable]:
    """Decorator: make an augmentation known to ``train.augmentations``.

    The function maps (static, rng) to a tensor of static's shape, for a batch of training segments;
    static is (batch, n_bands, frames), float32 log energies, rng a np.random.Generator.

    Parameters
    ----------
    name : str

    Returns
    -------
    Callable
        The decorator; ValueError as for `register_channel`.

    Notebook: 03_augmentation
    """
    return _registering(AUGMENTATIONS, "augmentation", name)


def _registering(known, kind, name):
    def register(made):
        if name in known and _is_ours(known[name]) and not _is_ours(made):
            raise ValueError(f"{kind} {name!r}: is the kit's own, expected another name")
        known[name] = made  # replaced when a notebook's cell is run again
        return made

    return register


def _is_ours(made):
    return made.__module__.startswith("acrnn_lib.")


def registered_code(experiment: Any) -> dict[str, list[ast.AST]]:
    """Syntax trees of all registered code that an experiment uses and that is not the kit's own.

    Parameters
    ----------
    experiment : config.Experiment

    Returns
    -------
    dict
        "kind name", e.g. "network mine", to the definition and those that it uses.

    Raises
    ------
    ValueError
        Code whose source cannot be read.
    """
    used = {("network", experiment.model.network): NETWORKS.get(experiment.model.network)}
    used |= {("channel", name): CHANNELS[name] for name in experiment.features.channels}
    used |= {("augmentation", name): AUGMENTATIONS[name] for name in experiment.train.augmentations}
    return {" ".join(key): _definitions(made, set()) for key, made in used.items()
            if made is not None and not _is_ours(made)}


def _definitions(made, seen):
    """Syntax tree of a function or class, and of what it uses from its own module."""
    seen.add(made)
    tree = _tree(made)
    functions = [made] if inspect.isfunction(made) else list(filter(
        inspect.isfunction, map(inspect.unwrap, filter(callable, vars(made).values()))))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    mentioned = [value for function in functions[:1] for name in sorted(names)
                 if (value := function.__globals__.get(name)) is not None]
    found = [tree]
    for value in mentioned:
        if _is_literal(value):  # numbers, texts, and lists or dicts of them
            found.append(ast.Constant(repr(value)))
        elif ((inspect.isfunction(value) or inspect.isclass(value)) and value not in seen
              and value.__module__ == made.__module__):
            found += _definitions(value, seen)
    return found


def _is_literal(value):
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _tree(made):
    """Syntax tree of a function or class, also if it was defined in a notebook's cell."""
    try:
        if inspect.isfunction(made):
            source = inspect.getsource(made)
        else:  # inspect finds no class of a notebook, but its functions
            code = next(value.__code__ for value in vars(made).values()
                        if inspect.isfunction(value))
            tree = ast.parse("".join(linecache.getlines(code.co_filename)))
            return next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
                        and node.lineno <= code.co_firstlineno <= node.end_lineno
                        and node.name == made.__name__)
        return ast.parse(textwrap.dedent(source)).body[0]
    except (OSError, StopIteration, SyntaxError, TypeError) as error:
        raise ValueError(f"{made.__qualname__}: its source cannot be read, so a run could not say "
                         "what made it; define it in a notebook or in a file, a class with at "
                         "least one function of its own") from error
