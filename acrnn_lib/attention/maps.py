"""Attention steps on the time axis: the input frames of each step, their energy, curves of a clip.

An attention step is one of the T' frames that attention weights, each from several input frames.

Notebook: 10_is_attention_right
"""

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..models.acrnn import CONVOLUTIONS, EARLY_STRIDE

if TYPE_CHECKING:
    from ..features.segments import Segments


def step_frames(frames: int, n_steps: int) -> int:
    """Number of input frames per attention step: the pooling in time before the attention.

    Parameters
    ----------
    frames : int
        Input frames of a segment.
    n_steps : int
        T'.

    Returns
    -------
    int, frames
        1, 3, 9 or 18, the one that gives T' steps of so many frames; all frames for one step.
        For a T' that no layer of the ACRNN gives, frames // T'.

    Raises
    ------
    ValueError
        For fewer frames than steps.

    Notebook: 10_is_attention_right
    """
    early = EARLY_STRIDE[1]  # l1 keeps the frames that are left over, where a pool drops them
    kept, given = -(-frames // early) * early, {1: frames}
    for stride in np.cumprod([1, *(pool[1] for *_, pool in CONVOLUTIONS if pool)]).tolist():
        given |= {frames // stride: stride}
        given |= {kept // stride: stride} if stride >= early else {}
    if not 1 <= n_steps <= frames:
        raise ValueError(f"n_steps: found {n_steps}, expected 1 to {frames}")
    return given.get(n_steps, frames // n_steps)


def owners(frames: int, n_steps: int = 7) -> np.ndarray:
    """Attention step of each input frame of a segment.

    Step t has the frames [t span, (t + 1) span), span = ``step_frames``; those left over at the
    end belong to the last step.

    Parameters
    ----------
    frames : int
        Input frames of a segment.
    n_steps : int
        T'.

    Returns
    -------
    np.ndarray, shape (frames,), int

    Raises
    ------
    ValueError
        As ``step_frames``.

    Notebook: 10_is_attention_right
    """
    return np.minimum(np.arange(frames) // step_frames(frames, n_steps), n_steps - 1)


def frame_energy(static: torch.Tensor, n_weights: int, segments: "Segments") -> np.ndarray:
    """Share of a segment's energy in each attention step.

    Parameters
    ----------
    static : torch.Tensor, shape (B, n_bands, frames), float32
        Log energies of segments with their context frames.
    n_weights : int
        T'.
    segments : Segments
        What static was drawn from.

    Returns
    -------
    np.ndarray, shape (B, T'), float32
        Rows sum to 1.

    Notebook: 10_is_attention_right
    """
    span = step_frames(segments.config.segment_frames, n_weights)
    return segments.energy(static, span, n_weights)


def attention_curve(starts: np.ndarray, weights: np.ndarray,
                    segment_frames: int = 128) -> np.ndarray:
    """Attention over the input frames of a clip, averaged over overlapping segments.

    The receptive field of a step is wider than its own frames (``owners``), so times are coarse.

    Parameters
    ----------
    starts : np.ndarray, shape (S,), int, frames
        First frame of each segment.
    weights : np.ndarray, shape (S, T'), float
        Rows sum to 1.
    segment_frames : int

    Returns
    -------
    np.ndarray, shape (frames,), float64
        T' x weight, so that 1 is uniform; NaN where no segment is.

    Notebook: 09_seeing_attention
    """
    n_weights = weights.shape[1]
    owner = owners(segment_frames, n_weights)
    total = np.zeros(starts.max() + segment_frames)
    count = np.zeros_like(total)
    for start, row in zip(starts, weights, strict=True):
        total[start : start + segment_frames] += n_weights * row[owner]
        count[start : start + segment_frames] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
