"""Evaluate attention: occlusion of attention steps, gradients.

Arrays in, numbers out: nothing here trains or plots.

Notebook: 10_is_attention_right
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from ..config import FeatureConfig
from ..features.frontend import energy_shares, level_db, normalise
from ..features.segments import audible_starts, network_input
from ..models.acrnn import MapAttention
from ..models.summary import along_time, reach
from .maps import owners, step_frames

QUIET = 0.1  # share of a clip's frames that count as its quietest


# -- network input -----------------------------------------------------------------------------


def segments_of(predictor, wave: ArrayLike) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """A clip's audible segments as the network's input.

    Parameters
    ----------
    predictor : inference.Predictor
    wave : array-like, shape (N,), float32, 44.1 kHz

    Returns
    -------
    x : torch.Tensor, shape (S, 2, n_bands, segment_frames), float32
        Normalised.
    starts : np.ndarray, shape (S,), int64, frames
        First frame of each segment.
    static : np.ndarray, shape (n_bands, frames), float32
        Log energies of the clip.

    Notebook: 10_is_attention_right
    """
    c = predictor.config
    with torch.inference_mode():
        static = predictor.front_end.static(torch.from_numpy(np.asarray(wave, np.float32))[None])[0]
        starts = audible_starts(static, c)
        x = normalise(network_input(static, starts, c), predictor.mean, predictor.std)
    return x, starts, static.numpy()


def step_energy(static: ArrayLike, starts: ArrayLike, n_steps: int = 7,
                config: FeatureConfig | None = None) -> np.ndarray:
    """Share of a segment's energy in each attention step: a control that follows level alone.

    Parameters
    ----------
    static : array-like, shape (n_bands, frames), float
        Log energies.
    starts : array-like, shape (S,), int, frames
        First frame of each segment.
    n_steps : int
        T'.
    config : FeatureConfig, optional

    Returns
    -------
    np.ndarray, shape (S, n_steps), float64
        Rows sum to 1.

    Notebook: 10_is_attention_right
    """
    c, power = config or FeatureConfig(), np.exp(np.asarray(static, float)).sum(axis=0)
    cut = np.stack([power[s : s + c.segment_frames] for s in starts])
    span = step_frames(c.segment_frames, n_steps)
    return energy_shares(torch.from_numpy(cut), span, n_steps).numpy()


# -- occlusion ---------------------------------------------------------------------------------


def quiet_frame(x: torch.Tensor, static: torch.Tensor, share: float = QUIET,
                config: FeatureConfig | None = None) -> torch.Tensor:
    """Mean of a clip's quietest frames, as a fill for ``hide``.

    Frames ``silence_db`` or more below the loudest are left out: they may be zero padding.

    Parameters
    ----------
    x : torch.Tensor, shape (2, n_bands, frames), float32
        Normalised.
    static : torch.Tensor, shape (n_bands, frames), float32
        Log energies.
    share : float
        Share of the remaining frames to average, 0 to 1.
    config : FeatureConfig, optional

    Returns
    -------
    torch.Tensor, shape (2, n_bands), float32

    Notebook: 10_is_attention_right
    """
    level = level_db(static)
    heard = torch.nonzero(level > level.max() - (config or FeatureConfig()).silence_db)[:, 0]
    count = max(1, round(share * len(heard)))
    return x[..., heard[level[heard].argsort()[:count]]].mean(dim=-1)


def hide(x: torch.Tensor, hidden: ArrayLike | torch.Tensor,
         fill: torch.Tensor | None = None) -> torch.Tensor:
    """Occlude attention steps of segments, in both channels.

    The delta of up to four frames beside a hidden step was computed from it and stays.

    Parameters
    ----------
    x : torch.Tensor, shape (S, 2, n_bands, frames), float32
        Normalised.
    hidden : array-like, shape (S, n_steps), bool
    fill : torch.Tensor, shape (2, n_bands), optional
        Replaces each hidden frame; default: zeros, the mean of the training data.

    Returns
    -------
    torch.Tensor, shape and dtype of x

    Notebook: 10_is_attention_right
    """
    hidden = torch.as_tensor(hidden)
    frames = hidden[:, torch.from_numpy(owners(x.shape[-1], hidden.shape[1]))]
    fill = torch.zeros(x.shape[1:3]) if fill is None else fill
    return torch.where(frames[:, None, None, :], fill[None, :, :, None].to(x), x)


def subset_chances(model: Callable, x: torch.Tensor, target: int,
                   fill: torch.Tensor | None = None, n_steps: int = 7,
                   batch: int = 64) -> np.ndarray:
    """Probability of a class with each of the 2^n_steps subsets of attention steps hidden.

    Every order of hiding the steps one by one is a path through the columns: no order is sampled.

    Parameters
    ----------
    model : callable, (B, 2, n_bands, frames) -> logits (B, C)
        In eval mode.
    x : torch.Tensor, shape (S, 2, n_bands, frames), float32
        Normalised.
    target : int
        The class.
    fill : torch.Tensor, shape (2, n_bands), optional
        As in ``hide``.
    n_steps : int
        T'.
    batch : int
        Subsets per batch.

    Returns
    -------
    np.ndarray, shape (S, 2^n_steps), float64
        Column b hides step t where bit t of b is 1.

    Notebook: 10_is_attention_right
    """
    sets = (np.arange(2**n_steps)[:, None] >> np.arange(n_steps)) & 1 == 1
    found = np.empty((len(x), len(sets)))
    for k, segment in enumerate(x):
        with torch.inference_mode():
            rest, versions = _shared(model, segment, fill, n_steps)
            for first in range(0, len(sets), batch):
                chances = rest(versions(sets[first : first + batch])).double().softmax(dim=1)
                found[k, first : first + batch] = chances[:, target].numpy()
    return found


def _shared(model, segment, fill, n_steps):
    """(rest of the model, function from hidden (B, n_steps) to the rest's input).

    While the receptive field of a column (a frame of a map) covers at most two neighbouring steps,
    the column has four versions: none hidden, both, the even or the odd one. So the first layers,
    most of the work, run on four versions of a segment instead of 2^n_steps.
    """
    def hidden_versions(hidden):
        return hide(segment.expand(len(hidden), *segment.shape), hidden, fill)

    layers, frames = list(getattr(model, "cnn", nn.ModuleDict()).items()), segment.shape[-1]
    owner, first_layers = owners(frames, n_steps), 0
    for count in range(1, len(layers)):
        if isinstance(layers[count - 1][1], MapAttention):
            break
        done, columns = [layer for _, layer in layers[:count]], frames
        for size, step, pad in along_time(done):
            columns = (columns + 2 * pad - size) // step + 1
        field = np.clip(reach(done, columns), 0, frames)
        seen = owner[np.stack([field[:, 0], field[:, 1] - 1])]
        if np.any(seen[1] - seen[0] > 1):
            break
        first_layers, pair = count, seen
    if not first_layers:
        return model, hidden_versions
    even = np.arange(n_steps) % 2 == 0
    maps = hidden_versions(np.stack([even & False, even, ~even, even | True]))
    for _, layer in layers[:first_layers]:
        maps = layer(maps)
    maps = maps.permute(0, 3, 1, 2)  # (4, columns, channels, bands)
    evens, odds = (np.where(pair[0] % 2 == parity, pair[0], pair[1]) for parity in (0, 1))

    def versions(hidden):
        index = torch.from_numpy(hidden[:, evens] + 2 * hidden[:, odds])
        return maps[index, torch.arange(maps.shape[1])].permute(0, 2, 3, 1)

    rest = copy.copy(model)  # shares layers and weights; without those already run
    rest._modules = {**model._modules, "cnn": nn.ModuleDict(layers[first_layers:])}
    return rest, versions


def curves(chances: np.ndarray, order: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Deletion and insertion curves along an order of attention steps.

    Parameters
    ----------
    chances : np.ndarray, shape (S, 2^n_steps), float64
        From ``subset_chances``.
    order : array-like, shape (S, n_steps), int
        Steps, first to last.

    Returns
    -------
    deletion : np.ndarray, shape (S, n_steps + 1), float64
        Probability after hiding the first k steps.
    insertion : np.ndarray, shape (S, n_steps + 1), float64
        Probability with only the first k steps shown.

    References
    ----------
    Petsiuk, Das and Saenko, RISE (2018).

    Notebook: 10_is_attention_right
    """
    order = np.asarray(order)
    taken = np.cumsum(np.pad(1 << order, ((0, 0), (1, 0))), axis=1)
    row = np.arange(len(order))[:, None]
    return chances[row, taken], chances[row, chances.shape[1] - 1 - taken]


def random_curves(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deletion and insertion curves averaged over all possible orders, exactly.

    In a random order all subsets of k steps are equally probable: mean over the subsets of k.

    Parameters
    ----------
    chances : np.ndarray, shape (S, 2^n_steps), float64
        From ``subset_chances``.

    Returns
    -------
    deletion, insertion : np.ndarray, shape (S, n_steps + 1), float64

    Notebook: 10_is_attention_right
    """
    sizes = np.bitwise_count(np.arange(chances.shape[1]))
    deletion = np.stack([chances[:, sizes == k].mean(axis=1) for k in range(sizes[-1] + 1)], axis=1)
    return deletion, deletion[:, ::-1]


def single_effects(chances: np.ndarray) -> np.ndarray:
    """Drop in the probability of the true class when one attention step alone is hidden.

    Parameters
    ----------
    chances : np.ndarray, shape (S, 2^n_steps), float64
        From ``subset_chances``.

    Returns
    -------
    np.ndarray, shape (S, n_steps), float64

    Notebook: 10_is_attention_right
    """
    alone = 1 << np.arange(int(np.log2(chances.shape[1])))
    return chances[:, :1] - chances[:, alone]


def best_curves(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deletion curve of the smallest area and insertion curve of the largest area of all orders.

    Parameters
    ----------
    chances : np.ndarray, shape (S, 2^n_steps), float64
        From ``subset_chances``.

    Returns
    -------
    deletion, insertion : np.ndarray, shape (S, n_steps + 1), float64
        Of two orders that use the true class: limits for any other order.

    Notebook: 10_is_attention_right
    """
    falls, rises = _cheapest(chances), _cheapest(-chances)[:, ::-1]
    return curves(chances, falls)[0], curves(chances, rises)[1]


def _cheapest(cost):
    """The order of hiding with the least summed cost: int (S, n_steps).

    Dynamic programming over the 2^n_steps subsets instead of all n_steps! orders: the cheapest path
    to a subset extends the cheapest path to a subset with one step less (Bellman's principle).
    """
    n_steps, row = int(np.log2(cost.shape[1])), np.arange(len(cost))
    total, last = np.array(cost, float), np.zeros(cost.shape, int)  # of the best path
    for hidden in range(1, cost.shape[1]):
        steps = np.array([t for t in range(n_steps) if hidden >> t & 1])
        before = total[:, hidden - (1 << steps)]
        best = before.argmin(axis=1)
        total[:, hidden] += before[row, best]
        last[:, hidden] = steps[best]
    hidden, order = np.full(len(cost), cost.shape[1] - 1), []
    for _ in range(n_steps):
        order.append(last[row, hidden])
        hidden = hidden - (1 << order[-1])
    return np.stack(order[::-1], axis=1)


def occlusion(chances: np.ndarray,
              **scores: ArrayLike) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Deletion and insertion curves of several scores, with the random and the best ones.

    Parameters
    ----------
    chances : np.ndarray, shape (S, 2^n_steps), float64
        From ``subset_chances``.
    **scores : array-like, shape (S, n_steps), float
        Steps are taken in the order of each score, highest first.

    Returns
    -------
    dict of name -> (deletion, insertion), each np.ndarray, shape (S, n_steps + 1), float64
        The scores' names, ``random`` and ``best``.

    Notebook: 10_is_attention_right
    """
    found = {name: curves(chances, np.argsort(-np.asarray(score), axis=1, kind="stable"))
             for name, score in scores.items()}
    return found | {"random": random_curves(chances), "best": best_curves(chances)}


def area(curve: ArrayLike) -> np.ndarray:
    """Area under curves over the share of steps, 0 to 1, by the trapezoidal rule.

    A small area for deletion, or a large one for insertion, means that the first steps mattered.

    Parameters
    ----------
    curve : array-like, shape (S, n_steps + 1), float

    Returns
    -------
    np.ndarray, shape (S,), float64

    Notebook: 10_is_attention_right
    """
    return np.trapezoid(curve, dx=1 / (np.shape(curve)[-1] - 1), axis=-1)


# -- gradients ---------------------------------------------------------------------------------


def sensitivity(model: nn.Module, x: torch.Tensor, of: str = "weights") -> np.ndarray:
    """Absolute gradient of each attention step with respect to each input frame.

    Parameters
    ----------
    model : acrnn.ACRNN
        In eval mode.
    x : torch.Tensor, shape (S, 2, n_bands, frames), float32
        Normalised.
    of : {"weights", "convolutions"}
        The attention weight, or half the squared norm of the step's vector before the recurrent
        layers.

    Returns
    -------
    np.ndarray, shape (n_steps, frames), float32
        Sum over channels and bands, mean over segments.

    Raises
    ------
    ValueError
        For another value of `of`.

    References
    ----------
    Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks (2014).

    Notebook: 10_is_attention_right
    """
    x = x.detach().clone().requires_grad_()
    if of == "weights":
        steps = model(x, return_attention=True)[1]
    elif of == "convolutions":
        maps = x
        for layer in model.cnn.values():
            maps = layer(maps)
            maps = maps[0] if isinstance(maps, tuple) else maps
        steps = maps.square().sum(dim=(1, 2)) / 2
    else:
        raise ValueError(f"of: found {of!r}, expected 'weights' or 'convolutions'")
    rows = [torch.autograd.grad(steps[:, t].sum(), x, retain_graph=True)[0].abs().sum(dim=(1, 2))
            for t in range(steps.shape[1])]
    return torch.stack(rows).mean(dim=1).numpy()
