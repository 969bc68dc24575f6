"""Which frames of a segment a step of attention stands for, and how loud they are.

Notebook: 10_is_attention_right
"""

import numpy as np
from torch.nn import functional as F

from ..models.acrnn import CONVOLUTIONS


def step_frames(frames, n_steps):
    """Input frames from one step of attention to the next: the pools in time that lie before it.

    frames : of a segment; n_steps : T'. Returns 1, 3, 9 or 18, the one that explains T' best.
    Notebook: 10_is_attention_right
    """
    strides = np.cumprod([1, *(pool[1] for *_, pool in CONVOLUTIONS if pool)])
    return int(min(strides, key=lambda stride: abs(frames / stride - n_steps)))


def owners(frames, n_steps=7):
    """Which attention step each input frame of a segment belongs to: int (frames,).

    Step t owns the frames [t span, (t + 1) span), span = ``step_frames``; the few that are left at
    the end go with the last step. Raises ValueError for fewer frames than steps.
    Notebook: 10_is_attention_right
    """
    if not 1 <= n_steps <= frames:
        raise ValueError(f"n_steps: found {n_steps}, expected 1 to {frames}")
    return np.minimum(np.arange(frames) // step_frames(frames, n_steps), n_steps - 1)


def frame_energy(static, n_weights, segments):
    """Energy under each attention weight, float32 (B, n_weights), each row summing to 1.

    Weight t stands for the input frames [t span, (t + 1) span), span = ``step_frames``.
    segments : segments.Segments that static was drawn from. Notebook: 10_is_attention_right
    """
    frames = segments.config.segment_frames
    power = static[..., segments.context : segments.context + frames].exp().sum(dim=1)
    return shares(power, n_weights).cpu().numpy()


def shares(power, n_steps):
    """Power (S, frames) of a segment's frames as weights of its steps: (S, n_steps), rows sum to 1.

    The few frames at the end that lie behind the last step's span do not count.
    Notebook: 10_is_attention_right
    """
    span = step_frames(power.shape[1], n_steps)
    power = power[:, : n_steps * span]
    power = F.pad(power, (0, n_steps * span - power.shape[1]))
    sums = power.unflatten(1, (n_steps, span)).sum(dim=-1)
    return sums / sums.sum(dim=1, keepdim=True)


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
