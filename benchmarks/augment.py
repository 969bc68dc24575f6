"""Time stretch and pitch shift against librosa, python-stretch and pedalboard: speed and quality.

pedalboard is GPL: it is measured here and used nowhere else.
"""

import librosa
import numpy as np
from pedalboard import time_stretch as pedalboard_stretch
from python_stretch import Signalsmith

from acrnn_lib.features import augment

from .common import SAMPLE_RATE, in_turn, rows, waves

RATE, SEMITONES = 0.8, 3.0
AT = np.arange(1, 10) * 22050  # samples; where the clicks are


def signalsmith(wave, rate=1.0, semitones=0.0):
    """python-stretch on one wave (N,)."""
    tool = Signalsmith.Stretch()
    tool.preset(1, SAMPLE_RATE)
    tool.setTimeFactor(rate)
    tool.setTransposeSemitones(semitones)
    return tool.process(wave[None])[0]


def rubberband(wave, rate=1.0, semitones=0.0):
    """pedalboard on one wave (N,)."""
    return pedalboard_stretch(wave, SAMPLE_RATE, rate, semitones)[0]


TOOLS = {
    "ours": (lambda x: augment.time_stretch(x, RATE), lambda x: augment.pitch_shift(x, SEMITONES)),
    "librosa": (lambda x: librosa.effects.time_stretch(x, rate=RATE),
                lambda x: librosa.effects.pitch_shift(x, sr=SAMPLE_RATE, n_steps=SEMITONES)),
    "python-stretch": (lambda x: signalsmith(x, RATE), lambda x: signalsmith(x, 1.0, SEMITONES)),
    "pedalboard": (lambda x: rubberband(x, RATE), lambda x: rubberband(x, 1.0, SEMITONES)),
}


def run(repeats):
    """Rows of both effects."""
    sound, batch = waves(32)
    effects = f"time stretch, rate {RATE}", f"pitch shift, {SEMITONES} semitones"
    for k, effect in enumerate(effects):
        ways, units = {}, {}
        for name, tools in TOOLS.items():
            units[name] = 2 if name == "pedalboard" else 8 if name == "python-stretch" else 32
            if name == "ours":
                ways[name] = lambda k=k: TOOLS["ours"][k](batch)
            else:
                ways[name] = lambda tool=tools[k], n=units[name]: [tool(x) for x in batch[:n]]
        times = in_turn(ways, repeats)
        yield from rows(f"{effect}, one of 32 clips of 5 s ({sound})",
                        {name: (times[name], units[name]) for name in ways},
                        targets={"librosa": "3"},
                        notes={name: quality(*tools, k) for name, tools in TOOLS.items()})


def quality(stretch, shift, k):
    """How far a tool's results lie from the ideal, in words."""
    seconds = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    clicks = np.zeros(len(tone), np.float32)
    clicks[AT] = 1
    noise = np.random.default_rng(0).standard_normal(len(tone)).astype(np.float32) * 0.1
    tool, pitch = (stretch, 440.0) if k == 0 else (shift, 440 * 2 ** (SEMITONES / 12))
    length = round(len(tone) / RATE) if k == 0 else len(tone)
    times = np.arange(length) / SAMPLE_RATE
    ideal_clicks = np.zeros(length, np.float32)
    ideal_clicks[np.round(AT / RATE).astype(int) if k == 0 else AT] = 1
    found = tool(tone)
    distances = [distance(tool(clicks), ideal_clicks),
                 distance(found, 0.5 * np.sin(2 * np.pi * pitch * times)),
                 noise_distance(tool(noise), noise)]
    return (f"tone {1200 * abs(np.log2(peak(found) / pitch)):.2f} cents off; "
            f"{len(found) - length:+d} samples; log-spectral distance: clicks {distances[0]:.1f}, "
            f"tone {distances[1]:.1f}, noise {distances[2]:.1f} dB")


def peak(wave):
    """Frequency in Hz of the loudest partial, by interpolation between bins."""
    inner = wave[len(wave) // 4 : 3 * len(wave) // 4]
    level = np.log(np.abs(np.fft.rfft(inner * np.hanning(len(inner)), 8 * len(inner))) + 1e-12)
    top = int(level.argmax())
    left, middle, right = level[top - 1 : top + 2]
    return (top + 0.5 * (left - right) / (left - 2 * middle + right)) * SAMPLE_RATE / (
        8 * len(inner))


def distance(found, ideal):
    """Root mean square difference in dB of two spectrograms, 60 dB under the ideal's peak cut."""
    levels = []
    size = min(len(found), len(ideal))
    for wave in (ideal, found):
        power = np.abs(librosa.stft(np.asarray(wave[:size], np.float32), n_fft=1024)) ** 2
        levels.append(10 * np.log10(power + 1e-12))
    levels = np.maximum(levels, levels[0].max() - 60)
    return float(np.sqrt(np.mean((levels[0] - levels[1]) ** 2)))


def noise_distance(found, noise):
    """The same for the mean spectra of noise, whose ideal is as flat and as loud as it was."""
    levels = [10 * np.log10((np.abs(librosa.stft(x, n_fft=1024)) ** 2).mean(axis=1)[4:400])
              for x in (found, noise)]
    return float(np.sqrt(np.mean((levels[0] - levels[1]) ** 2)))
