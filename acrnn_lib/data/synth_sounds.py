"""Generators of the ten classes of sound, made from noise, pulses and resonances.

Each generator, ``dog(s, r, n)`` and the others, takes two random generators and a length in samples
and returns float64, shape (n,), of any level. ``s`` draws what all takes of one recording share
(the dog's size, the clock's case) and is seeded the same for each call; ``r`` draws what differs
between performances.

Notebook: 01_listen_and_look
"""

import numpy as np
from scipy.fft import irfft, next_fast_len
from scipy.signal import lfilter, oaconvolve

from .audio import SAMPLE_RATE

# Building blocks


GRID = np.geomspace(20, SAMPLE_RATE / 2, 300)  # Hz, where filter curves are computed


def filtered(spectrum: np.ndarray, gain: np.ndarray, n: int) -> np.ndarray:
    """Filter a sound that is given as a spectrum.

    Parameters
    ----------
    spectrum : np.ndarray, shape (bins,), complex
        Of a real FFT of even size.
    gain : np.ndarray, shape of GRID
        Amplitude gains at the frequencies of GRID.
    n : int, samples

    Returns
    -------
    np.ndarray, shape (n,), float64
        The first n samples.
    """
    size = 2 * len(spectrum) - 2
    hertz = np.arange(len(spectrum)) * (SAMPLE_RATE / size)
    return irfft(spectrum * np.interp(hertz, GRID, gain), size, overwrite_x=True)[:n]


