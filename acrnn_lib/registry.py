"""Registration of one's own networks, input channels and augmentations by name.

Settings, runs, config hashes and ``predict`` then know the name, without a change in the library.

Notebook: 06_training_on_a_gpu, 14_change_it
"""

import ast
import inspect
import linecache
import textwrap
import weakref
from collections.abc import Callable, Iterable
from typing import Any

NETWORKS, CHANNELS, AUGMENTATIONS = {}, {}, {}
KNOWN = {"network": NETWORKS, "channel": CHANNELS, "augmentation": AUGMENTATIONS}
CONTEXT = {}  # channel: frames that it reads on each side, a number or a function of the config
RECEIVED = weakref.WeakKeyDictionary()  # syntax trees of code of another process: see `receive`


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

    Notebook: 14_change_it
    """
    return _registering("network", name)


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

    Notebook: 14_change_it
    """
    return _registering("channel", name, context)


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

    Notebook: 14_change_it
    """
    return _registering("augmentation", name)


def _registering(kind, name, context=0):
    def register(made):
        if name in KNOWN[kind] and _is_ours(KNOWN[kind][name]) and not _is_ours(made):
            raise ValueError(f"{kind} {name!r}: is the kit's own, expected another name")
        KNOWN[kind][name] = made  # replaced when a notebook's cell is run again
        if kind == "channel":
            CONTEXT[name] = context
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
    return {" ".join(key): RECEIVED.get(made) or _definitions(made, set())
            for key, made in _used(experiment).items()}


def registered_parts(experiment: Any) -> list[tuple]:
    """What another process needs to know the registered code of an experiment.

    Parameters
    ----------
    experiment : config.Experiment

    Returns
    -------
    list of tuple
        Arguments of `receive`: kind, name, class or function, context, syntax trees.
    """
    trees = registered_code(experiment)
    return [(*key, made, CONTEXT.get(key[1], 0), trees[" ".join(key)])
            for key, made in _used(experiment).items()]


def receive(parts: Iterable[tuple]) -> None:
    """Register what `registered_parts` gave in another process.

    The source cannot be read here, so the syntax trees come along: hashes of code stay the same.
    """
    for kind, name, made, context, trees in parts:
        _registering(kind, name, context)(made)
        RECEIVED[made] = trees


def _used(experiment):
    """{(kind, name): class or function} that an experiment uses and that is not the kit's own."""
    names = {"network": (experiment.model.network,), "channel": experiment.features.channels,
             "augmentation": experiment.train.augmentations}
    made = {(kind, name): KNOWN[kind].get(name) for kind in KNOWN for name in names[kind]}
    return {key: found for key, found in made.items() if found and not _is_ours(found)}


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
