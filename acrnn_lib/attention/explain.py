"""Does attention tell where a sound is? Known events, hidden steps, gradients.

Arrays in, numbers out: nothing here trains or draws.

Notebook: 10_is_attention_right
"""

import copy

import numpy as np
import pandas as pd
import torch
from torch import nn

from ..config import FeatureConfig
from ..evaluation import metrics
from ..features.frontend import energy_shares, level_db, normalise
from ..features.segments import audible_starts, network_input
from ..models.acrnn import MapAttention
from ..models.summary import along_time, reach
from .maps import owners, step_frames

QUIET = 0.1  # share of a clip's frames that count as its quietest
MEASURES = {"share inside": metrics.attention_share, "AUC": metrics.attention_auc}


# -- events ------------------------------------------------------------------------------------


def event_share(events, starts, n_steps=7, config=None):
    """How much of each step lies inside an event: (S, n_steps), 0 to 1.

    events : (onset, offset) in s, not overlapping, as ``synth.render`` gives them
    starts : (S,) first frame of each segment

    Frame k stands for the hop around its centre, which lies at k hops. The frames of a segment
    behind the last step do not count, nor does what lies behind the segment.
    Notebook: 10_is_attention_right
    """
    c, starts = config or FeatureConfig(), np.asarray(starts)
    hop, span = c.hop_length / c.sample_rate, step_frames(c.segment_frames, n_steps)
    owned = starts[:, None] + np.arange(span * n_steps)  # (S, frames)
    left = (owned - 0.5) * hop
    on = np.zeros(owned.shape)
    for onset, offset in events:
        on += np.clip(np.minimum(left + hop, offset) - np.maximum(left, onset), 0, None) / hop
    on[:, c.segment_frames :] = np.nan  # with early pooling the last step may reach that far
    return np.nanmean(on.reshape(len(starts), n_steps, span), axis=-1)


def event_mask(events, starts, n_steps=7, config=None):
    """Steps of which at least half lies inside an event: bool (S, n_steps).

    Arguments as for ``event_share``. Notebook: 10_is_attention_right
    """
    return event_share(events, starts, n_steps, config) >= 0.5


def mixed_segments(share, low=0.2, high=0.5):
    """Segments that can answer "where": those that an event fills from low to high: bool (S,).

    share : (S, n_steps) from ``event_share``; low, high : shares of the segment. With less there
    is hardly an event, with more hardly a background to look away from.
    Notebook: 10_is_attention_right
    """
    filled = np.asarray(share).mean(axis=1)
    return (filled >= low) & (filled <= high)


def inside_events(weights, mask, source, seed=0):
    """How far weights fall inside events, with 95 % intervals over recordings: a DataFrame.

    weights : dict, name -> (S, T') weights >= 0; the first is compared with each of the others
    mask : bool (S, T'), see ``event_mask``; source : (S,) the recording of each segment

    A row per measure (share inside, AUC) and name: value, lo, hi; and for all but the first the
    first minus it on the same segments: ahead, ahead_lo, ahead_hi, p. Segments whose steps are all
    inside or all outside say nothing and are left out; ``attrs`` counts the others as segments and
    recordings. Raises ValueError when none is left. Notebook: 10_is_attention_right
    """
    mask, source, rows = np.asarray(mask, bool), np.asarray(source), []
    use = mask.any(axis=1) & ~mask.all(axis=1)
    if not use.any():
        raise ValueError("no segment holds both event and background")
    for measure, score in MEASURES.items():
        first = None
        for name, values in weights.items():
            values = score(np.asarray(values)[use], mask[use], average=False)
            value, lo, hi = metrics.accuracy_interval(values, source[use], seed=seed)
            row = {"measure": measure, "weights": name, "value": value, "lo": lo, "hi": hi}
            if first is None:
                first = values
            else:
                ahead = metrics.paired_difference(first, values, source[use], seed=seed)
                row |= dict(zip(("ahead", "ahead_lo", "ahead_hi", "p"), ahead, strict=True))
            rows.append(row)
    table = pd.DataFrame(rows)
    table.attrs = {"segments": int(use.sum()), "recordings": len(np.unique(source[use]))}
    return table


