"""The phases of the vocoder, compiled: what ``augment.turned`` computes, frame by frame.

A frame's bins stay in the cache from the first step to the last, where whole spectra would pass
through memory a dozen times. Kept apart because numba takes longer to import than anything else
here.

Notebook: 03_augmentation
"""

import numpy as np
from numba import njit

TINY = np.float32(1e-20)


@njit(nogil=True, cache=True, error_model="numpy")
def turn(spectrum, left, share, jump, jumping, result):
    """Frames of a stretched sound from those of its source.

    spectrum : float32 (frames, bins, 2), real and imaginary parts; left : int64 (T,), the source
    frame before each frame of the result; share : float32 (T,), how far it lies towards the next;
    jump, jumping : an onset is where this share ``jumping`` of bins is over ``jump`` times as loud
    as in the frame before; result : float32 (T, bins, 2). Notebook: 03_augmentation
    """
    bins = spectrum.shape[1]
    # magnitude, real and imaginary part of the phasor: of the source frame, of the one after it
    now, after = np.empty((3, bins), np.float32), np.empty((3, bins), np.float32)
    phase, bent = np.empty((2, bins), np.float32), np.empty((3, bins), np.float32)
    here, begins = -1, False
    for t in range(len(left)):
        if t:  # each bin turns on by what it turned between the two source frames
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


@njit(nogil=True, cache=True, error_model="numpy")
def _move(spectrum, frame, before, now, after, jump, jumping):
    """Load a source frame and the next one; does a sound begin in it?"""
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


@njit(nogil=True, cache=True, error_model="numpy")
def _load(frame, into):
    for k in range(len(frame)):
        re, im = frame[k, 0], frame[k, 1]
        size = np.sqrt(re * re + im * im)
        into[0, k] = size
        into[1, k] = re / size if size >= TINY else np.float32(1)
        into[2, k] = im / size if size >= TINY else np.float32(0)


@njit(nogil=True, cache=True, error_model="numpy")
def _lock(bent, result):
    """Each bin takes the phase of what it and its neighbours say together, and its magnitude."""
    bins = bent.shape[1]
    for k in range(bins):
        below, above = max(k - 1, 0), min(k + 1, bins - 1)
        re = bent[0, k] - bent[0, below] * (below < k) - bent[0, above] * (above > k)
        im = bent[1, k] - bent[1, below] * (below < k) - bent[1, above] * (above > k)
        size = np.sqrt(re * re + im * im)
        result[k, 0] = bent[2, k] * (re / size if size >= TINY else np.float32(1))
        result[k, 1] = bent[2, k] * (im / size if size >= TINY else np.float32(0))
