"""Augmentation: time stretch and pitch shift of waveforms; mixing and masking of features.

Notebook: 03_augmentation
"""

import functools
import math
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
import torch

from ..device import sent, side_by_side

if TYPE_CHECKING:
    from ..config import BankConfig

N_FFT = 2048  # samples, 46 ms: resolves the partials of voiced sounds
HOP = N_FFT // 4
KNOTS = 6  # of the random filters, 8 ERB apart
CANCELLED = 1e-3  # least share left of the energy of two waves that cancel, -30 dB: the float16
# numbers that they are computed from round by up to 4e-3
JUMP, JUMPING = 4.0, 0.3  # onset: more than JUMPING of the bins grow by more than a factor JUMP


def time_stretch(wave: np.ndarray | torch.Tensor, rate: float) -> np.ndarray | torch.Tensor:
    """Change the duration of a sound without its pitch, by a phase vocoder.

    Parameters
    ----------
    wave : np.ndarray or torch.Tensor, shape (N,) or (B, N), float
    rate : float, over 0
        Speed; over 1 is faster.

    Returns
    -------
    Same kind as ``wave``, shape (round(N / rate),) or (B, round(N / rate)), float32

    Raises
    ------
    ValueError
        Rate not positive, or wave without samples.

    References
    ----------
    Paper, section on augmentation (range 0.8 to 1.3); Flanagan and Golden 1966.

    Notebook: 03_augmentation
    """
    _check(wave, rate=rate)
    return _as_given(wave, lambda x: _vocoder(x, rate, round(x.shape[-1] / rate)))


def pitch_shift(wave: np.ndarray | torch.Tensor, semitones: float) -> np.ndarray | torch.Tensor:
    """Change the pitch of a sound without its duration: stretch, then resample.

    Parameters
    ----------
    wave : np.ndarray or torch.Tensor, shape (N,) or (B, N), float
    semitones : float
        Shift in semitones, 12 to the octave.

    Returns
    -------
    Same kind and shape as ``wave``, float32

    References
    ----------
    Paper, section on augmentation (range -3.5 to 3.5).

    Notebook: 03_augmentation
    """
    return stretch_and_shift(wave, 1.0, semitones)


def stretch_and_shift(
    wave: np.ndarray | torch.Tensor, rate: float, semitones: float
) -> np.ndarray | torch.Tensor:
    """Time stretch and pitch shift in a single vocoder pass.

    Parameters as for `time_stretch` and `pitch_shift`.

    Returns
    -------
    Same kind as ``wave``, shape (round(N / rate),) or (B, round(N / rate)), float32

    Notebook: 03_augmentation
    """
    ratio = 2.0 ** (semitones / 12)
    _check(wave, rate=rate / ratio)
    if semitones == 0:
        return time_stretch(wave, rate)
    sizes = _transform_sizes(round(wave.shape[-1] * ratio / rate), 1 / ratio)
    ratio = sizes[0] / sizes[1]

    def apply(x):
        stretched = _vocoder(x, rate / ratio, round(x.shape[-1] * ratio / rate))
        return _resample(stretched, round(x.shape[-1] / rate), sizes)

    return _as_given(wave, apply)


def _check(wave, rate):
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"rate: found {rate}, expected a positive number")
    if wave.ndim not in (1, 2) or wave.shape[-1] == 0:
        raise ValueError(f"wave: found shape {tuple(wave.shape)}, expected (N,) or (B, N), N > 0")


def _as_given(wave, function):
    x = torch.as_tensor(wave).float()
    clips = x.reshape(-1, x.shape[-1])
    # one clip at a time fits a CPU core's cache; a GPU is faster with all at once
    result = (torch.cat(side_by_side(function, clips.split(1))) if x.device.type == "cpu" else
              function(clips))
    result = result if x.dim() == 2 else result[0]
    return result.numpy() if isinstance(wave, np.ndarray) else result


