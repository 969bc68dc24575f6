"""Augmentation: time stretch and pitch shift of waveforms; mixing and masking of features.

Notebook: 03_augmentation
"""

import functools
import math
import zlib
from importlib.util import find_spec

import numpy as np
import scipy.fft
import torch

from ..device import sent, side_by_side

N_FFT = 2048  # samples, 46 ms: resolves the partials of voiced sounds
HOP = N_FFT // 4
KNOTS = 6  # of the random filters, 8 ERB apart
JUMP, JUMPING = 4.0, 0.3  # an onset: this share of bins is so many times as loud as just before


def time_stretch(wave, rate):
    """Change the duration of a sound without its pitch, by a phase vocoder.

    Parameters
    ----------
    wave : (N,) or (B, N), NumPy array or tensor, float
    rate : float over 0; over 1 is faster, the result has round(N / rate) samples

    Returns the kind that came in, float32. Raises ValueError for a rate that is not positive or
    a wave without samples. Sources: paper, section on augmentation (range 0.8 to 1.3); Flanagan
    and Golden 1966 (phase vocoder). Notebook: 03_augmentation
    """
    _check(wave, rate=rate)
    return _as_given(wave, lambda x: _vocoder(x, rate, round(x.shape[-1] / rate)))


def pitch_shift(wave, semitones):
    """Change the pitch of a sound without its duration: stretch, then resample.

    wave : (N,) or (B, N), NumPy array or tensor; semitones : float, 12 to the octave. Returns the
    same length and kind, float32. Source: paper, section on augmentation (range -3.5 to 3.5).
    Notebook: 03_augmentation
    """
    return stretch_and_shift(wave, 1.0, semitones)


def stretch_and_shift(wave, rate, semitones):
    """Both at once with a single vocoder pass: round(N / rate) samples, pitch moved.

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
    # clip by clip, all stays in the cache of a CPU's core; a GPU wants them all at once
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


def turned(spectrum, left, share):
    """Frames of the stretched sound, complex64 (B, T, bins), from those of the source.

    spectrum : complex64 (B, frames, bins); left : int64 (T,), the source frame before each frame
    of the result; share : float32 (T, 1), how far that one lies towards the next. An onset in a
    source frame that none of them names, as happens at rates over 1, is not seen
    """
    magnitude = _magnitude(spectrum)
    phasor = _phasor(spectrum, magnitude)

    # Frames are as far apart in the result as in the source, so each bin's phase advances from
    # one to the next by what it did at the matching place of the source. As complex numbers of
    # length 1, phases add up in a product, and no arc tangent or sine is ever taken.
    advance = phasor[:, left + 1] * phasor[:, left].conj()
    turned = torch.cat([phasor[:, :1], advance[:, :-1]], 1).cumprod(1)

    # What was summed up before an onset says nothing about what begins there: a frame in which
    # many bins jump takes its phases from the recording, so that clicks stay clicks.
    jumps = (magnitude[:, 1:] > JUMP * magnitude[:, :-1]).float().mean(dim=-1) > JUMPING
    onsets = torch.nn.functional.pad(jumps, (1, 0))[:, left]
    since = (onsets * torch.arange(len(left), device=left.device)).cummax(dim=1).values
    clips = torch.arange(len(spectrum))[:, None]
    turned *= (phasor[:, left] * turned.conj())[clips, since]
    magnitude = torch.lerp(magnitude[:, left], magnitude[:, left + 1], share)
    rotated = _scale(turned, magnitude)

    # A partial fills several bins, whose phases alternate in sign. Summed up one by one they drift
    # apart and cancel; so each bin takes the phase of what it and its neighbours say together
    # (Puckette 1995), which is that of the strongest.
    locked = rotated.clone()
    locked[..., 1:] -= rotated[..., :-1]
    locked[..., :-1] -= rotated[..., 1:]
    return _scale(_phasor(locked, _magnitude(locked)), magnitude)


def _compiled(spectrum, left, share):
    """``turned`` on a CPU, several times as fast, equal but for the order of rounding."""
    from .phases import turn

    result = np.empty((len(spectrum), len(left), spectrum.shape[2], 2), np.float32)
    for clip, out in zip(torch.view_as_real(spectrum).numpy(), result, strict=True):
        turn(np.ascontiguousarray(clip), left.numpy(), share[:, 0].numpy(), JUMP, JUMPING, out)
    return torch.view_as_complex(torch.from_numpy(result))


# Complex numbers times and over real ones, by parts: torch would make complex numbers of both.

def _magnitude(spectrum):
    return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag).sqrt_()


def _scale(spectrum, gain):
    return torch.complex(spectrum.real * gain, spectrum.imag * gain)


def _phasor(spectrum, magnitude):
    """Complex numbers of length 1 with the phases of a spectrum, 1 where it is nothing."""
    unit = _scale(spectrum, magnitude.clamp_min(1e-20).reciprocal_())
    return unit.masked_fill_(magnitude < 1e-20, 1)


def _overlap_add(spectrum, window, length):
    """The inverse of the centred STFT, (B, frames, bins) -> (B, length)."""
    parts = N_FFT // HOP

    def add(frames):
        out = frames.new_zeros(len(frames), frames.shape[1] + parts - 1, HOP)
        for k in range(parts):
            out[:, k : k + frames.shape[1]] += frames[..., k * HOP : (k + 1) * HOP]
        return out.flatten(1)[:, N_FFT // 2 :][:, :length]

    frames = torch.fft.irfft(spectrum, N_FFT).mul_(window)
    return add(frames) / add(window.square().expand(1, frames.shape[1], -1))


def _resample(x, length, sizes):
    """Band-limited resampling to ``length`` samples: cut or extend the spectrum.

    sizes : of the two transforms; the first leaves room behind the sound, as the Fourier transform
    would let its ends leak into each other.
    """
    padded, target = sizes
    if x.device.type == "cpu":  # SciPy's long transforms take half as long as torch's
        wave = scipy.fft.irfft(scipy.fft.rfft(x.numpy(), padded), target)
        return torch.from_numpy(wave)[..., :length] * (target / padded)
    return torch.fft.irfft(torch.fft.rfft(x, padded), target)[..., :length] * (target / padded)


@functools.lru_cache
def _transform_sizes(n, ratio):
    """Sizes (a, b) of fast transforms, n + N_FFT <= a, with b / a within half a cent of a ratio
    (waves shorter than a second: within one cent).

    A transform of 222,553 samples, a prime, takes six times as long as one of 225,000.
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