# -- what a network gets -----------------------------------------------------------------------


def segments_of(predictor, wave):
    """A clip's audible segments as the network gets them.

    predictor : inference.Predictor; wave : (N,) float32 at 44.1 kHz. Returns (x, starts, static):
    float32 (S, 2, n_bands, segment_frames), normalised; (S,) first frames; (n_bands, frames) log
    energies of the clip. Notebook: 10_is_attention_right
    """
    c = predictor.config
    with torch.inference_mode():
        static = predictor.front_end.static(torch.from_numpy(np.asarray(wave, np.float32))[None])[0]
        starts = audible_starts(static, c)
        x = normalise(network_input(static, starts, c), predictor.mean, predictor.std)
    return x, starts, static.numpy()


def step_energy(static, starts, n_steps=7, config=None):
    """Energy of the frames that each step owns, as weights: (S, n_steps), rows summing to 1.

    static : (n_bands, frames) log energies; starts : (S,). The control that attention has to beat:
    a volume meter. Notebook: 10_is_attention_right
    """
    c, power = config or FeatureConfig(), np.exp(np.asarray(static, float)).sum(axis=0)
    cut = np.stack([power[s : s + c.segment_frames] for s in starts])
    span = step_frames(c.segment_frames, n_steps)
    return energy_shares(torch.from_numpy(cut), span, n_steps).numpy()


# -- hiding steps ------------------------------------------------------------------------------


def quiet_frame(x, static, share=QUIET, config=None):
    """What a clip sounds like where it is quietest, as a fill for ``hide``: (2, n_bands).

    x : (2, n_bands, frames), normalised; static : (n_bands, frames), log energies, which say what
    counts: of the frames less than ``silence_db`` under the loudest, the mean of the quietest
    share. The digital silence that fills up short recordings is no background of theirs.
    Notebook: 10_is_attention_right
    """
    level = level_db(static)
    heard = torch.nonzero(level > level.max() - (config or FeatureConfig()).silence_db)[:, 0]
    count = max(1, round(share * len(heard)))
    return x[..., heard[level[heard].argsort()[:count]]].mean(dim=-1)


def hide(x, hidden, fill=None):
    """Segments whose hidden steps are replaced, in both channels: float32, as x.

    x : (S, 2, n_bands, frames), normalised; hidden : bool (S, n_steps); fill : (2, n_bands), or
    None for zeros, which are the mean of the training data. The delta of up to four frames beside
    a hidden step was computed from it and stays. Notebook: 10_is_attention_right
    """
    hidden = torch.as_tensor(hidden)
    frames = hidden[:, torch.from_numpy(owners(x.shape[-1], hidden.shape[1]))]
    fill = torch.zeros(x.shape[1:3]) if fill is None else fill
    return torch.where(frames[:, None, None, :], fill[None, :, :, None].to(x), x)


def subset_chances(model, x, target, fill=None, n_steps=7, batch=64):
    """Chance of a class while each of the 2^n_steps sets of steps is hidden: float64 (S, 2^n).

    model : in eval mode, x (B, 2, n_bands, frames) -> logits (B, C); target : the class; fill : see
    ``hide``. Column b hides step t where bit t of b is 1. Every order of hiding steps one after
    the other is a path through these columns, so that nothing has to be drawn at random.
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
    """(rest of the model, function from hidden (B, n_steps) to what the rest gets).

    Hiding a step changes the first layers' columns only around it. As long as a column sees no more
    than two neighbouring steps, it is one of four: neither hidden, both, the even or the odd one.
    So the first layers, most of the work, run on four versions of a segment and not on 2^n_steps.
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

    rest = copy.copy(model)  # the same layers and weights, but for those that are done
    rest._modules = {**model._modules, "cnn": nn.ModuleDict(layers[first_layers:])}
    return rest, versions