def _vocoder(x, rate, length):
    if rate == 1:
        return x.clone()  # never the caller's own memory
    window = torch.hann_window(N_FFT, device=x.device)
    x = torch.nn.functional.pad(x, (0, max(0, N_FFT - x.shape[-1])))  # reflection needs a window
    spectrum = torch.stft(x, N_FFT, HOP, window=window, return_complex=True).transpose(1, 2)
    n_out = 1 + math.ceil(length / HOP)
    position = torch.arange(n_out, device=x.device, dtype=torch.float64) * rate
    left = position.floor().long().clamp(max=spectrum.shape[1] - 2)
    share = (position - left).clamp(0, 1).float()[:, None]
    turn = _compiled if x.device.type == "cpu" and find_spec("numba") else turned
    return _overlap_add(turn(spectrum, left, share), window, length)


def turned(spectrum: torch.Tensor, left: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """STFT frames of the stretched sound from those of the source, with phase locking.

    Parameters
    ----------
    spectrum : torch.Tensor, shape (B, frames, bins), complex64
    left : torch.Tensor, shape (T,), int64
        Source frame before each frame of the result.
    share : torch.Tensor, shape (T, 1), float32
        Position between that source frame (0) and the next one (1).

    Returns
    -------
    torch.Tensor, shape (B, T, bins), complex64
        Onsets in source frames that ``left`` skips, as at rates over 1, are not detected.
    """
    magnitude = _magnitude(spectrum)
    phasor = _phasor(spectrum, magnitude)

    # The hop is the same in result and source, so each bin's phase advances from frame to frame as
    # at the matching position of the source. Phases are complex numbers of magnitude 1, which add
    # up in a product: no arc tangent or sine is needed.
    advance = phasor[:, left + 1] * phasor[:, left].conj()
    turned = torch.cat([phasor[:, :1], advance[:, :-1]], 1).cumprod(1)

    # Phases accumulated before an onset do not apply to the new sound: an onset frame takes its
    # phases from the source, which keeps clicks sharp.
    jumps = (magnitude[:, 1:] > JUMP * magnitude[:, :-1]).float().mean(dim=-1) > JUMPING
    onsets = torch.nn.functional.pad(jumps, (1, 0))[:, left]
    since = (onsets * torch.arange(len(left), device=left.device)).cummax(dim=1).values
    clips = torch.arange(len(spectrum))[:, None]
    turned *= (phasor[:, left] * turned.conj())[clips, since]
    magnitude = torch.lerp(magnitude[:, left], magnitude[:, left + 1], share)
    rotated = _scale(turned, magnitude)

    # Phase locking (Puckette 1995): a partial fills several bins of alternating sign, whose phases
    # would drift apart and cancel; so each bin takes the phase of its sum with its neighbours,
    # signs alternating, which is about that of the strongest.
    locked = rotated.clone()
    locked[..., 1:] -= rotated[..., :-1]
    locked[..., :-1] -= rotated[..., 1:]
    return _scale(_phasor(locked, _magnitude(locked)), magnitude)


def _compiled(spectrum, left, share):
    """`turned` on a CPU, several times as fast, equal but for rounding."""
    from .phases import turn

    result = np.empty((len(spectrum), len(left), spectrum.shape[2], 2), np.float32)
    for clip, out in zip(torch.view_as_real(spectrum).numpy(), result, strict=True):
        turn(np.ascontiguousarray(clip), left.numpy(), share[:, 0].numpy(), JUMP, JUMPING, out)
    return torch.view_as_complex(torch.from_numpy(result))


# Complex times real by parts: torch would convert the real numbers to complex ones.

def _magnitude(spectrum):
    return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag).sqrt_()


def _scale(spectrum, gain):
    return torch.complex(spectrum.real * gain, spectrum.imag * gain)


def _phasor(spectrum, magnitude):
    """Complex numbers of magnitude 1 with the phases of a spectrum; 1 where it is zero."""
    unit = _scale(spectrum, magnitude.clamp_min(1e-20).reciprocal_())
    return unit.masked_fill_(magnitude < 1e-20, 1)


