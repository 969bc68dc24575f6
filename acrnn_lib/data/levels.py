"""Channels and level of a sound, before it is classified: what is raised, and what says nothing.

Notebook: 13_your_own_sounds
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

SILENCE_DBFS = -90.0  # dB; the rounding noise of 16-bit audio lies at -98
TOO_SOFT_DBFS = -72.0  # of 16 bits, four are left
FLAT_DB = -54.0  # of the loudest sample; a resampled constant varies by up to -65 dB
EDGE = 441  # samples at both ends that do not count as variation: the resampler fades in and out
CANCELLED_DB = -10.0  # of the power that the mean of unrelated channels would have


class Mixer:
    """Average channels, or take one of them, and notice channels that cancel each other.

    Parameters
    ----------
    channel : int, optional
        The one to take, from 0; by default the mean of all.

    Notebook: 13_your_own_sounds
    """

    def __init__(self, channel: int | None = None):
        self.channel, self.powers, self.mixed = channel, np.zeros(1), 0.0

    def __call__(self, chunk: np.ndarray) -> np.ndarray:
        """Mix samples of shape (n, channels) to shape (n,), float32."""
        if chunk.shape[1] == 1:
            return chunk[:, 0]
        mean = chunk.mean(axis=1)
        self.powers = self.powers + np.einsum("nc,nc->c", chunk, chunk, dtype=np.float64)
        self.mixed += float(np.vdot(mean, mean))
        return mean if self.channel is None else chunk[:, self.channel]

    @property
    def left(self) -> float:
        """Power of the mean of what was mixed, in dB of that of unrelated channels."""
        unrelated = self.powers.mean() / len(self.powers)
        return 10 * math.log10(max(self.mixed, 1e-30) / unrelated) if unrelated > 0 else 0.0


def uncancelled(read: Callable[[Mixer], Any]) -> tuple[Any, Mixer, str | None]:
    """Read a sound with its channels averaged, or where they cancel, its strongest channel alone.

    Parameters
    ----------
    read : callable
        Takes a Mixer and reads the sound with it.

    Returns
    -------
    found
        What ``read`` returned.
    mixer : Mixer
        The one that it used.
    note : str or None

    Notebook: 13_your_own_sounds
    """
    found, mixer = read(mixer := Mixer()), mixer
    if not mixer.left < CANCELLED_DB:  # NaN, too: the samples are refused elsewhere
        return found, mixer, None
    alone = Mixer(int(mixer.powers.argmax()))
    return read(alone), alone, (
        f"opposite phase: the mean of the {len(mixer.powers)} channels is {mixer.left:.0f} dB from "
        f"that of unrelated ones (limit {CANCELLED_DB:.0f} dB), so only channel "
        f"{alone.channel + 1} is used")


class Level:
    """The level of a sound that arrives in overlapping pieces.

    Notebook: 13_your_own_sounds
    """

    def __init__(self):
        self.loudest, self.low, self.high = 0.0, math.inf, -math.inf

    def add(self, wave: np.ndarray) -> None:
        """Measure a piece, shape (n,); its first and last 10 ms are no part of the range."""
        inner = wave[EDGE:-EDGE] if len(wave) > 4 * EDGE else wave
        self.loudest = max(self.loudest, float(np.abs(wave).max()))
        self.low, self.high = min(self.low, float(inner.min())), max(self.high, float(inner.max()))

    @property
    def dbfs(self) -> float:
        """Half of the range from the lowest to the highest sample, in dB of full scale."""
        return decibels((self.high - self.low) / 2)

    def judged(self, soft: float = -math.inf, reference: float = -math.inf
               ) -> tuple[float | None, str | None]:
        """What to do with the sound.

        Parameters
        ----------
        soft, reference : float, dB of full scale
            A sound below ``reference`` is raised to it; below ``soft``, with a note.

        Returns
        -------
        gain : float or None, dB
            By which the sound is raised; None where it cannot be judged.
        note : str or None
        """
        if decibels(self.loudest) < SILENCE_DBFS:
            return None, f"silence: nothing above {SILENCE_DBFS:.0f} dB of full scale"
        flat = max(SILENCE_DBFS, decibels(self.loudest) + FLAT_DB)
        if self.dbfs < flat:
            return None, (f"constant: varies by {self.dbfs:.0f} dB of full scale, expected at "
                          f"least {flat:.0f} dB")
        loudest = f"loudest moment at {self.dbfs:.1f} dB of full scale"
        if self.dbfs < TOO_SOFT_DBFS:
            return None, f"too soft: {loudest}, expected at least {TOO_SOFT_DBFS:.0f} dB"
        gain = max(0.0, reference - self.dbfs)
        return gain, (f"raised by {gain:.0f} dB: {loudest}, below {soft:.1f} dB"
                      if gain and self.dbfs < soft else None)


def decibels(amplitude: float) -> float:
    """20 log10 of an amplitude, at least -200 dB."""
    return 20 * math.log10(max(amplitude, 1e-10))