def curves(chances, order):
    """Deletion and insertion curves along an order of steps: two (S, n_steps + 1).

    chances : (S, 2^n_steps) from ``subset_chances``; order : int (S, n_steps), the step that goes
    first in front. Deletion: the chance after hiding the first k steps. Insertion: after showing
    the first k of an otherwise hidden segment.
    Source: Petsiuk, Das and Saenko, RISE (2018). Notebook: 10_is_attention_right
    """
    order = np.asarray(order)
    taken = np.cumsum(np.pad(1 << order, ((0, 0), (1, 0))), axis=1)
    row = np.arange(len(order))[:, None]
    return chances[row, taken], chances[row, chances.shape[1] - 1 - taken]


def random_curves(chances):
    """The same two curves averaged over every possible order, exactly.

    After k steps of a random order any set of k steps is equally likely to be hidden, so the curve
    is the mean over the sets of each size. Notebook: 10_is_attention_right
    """
    sizes = np.bitwise_count(np.arange(chances.shape[1]))
    deletion = np.stack([chances[:, sizes == k].mean(axis=1) for k in range(sizes[-1] + 1)], axis=1)
    return deletion, deletion[:, ::-1]


def single_effects(chances):
    """How much the chance falls when one step alone is hidden: (S, n_steps).

    Knows the true class and asks the network itself: what a simple order that does so can reach.
    Notebook: 10_is_attention_right
    """
    alone = 1 << np.arange(int(np.log2(chances.shape[1])))
    return chances[:, :1] - chances[:, alone]


def best_curves(chances):
    """The deletion curve that falls, and the insertion curve that rises, as fast as any order's.

    chances : (S, 2^n_steps) from ``subset_chances``. Returns two (S, n_steps + 1): the smallest
    deletion and the largest insertion area there is, of two orders that know the true class.
    Notebook: 10_is_attention_right
    """
    falls, rises = _cheapest(chances), _cheapest(-chances)[:, ::-1]
    return curves(chances, falls)[0], curves(chances, rises)[1]


def _cheapest(cost):
    """The order of hiding whose sets cost least in sum: int (S, n_steps).

    The cheapest way to a set is the cheapest of the ways to the sets with one step less, so each of
    the 2^n_steps sets is looked at once, and not each of the n_steps! orders (Bellman's principle).
    """
    n_steps, row = int(np.log2(cost.shape[1])), np.arange(len(cost))
    total, last = np.array(cost, float), np.zeros(cost.shape, int)  # of the cheapest way to a set
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


def occlusion(chances, **scores):
    """Curves for each score's order, highest first, for the mean of all orders, and the limits.

    chances : (S, 2^n_steps); scores : name=(S, n_steps). Returns dict name -> (deletion,
    insertion), each (S, n_steps + 1), with ``random`` and ``best`` among the names.
    Notebook: 10_is_attention_right
    """
    found = {name: curves(chances, np.argsort(-np.asarray(score), axis=1, kind="stable"))
             for name, score in scores.items()}
    return found | {"random": random_curves(chances), "best": best_curves(chances)}


def area(curve):
    """Area under curves (S, n + 1) over the share of steps, 0 to 1, by trapezoids: (S,).

    A small one for deletion and a large one for insertion say that the first steps mattered.
    Notebook: 10_is_attention_right
    """
    return np.trapezoid(curve, dx=1 / (np.shape(curve)[-1] - 1), axis=-1)


# -- gradients ---------------------------------------------------------------------------------


def sensitivity(model, x, of="weights"):
    """How strongly each input frame moves each step: (n_steps, frames), mean over segments.

    model : acrnn.ACRNN in eval mode; x : (S, 2, n_bands, frames). of : ``weights``, the attention
    weight, or ``convolutions``, half the squared length of the step's vector before the recurrent
    layers. A value is the sum over channels and bands of the absolute gradient.
    Source: Simonyan, Vedaldi and Zisserman (2014). Notebook: 10_is_attention_right
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