def rng_for(*key):
    """A generator of its own for each key, e.g. (seed, clip_id, copy): order does not matter."""
    return np.random.default_rng([
        zlib.crc32(part.encode()) if isinstance(part, str) else int(part) for part in key
    ])


def augmented_copy(wave, clip_id, copy, bank):
    """Copy number ``copy`` of a clip's bank: stretched and shifted by its own random amounts.

    wave (N,) float32, NumPy array or tensor; copy 0 is the clip itself. Rate and semitones are
    uniform in the bank's ranges and depend on nothing but the bank's seed, the clip and the copy.
    Returns the same kind, on the same device, (N,): a longer result is cut at a random place, a
    shorter one is zero-padded.
    Source: paper, section on augmentation. Notebook: 03_augmentation
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


def mix(static, targets, alpha, generator):
    """Mix each segment with another one as if both sounds had been played at once.

    Parameters
    ----------
    static : (B, bands, frames) float32 log energies
    targets : (B, C) class probabilities
    alpha : float over 0; the share r of a segment is drawn from Beta(alpha, alpha)
    generator : numpy Generator

    Energies add, so the mix is log(r^2 exp(a) + (1 - r)^2 exp(b)): the mixing of waveforms with
    weights r and 1 - r, but for their interference. Targets mix by r. Returns both.
    Sources: Zhang et al. 2018 (mixup); Tokozume et al. 2018 (mixing of sounds).
    Notebook: 03_augmentation
    """
    other = sent(generator.permutation(len(static)), static.device)
    share = sent(generator.beta(alpha, alpha, len(static)).astype(np.float32), static.device)
    r = share.clamp(1e-4, 1 - 1e-4).view(-1, 1, 1)
    mixed = torch.logaddexp(static + 2 * r.log(), static[other] + 2 * (1 - r).log())
    share = share.view(-1, 1)
    return mixed, share * targets + (1 - share) * targets[other]


def colour(static, widest, generator):
    """Let each segment sound as if through other equipment: a random smooth filter.

    static : (B, bands, frames) float32 log energies; generator : numpy Generator
    widest : float, dB; the filter's gain is drawn uniformly from -widest to widest at KNOTS bands,
        the outermost among them, and runs straight from one to the next

    A network that sees few recordings of a class may learn what their equipment did to them.
    Source: Nam et al. 2022 (FilterAugment), whose steps and slopes these are in spirit only.
    Notebook: 03_augmentation
    """
    gain = generator.uniform(-widest, widest, (len(static), 1, KNOTS)).astype(np.float32)
    curve = torch.nn.functional.interpolate(torch.from_numpy(gain), static.shape[1], mode="linear",
                                            align_corners=True)
    return static + sent(curve.mul_(math.log(10) / 10).mT, static.device)


def mask(features, freq_mask, time_mask, generator):
    """SpecAugment: erase one band range and one frame range per segment, setting it to 0.

    features : (B, channels, bands, frames), normalised, so that 0 is the mean; changed in place.
    freq_mask, time_mask : largest width of a mask in bands and frames, drawn uniformly from 0 on.
    Source: Park et al. 2019. Notebook: 03_augmentation
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