def noise(
    r: np.random.Generator, n: int, tilt: float = 0.0, low: float = 20.0, high: float = 22000.0
) -> np.ndarray:
    """Gaussian noise of RMS 1, coloured and softly band-limited.

    Parameters
    ----------
    r : np.random.Generator
    n : int, samples
    tilt : float, dB per octave
        How much the level falls.
    low, high : float, Hz
        Band limits.

    Returns
    -------
    np.ndarray, shape (n,), float64
    """
    white = r.standard_normal((next_fast_len((n + 1) // 2) + 1, 2)).view(complex)[:, 0]
    gain = GRID ** (-tilt / 6.02) / np.sqrt((1 + (low / GRID) ** 6) * (1 + (GRID / high) ** 6))
    wave = filtered(white, gain, n)
    return wave / np.sqrt(np.mean(wave**2))


def pulses(hertz: np.ndarray, bright: float) -> np.ndarray:
    """Pulse train, in closed form: partial k has the amplitude bright**k.

    Parameters
    ----------
    hertz : np.ndarray, shape (n,), Hz
        Fundamental frequency at each sample.
    bright : float, 0 to 1

    Returns
    -------
    np.ndarray, shape (n,), float64
    """
    wave = bright * np.cos(2 * np.pi / SAMPLE_RATE * np.cumsum(hertz))
    return (wave - bright**2) / (1 - 2 * wave + bright**2)


def formants(
    wave: np.ndarray, hertz: np.ndarray, widths: list[float], gains: list[float]
) -> np.ndarray:
    """Sum of parallel resonances of a wave, as of a vocal tract or a wooden case.

    Parameters
    ----------
    wave : np.ndarray, shape (n,)
    hertz, widths : sequence of float, Hz
        Centre frequencies and bandwidths.
    gains : sequence of float

    Returns
    -------
    np.ndarray, shape (n,), float64
    """
    out = np.zeros(len(wave))
    for f, width, gain in zip(hertz, widths, gains, strict=True):
        radius = np.exp(-np.pi * width / SAMPLE_RATE)
        poles = [1, -2 * radius * np.cos(2 * np.pi * f / SAMPLE_RATE), radius**2]
        out += lfilter([gain * (1 - radius), 0, -gain * (1 - radius)], poles, wave)
    return out


def path(n: int, *points: tuple[float, float]) -> np.ndarray:
    """Piecewise linear curve, shape (n,), through (position 0 to 1, value) points."""
    return np.interp(np.linspace(0, 1, n), *np.transpose(points))


def wander(r: np.random.Generator, n: int, hertz: float) -> np.ndarray:
    """Random curve around 0, shape (n,), piecewise linear with ``hertz`` random knots per s."""
    knots = r.standard_normal(int(n / SAMPLE_RATE * hertz) + 4)
    return np.interp(np.linspace(1, len(knots) - 2, n), np.arange(len(knots)), knots)


def hits(
    r: np.random.Generator, n: int, rate: float, spread: float, kernel: np.ndarray
) -> np.ndarray:
    """Kernels at random times, of random sign.

    Parameters
    ----------
    r : np.random.Generator
    n : int, samples
    rate : float, per s
        Mean number of kernels.
    spread : float
        Standard deviation of the log-normal levels.
    kernel : np.ndarray, shape (k,)

    Returns
    -------
    np.ndarray, shape (n,), float64
    """
    count = r.poisson(rate * n / SAMPLE_RATE)
    at, level = r.integers(0, n, count), np.exp(spread * r.standard_normal(count))
    train = np.bincount(at, level * r.choice([-1, 1], count), minlength=n)
    return oaconvolve(train, kernel)[:n]


def ping(
    r: np.random.Generator, seconds: float, hertz: np.ndarray, n: int = 2000
) -> np.ndarray:
    """A short knock: noise and tones that decay exponentially.

    Parameters
    ----------
    r : np.random.Generator
    seconds : float, s
        Time constant of the decay.
    hertz : np.ndarray, Hz
        Frequencies of the tones.
    n : int, samples

    Returns
    -------
    np.ndarray, shape (n,), float64
    """
    t = np.arange(n) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in hertz)
    return (tones + 0.7 * r.standard_normal(n)) * np.exp(-t / seconds) * (1 - np.exp(-t / 1e-4))


# The classes


def dog(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Bark: a rough pulse train whose pitch rises and falls, through opening formants."""
    pitch, size, rough = s.uniform(260, 700), s.uniform(0.75, 1.3), s.uniform(0.1, 0.7)
    pitch *= r.uniform(0.93, 1.08)
    hertz = pitch * path(n, (0, 0.7), (0.2, 1.15), (0.5, 1.0), (1, 0.55))
    hertz *= 1 + 0.06 * rough * wander(r, n, 150)
    throat = pulses(hertz, 0.8) + rough * noise(r, n, 3)
    bark = formants(throat, size * np.array([650, 1300, 2700, 4500]), [150, 200, 350, 600],
                    [1, 0.9, 0.5, 0.3])
    return bark * path(n, (0, 0), (0.06, 1), (0.45, 0.6), (0.8, 0.1), (1, 0))


def rain(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Rain: many small drops as a steady hiss and, nearer, single drops."""
    tilt, rate, near = s.uniform(-1, 5), 10 ** s.uniform(2, 3), s.uniform(0.2, 0.8)
    drop = ping(s, s.uniform(5e-4, 2e-3), s.uniform(900, 6000, 2))
    drops = hits(r, n, rate, 0.6, drop)
    hiss = noise(r, n, tilt, s.uniform(80, 600)) * (1 + 0.06 * wander(r, n, 2))
    return (hiss + near * drops / (drops.std() + 1e-9)) * _fade(n, 0.25)


def sea_waves(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Sea waves: a low roar rises, breaks into bright foam and runs back slowly."""
    period, foam = s.uniform(2.5, 4.5) * SAMPLE_RATE, s.uniform(0.4, 1.2)
    swells = max(1, round(n / period * r.uniform(0.8, 1.2)))
    place = (np.arange(n) * swells / n) % 1
    rise = np.interp(place, [0, 0.45, 0.6, 1], [0.05, 0.7, 1, 0.05])
    spray = np.interp(place, [0, 0.4, 0.55, 1], [0, 0.15, 1, 0]) ** 1.5
    tilt = s.uniform(3, 6)
    roar = noise(r, n, tilt, 60, 4000) * (1 + 0.15 * wander(r, n, 6))
    return roar * rise**1.3 + foam * noise(r, n, tilt - 3, 500) * spray


def crying_baby(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Cry: a long open vowel, high and bright; the pitch arches, trembles and may break."""
    pitch, tremble = s.uniform(330, 560) * r.uniform(0.95, 1.06), s.uniform(4, 8)
    t = np.arange(n) / SAMPLE_RATE
    hertz = pitch * path(n, (0, 0.8), (0.15, 1.05), (0.6, 1.1), (1, 0.75))
    hertz *= 1 + 0.025 * np.sin(2 * np.pi * tremble * t) + 0.012 * wander(r, n, 40)
    strain = s.uniform(0, 0.5) * np.clip(wander(r, n, 4), 0, 1)  # noise of a pressed voice
    throat = pulses(hertz, 0.87) + strain * noise(r, n, 2)
    size = s.uniform(0.85, 1.15)
    cry = formants(throat, size * np.array([1050, 1700, 3400, 5200]), [180, 250, 350, 600],
                   [1, 0.7, 0.7, 0.3])
    return cry * path(n, (0, 0), (0.1, 0.8), (0.5, 1), (0.85, 0.7), (1, 0))


def clock_tick(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Clock: tick and tock at equal intervals, each two small knocks of the case."""
    period, swing = s.uniform(0.2, 0.7), s.uniform(0, 0.06)
    case = s.uniform(600, 7000, 3)
    decay, echo = 10 ** s.uniform(-2.9, -2.0), int(s.uniform(0.008, 0.03) * SAMPLE_RATE)
    knocks = [ping(s, decay, case), ping(s, decay, case * s.uniform(0.75, 1.1))]
    out = np.zeros(n + 4000)
    for k, at in enumerate(np.arange(0.01, n / SAMPLE_RATE - 0.05, period)):
        start = int((at + swing * period * (k % 2)) * SAMPLE_RATE)
        for delay, level in ((0, r.uniform(0.8, 1)), (echo, r.uniform(0.2, 0.5))):
            out[start + delay : start + delay + 2000] += level * knocks[k % 2]
    return out[:n]


def sneezing(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Sneeze: a gasp that swells ("ah"), a burst of air ("tsch") and a voiced rest ("oo")."""
    pitch, voiced = s.uniform(110, 320), s.uniform(0.1, 0.6)
    a = int(n * s.uniform(0.3, 0.5))  # where it bursts
    gasp = noise(r, a, 2, 300, 5000) * path(a, (0, 0), (0.7, 0.25), (0.9, 0.1), (1, 0))
    gasp += voiced * formants(pulses(pitch * path(a, (0, 1), (1, 1.5)), 0.85), [750, 1300],
                              [120, 200], [1, 0.6]) * path(a, (0, 0), (0.7, 0.7), (0.9, 0))
    m = n - a
    bright = noise(r, m, s.uniform(-1, 3), s.uniform(800, 2500), 14000)
    burst = bright * path(m, (0, 0), (0.015, 1), (0.25, 0.4), (0.6, 0.03), (1, 0))
    dull = formants(noise(r, m, 2) + pulses(pitch * path(m, (0, 1.6), (1, 0.8)), 0.9),
                    [500, 1500], [150, 300], [1, 0.4])
    return np.r_[gasp, burst + voiced * dull * path(m, (0, 0), (0.2, 0.8), (0.8, 0.1), (1, 0))]


def helicopter(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Helicopter: rotor blades at 9 to 20 Hz over a turbine's broadband noise and whine."""
    rate, slap, tilt = s.uniform(9, 20), s.uniform(4, 9), s.uniform(2, 6)
    phase = np.cumsum(rate * (1 + 0.02 * wander(r, n, 0.5))) / SAMPLE_RATE
    blade = np.exp(-slap * (phase % 1)) * np.minimum(1, 30 * (phase % 1))
    thump = formants(blade, s.uniform(60, 160, 2), [40, 40], [1, 1])
    wash = noise(r, n, tilt, 60, s.uniform(2000, 9000))
    whine = np.sin(2 * np.pi * s.uniform(500, 2500) * np.arange(n) / SAMPLE_RATE)
    body = wash * (s.uniform(0.1, 0.35) + blade) + s.uniform(0, 0.08) * whine
    body += s.uniform(0.3, 1) * thump / (np.abs(thump).max() + 1e-9)
    return body * _fade(n, 0.5)


def chainsaw(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Chainsaw: a two-stroke engine, idling at 30 to 50 Hz, faster at full throttle."""
    idle, full = s.uniform(32, 50), s.uniform(90, 150)
    throttle = np.clip(0.5 + 1.2 * wander(r, n, s.uniform(0.7, 2)), 0, 1)
    throttle = lfilter([2e-4], [1, 2e-4 - 1], throttle)  # an engine needs time to rev up
    hertz = (idle + (full - idle) * throttle) * (1 + 0.02 * wander(r, n, 30))
    engine = pulses(hertz, 0.97) * (0.5 + throttle)
    exhaust = formants(engine, s.uniform([150, 600, 1800, 4000], [400, 1500, 3500, 7000]),
                       [120, 250, 500, 900], [1, 1, 0.8, 0.7])
    wood = noise(r, n, s.uniform(1, 5), 80, s.uniform(3000, 12000))
    fire = np.maximum(0, engine) / 8  # the noise follows the strokes
    return (exhaust / exhaust.std() + s.uniform(1, 3) * wood * (0.2 + fire)) * _fade(n, 0.2)


def rooster(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Crow: three short calls, then a long high one that sinks and becomes rough."""
    pitch, size = s.uniform(380, 720) * r.uniform(0.95, 1.05), s.uniform(0.8, 1.2)
    hertz = pitch * path(n, (0, 0.8), (0.1, 0.95), (0.2, 1.1), (0.3, 0.95), (0.42, 1.4),
                         (0.65, 1.3), (0.9, 0.9), (1, 0.6))
    hertz *= 1 + 0.01 * wander(r, n, 60)
    rasp = path(n, (0, 0.3), (0.6, 0.1), (1, s.uniform(0.3, 1)))
    crow = formants(pulses(hertz, 0.8) + rasp * noise(r, n, 3),
                    size * np.array([900, 1900, 3000, 4800]), [200, 300, 400, 600],
                    [1, 0.9, 0.6, 0.3])
    edge = s.uniform(-0.02, 0.02, 3)
    a, b, c = np.array([0.13, 0.24, 0.37]) + edge  # the short pauses
    return crow * path(n, (0, 0), (0.03, 0.7), (a - 0.02, 0.6), (a, 0.02), (a + 0.03, 0.7),
                       (b - 0.02, 0.6), (b, 0.02), (b + 0.03, 0.8), (c - 0.02, 0.5), (c, 0.05),
                       (c + 0.05, 1), (0.75, 0.9), (1, 0))


def crackling_fire(s: np.random.Generator, r: np.random.Generator, n: int) -> np.ndarray:
    """Fire: wood splits at random times, softly or loudly, over the noise of flames."""
    rate, tilt = 10 ** s.uniform(0.7, 1.6), s.uniform(0, 6)
    crack = ping(s, 10 ** s.uniform(-3.3, -2.4), s.uniform(700, 7000, 2))
    fine = hits(r, n, rate * 8, 0.8, ping(s, 5e-4, s.uniform(2000, 9000, 1)))
    breath = noise(r, n, tilt, 50, 9000) * np.maximum(0.2, 1 + 0.5 * wander(r, n, 5))
    loud = hits(r, n, rate, 1.0, crack)
    wave = s.uniform(0.05, 0.25) * breath + 2 * loud / (np.abs(loud).max() + 1e-9) * 2
    return (wave + 0.5 * fine / (np.abs(fine).max() + 1e-9)) * _fade(n, 0.15)


def _fade(n, seconds):
    """Fade in and out, each in at most ``seconds``: gains, shape (n,)."""
    edge = np.arange(1, n + 1) / (seconds * SAMPLE_RATE)
    return np.minimum(1, np.minimum(edge, edge[::-1]))


# class: (generator, events per clip, duration of each in s)
VOICES = {
    "dog": (dog, (2, 6), (0.16, 0.4)),
    "rain": (rain, (1, 2), (1.2, 4.0)),
    "sea_waves": (sea_waves, (1, 1), (2.2, 4.4)),
    "crying_baby": (crying_baby, (1, 4), (0.5, 1.3)),
    "clock_tick": (clock_tick, (1, 2), (1.6, 4.0)),
    "sneezing": (sneezing, (1, 2), (0.6, 1.3)),
    "helicopter": (helicopter, (1, 2), (1.4, 4.0)),
    "chainsaw": (chainsaw, (1, 2), (1.2, 4.0)),
    "rooster": (rooster, (1, 2), (1.2, 2.1)),
    "crackling_fire": (crackling_fire, (1, 2), (1.3, 4.0)),
}
