"""Which frames of a segment a step of attention stands for.

Notebook: 10_is_attention_right
"""

import numpy as np

from ..models.acrnn import CONVOLUTIONS, EARLY_STRIDE


def step_frames(frames, n_steps):
    """Input frames from one step of attention to the next: the pools in time that lie before it.

    frames : of a segment; n_steps : T', the number of weights. Returns 1, 3, 9 or 18, the one that
    makes T' steps of so many frames, or all frames for a single step. Raises ValueError for a T'
    that no layer gives. Notebook: 10_is_attention_right
    """
    early = EARLY_STRIDE[1]  # l1 keeps the frames that are left over, where a pool drops them
    kept, given = -(-frames // early) * early, {1: frames}
    for stride in np.cumprod([1, *(pool[1] for *_, pool in CONVOLUTIONS if pool)]).tolist():
        given |= {frames // stride: stride}
        given |= {kept // stride: stride} if stride >= early else {}
    if n_steps not in given:
        raise ValueError(f"n_steps: found {n_steps} for {frames} frames, expected one of "
                         f"{sorted(given)}")
    return given[n_steps]


def owners(frames, n_steps=7):
    """Which attention step each input frame of a segment belongs to: int (frames,).

    Step t owns the frames [t span, (t + 1) span), span = ``step_frames``; the few that are left at
    the end go with the last step. Raises what ``step_frames`` raises.
    Notebook: 10_is_attention_right
    """
    return np.minimum(np.arange(frames) // step_frames(frames, n_steps), n_steps - 1)


def frame_energy(static, n_weights, segments):
    """``Segments.energy`` under each of n_weights attention weights, float32 (B, n_weights).

    Notebook: 10_is_attention_right
    """
    span = step_frames(segments.config.segment_frames, n_weights)
    return segments.energy(static, span, n_weights)


def attention_curve(starts, weights, segment_frames=128):
    """One attention curve over the input frames of a clip, from overlapping segments.

    starts : (S,) first frame of each segment; weights : (S, T'), each row summing to 1. Returns
    (frames,): the mean over the segments that cover a frame of T' x weight, so that 1 is uniform;
    NaN where no segment is.
    Of the seven steps after l8, step t owns the input frames [18 t, 18 t + 18), see
    ``maps.owners``; what reaches it through convolutions and GRU is wider, so read times as
    blunt. Notebook: 09_seeing_attention
    """
    n_weights = weights.shape[1]
    owner = owners(segment_frames, n_weights)
    total = np.zeros(starts.max() + segment_frames)
    count = np.zeros_like(total)
    for start, row in zip(starts, weights, strict=True):
        total[start : start + segment_frames] += n_weights * row[owner]
        count[start : start + segment_frames] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
