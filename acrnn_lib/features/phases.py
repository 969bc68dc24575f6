"""Compiled phase computation of the vocoder: what ``augment.turned`` computes, frame by frame.

A frame's bins stay in the CPU's cache, where whole spectra would pass through memory a dozen times.
Kept apart because importing numba is slow.

Notebook: 03_augmentation
"""

import numpy as np

from .compiled import compiled

TINY = np.float32(1e-20)


@compiled(nogil=True, error_model="numpy")
def turn(
    spectrum: np.ndarray, left: np.ndarray, share: np.ndarray, jump: float, jumping: float,
    result: np.ndarray,
) -> None:
    """STFT frames of a stretched sound from those of its source, with phase locking.

    Parameters
    ----------
    spectrum : np.ndarray, shape (frames, bins, 2), float32
        Real and imaginary parts.
    left : np.ndarray, shape (T,), int64
        Source frame before each frame of the result.
    share : np.ndarray, shape (T,), float32
        Position between that source frame (0) and the next one (1).
    jump, jumping : float
        A frame is an onset if more than the share ``jumping`` of its bins have over ``jump`` times
        the magnitude of the frame before.
    result : np.ndarray, shape (T, bins, 2), float32
        Written in place.

    Notebook: 03_augmentation
    """
    bins = spectrum.shape[1]
    # magnitude, real and imaginary part of the phasor: of the source frame, of the one after it
    now, after = np.empty((3, bins), np.float32), np.empty((3, bins), np.float32)
    phase, bent = np.empty((2, bins), np.float32), np.empty((3, bins), np.float32)
    here, begins = -1, False
    for t in range(len(left)):
        if t:  # advance each bin's phase as between the two source frames
            for k in range(bins):
                re = after[1, k] * now[1, k] + after[2, k] * now[2, k]
                im = after[2, k] * now[1, k] - after[1, k] * now[2, k]
                old = phase[0, k]
                phase[0, k] = old * re - phase[1, k] * im
                phase[1, k] = old * im + phase[1, k] * re
        if left[t] != here:
            begins = _move(spectrum, left[t], here, now, after, jump, jumping)
            here = left[t]
        if begins or t == 0:
            phase[0] = now[1]
            phase[1] = now[2]
        for k in range(bins):
            bent[2, k] = now[0, k] + share[t] * (after[0, k] - now[0, k])
            bent[0, k] = phase[0, k] * bent[2, k]
            bent[1, k] = phase[1, k] * bent[2, k]
        _lock(bent, result[t])


@compiled(nogil=True, error_model="numpy")
def _move(spectrum, frame, before, now, after, jump, jumping):
    """Load a source frame and the next one; return whether the frame is an onset."""
    bins = spectrum.shape[1]
    if frame == before + 1 and before >= 0:
        last = now[0].copy()
        now[:] = after
    else:
        if frame:
            _load(spectrum[frame - 1], now)
        last = now[0].copy()
        _load(spectrum[frame], now)
    _load(spectrum[frame + 1], after)
    if frame == 0:
        return False
    louder = 0
    for k in range(bins):
        louder += now[0, k] > jump * last[k]
    return louder > jumping * bins


@compiled(nogil=True, error_model="numpy")
def _load(frame, into):
    for k in range(len(frame)):
        re, im = frame[k, 0], frame[k, 1]
        size = np.sqrt(re * re + im * im)
        into[0, k] = size
        into[1, k] = re / size if size >= TINY else np.float32(1)
        into[2, k] = im / size if size >= TINY else np.float32(0)


@compiled(nogil=True, error_model="numpy")
def _lock(bent, result):
    """Phase locking: each bin takes the phase of its sum with its neighbours, signs alternating."""
    bins = bent.shape[1]
    for k in range(bins):
        below, above = max(k - 1, 0), min(k + 1, bins - 1)
        re = bent[0, k] - bent[0, below] * (below < k) - bent[0, above] * (above > k)
        im = bent[1, k] - bent[1, below] * (below < k) - bent[1, above] * (above > k)
        size = np.sqrt(re * re + im * im)
        result[k, 0] = bent[2, k] * (re / size if size >= TINY else np.float32(1))
        result[k, 1] = bent[2, k] * (im / size if size >= TINY else np.float32(0))
