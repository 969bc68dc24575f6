"""Log-gammatone with delta, and the exact gammatonegram, against the packages of the field."""

import warnings

import librosa
import numpy as np
import torch
from gammatone.fftweight import fft_gtgram
from gammatone.gtgram import gtgram

from acrnn_lib.features import frontend, gammatone
from tests.features.test_frontend import relative_error

from .common import in_turn, rows, waves

SETTINGS = (44100, 1024 / 44100, 512 / 44100, 128, 50)


def run(repeats):
    """Rows of both stages."""
    sound, batch = waves(64)
    double, tensor = batch.astype(np.float64), torch.from_numpy(batch)
    front_end = frontend.LogGammatone().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nnAudio.features import Gammatonegram

        peer = Gammatonegram(sr=44100, n_fft=1024, n_bins=128, hop_length=512, fmin=50, power=2)
    mel = {"sr": 44100, "n_fft": 1024, "hop_length": 512, "n_mels": 128}

    def inference(function):
        with torch.inference_mode():
            return function()

    ways = {
        "ours": (lambda: inference(lambda: front_end(tensor)), 64),
        "gammatone.gtgram": (lambda: gtgram(double[0], *SETTINGS), 1),
        "gammatone.fft_gtgram": (lambda: [fft_gtgram(x, *SETTINGS) for x in double[:8]], 8),
        "nnAudio Gammatonegram":
            (lambda: inference(lambda: [peer(x) for x in tensor.split(4)]), 64),
        "librosa melspectrogram":
            (lambda: [librosa.feature.melspectrogram(y=x, **mel) for x in batch], 64),
        "ours, exact": (lambda: gammatone.gtgram(double[0], *SETTINGS), 1),
    }
    times = in_turn({name: way for name, (way, _) in ways.items()}, repeats)
    timed = {name: (times[name], units) for name, (_, units) in ways.items()}
    exact = {"ours, exact": timed.pop("ours, exact"), "gammatone.gtgram": timed["gammatone.gtgram"]}
    yield from rows(
        f"log-gammatone with delta, one of 64 clips of 5 s in memory ({sound})", timed,
        targets={"gammatone.gtgram": "400", "gammatone.fft_gtgram": "10",
                 "nnAudio Gammatonegram": "4", "librosa melspectrogram": "2"},
        notes={"ours": f"energies {relative_error(batch[0]):.0e} off the same in float64",
               "gammatone.gtgram": "another quantity (time-domain filters)",
               "gammatone.fft_gtgram": "another scale, no log, no delta",
               "nnAudio Gammatonegram": "blocks of 4 clips; no log, no delta",
               "librosa melspectrogram": "mel bands, no log, no delta"})
    ours, theirs = gammatone.gtgram(double[0], *SETTINGS), gtgram(double[0], *SETTINGS)
    error = np.abs(ours - theirs) / np.maximum(theirs, 1e-8 * theirs.max())
    yield from rows(f"exact gammatonegram, one clip of 5 s ({sound})", exact,
                    targets={"gammatone.gtgram": "20"},
                    notes={"ours, exact": f"error {error.max():.0e} of each value"})