def _overlap_add(spectrum, window, length):
    """Inverse of the centred STFT: (B, frames, bins) to (B, length)."""
    parts = N_FFT // HOP

    def add(frames):
        out = frames.new_zeros(len(frames), frames.shape[1] + parts - 1, HOP)
        for k in range(parts):
            out[:, k : k + frames.shape[1]] += frames[..., k * HOP : (k + 1) * HOP]
        return out.flatten(1)[:, N_FFT // 2 :][:, :length]

    frames = torch.fft.irfft(spectrum, N_FFT).mul_(window)
    return add(frames) / add(window.square().expand(1, frames.shape[1], -1))


def _resample(x, length, sizes):
    """Band-limited resampling to ``length`` samples: truncate or extend the spectrum.

    sizes : (padded, target) sizes in samples of the forward and inverse transform; the padding
    keeps the ends of the sound from wrapping around.
    """
    padded, target = sizes
    if x.device.type == "cpu":  # SciPy's long transforms take half as long as torch's
        wave = scipy.fft.irfft(scipy.fft.rfft(x.numpy(), padded), target)
        return torch.from_numpy(wave)[..., :length] * (target / padded)
    return torch.fft.irfft(torch.fft.rfft(x, padded), target)[..., :length] * (target / padded)


@functools.lru_cache
def _transform_sizes(n, ratio):
    """Sizes (a, b) of fast transforms, n + N_FFT <= a, with b / a within half a cent of a ratio.

    For waves shorter than a second: within one cent. A transform of 222,553 samples, a prime, takes
    six times as long as one of 225,000.
    """
    least = n + N_FFT
    largest = (2 * least + 50_000) * max(1, ratio)
    smooth = np.array([4])
    for prime in (2, 3, 5, 7, 11):
        powers = prime ** np.arange(int(math.log(largest, prime)) + 1)
        smooth = np.outer(smooth, powers).ravel()
        smooth = smooth[smooth <= largest]
    smooth = np.unique(smooth)
    first = smooth[(smooth >= least) & (smooth * ratio <= largest)]
    cents = 1200 * np.abs(np.log2(smooth / first[:, None] / ratio))
    a, b = np.argwhere(cents <= max(0.5, cents.min()))[0]  # the smallest
    return int(first[a]), int(smooth[b])


def rng_for(*key: int | str) -> np.random.Generator:
    """Random generator that depends only on its key, e.g. (seed, clip_id, copy)."""
    return np.random.default_rng([
        zlib.crc32(part.encode()) if isinstance(part, str) else int(part) for part in key
    ])


def augmented_copy(
    wave: np.ndarray | torch.Tensor, clip_id: str, copy: int, bank: "BankConfig"
) -> np.ndarray | torch.Tensor:
    """Augmented copy of a clip, stretched and shifted by random amounts.

    Rate and semitones are uniform in the bank's ranges and depend only on its seed, clip and copy.

    Parameters
    ----------
    wave : np.ndarray or torch.Tensor, shape (N,), float32
    clip_id : str
    copy : int
        Number of the copy; 0 returns the clip itself.
    bank : BankConfig

    Returns
    -------
    Same kind as ``wave``, on the same device, shape (N,), float32
        Longer results are cut at a random place, shorter ones zero-padded.

    References
    ----------
    Paper, section on augmentation.

    Notebook: 03_augmentation
    """
    if copy == 0:
        return wave
    rng = rng_for(bank.seed, clip_id, copy)
    rate, semitones = rng.uniform(*bank.stretch), rng.uniform(*bank.shift)
    if bank.combine == "either":
        rate, semitones = (1.0, semitones) if rng.integers(2) else (rate, 0.0)
    result = stretch_and_shift(wave, rate, semitones)
    n = len(wave)
    start = int(rng.integers(0, max(len(result) - n, 0) + 1))
    result = torch.as_tensor(result)[start : start + n]
    result = torch.nn.functional.pad(result, (0, n - len(result)))
    return result.numpy() if isinstance(wave, np.ndarray) else result


def mix(
    static: torch.Tensor, targets: torch.Tensor, alpha: float, generator: np.random.Generator,
    interference: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix each segment with another one of the batch (mixup on energies).

    Energies add, log(r^2 exp(a) + (1 - r)^2 exp(b)): waveforms mixed by r and 1 - r, without their
    interference. Targets mix by r. With ``interference`` c, the energies are those of the mixed
    waveforms: 2 r (1 - r) c is added inside the log.

    Parameters
    ----------
    static : torch.Tensor, shape (B, n_bands, frames), float32
        Log energies.
    targets : torch.Tensor, shape (B, C), float32
        Class probabilities.
    alpha : float, over 0
        Each segment's r is drawn from Beta(alpha, alpha).
    generator : np.random.Generator
    interference : callable, optional
        From the other segments' numbers, shape (B,), to c, shape of ``static``: see
        ``interference.Waves``.

    Returns
    -------
    static, targets : torch.Tensor
        Shapes as given.

    References
    ----------
    Zhang et al. 2018 (mixup); Tokozume et al. 2018 (mixing of sounds).

    Notebook: 03_augmentation
    """
    other = sent(generator.permutation(len(static)), static.device)
    share = sent(generator.beta(alpha, alpha, len(static)).astype(np.float32), static.device)
    r = share.clamp(1e-4, 1 - 1e-4).view(-1, 1, 1)
    mixed = torch.logaddexp(static + 2 * r.log(), static[other] + 2 * (1 - r).log())
    if interference:
        left = 1 + 2 * r * (1 - r) * interference(other) * (-mixed).exp()
        mixed = mixed + left.clamp_min_(CANCELLED).log_()
    share = share.view(-1, 1)
    return mixed, share * targets + (1 - share) * targets[other]


def colour(
    static: torch.Tensor, widest: float, generator: np.random.Generator
) -> torch.Tensor:
    """Apply a random smooth filter to each segment (FilterAugment style).

    Reduces overfitting to the recording equipment. The gain is drawn at KNOTS evenly spaced bands,
    the outermost included, and interpolated linearly.

    Parameters
    ----------
    static : torch.Tensor, shape (B, n_bands, frames), float32
        Log energies.
    widest : float, dB
        Gains are uniform from -widest to widest.
    generator : np.random.Generator

    Returns
    -------
    torch.Tensor, shape (B, n_bands, frames), float32

    References
    ----------
    Nam et al. 2022 (FilterAugment), whose filters are steps and slopes.

    Notebook: 03_augmentation
    """
    gain = generator.uniform(-widest, widest, (len(static), 1, KNOTS)).astype(np.float32)
    curve = torch.nn.functional.interpolate(torch.from_numpy(gain), static.shape[1], mode="linear",
                                            align_corners=True)
    return static + sent(curve.mul_(math.log(10) / 10).mT, static.device)


def mask(
    features: torch.Tensor, freq_mask: int, time_mask: int, generator: np.random.Generator
) -> torch.Tensor:
    """SpecAugment: set one range of bands and one range of frames per segment to 0.

    Parameters
    ----------
    features : torch.Tensor, shape (B, channels, n_bands, frames)
        Normalised, so that 0 is the mean; changed in place.
    freq_mask, time_mask : int, bands and frames
        Largest widths, drawn uniformly from 0 on.
    generator : np.random.Generator

    Returns
    -------
    torch.Tensor
        ``features`` itself.

    References
    ----------
    Park et al. 2019.

    Notebook: 03_augmentation
    """
    for axis, widest in ((2, freq_mask), (3, time_mask)):
        size = features.shape[axis]
        width = generator.integers(0, widest + 1, len(features))
        first = generator.integers(0, size - width + 1)
        index = np.arange(size)
        inside = (index >= first[:, None]) & (index < (first + width)[:, None])
        shape = (len(features), 1, size, 1) if axis == 2 else (len(features), 1, 1, size)
        features.masked_fill_(sent(inside, features.device).view(shape), 0)
    return features
