"""What a user waits for: starting, naming a sound, the data within a training step."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from .common import SAMPLE_RATE, clips, in_turn, rows, waves

MINUTES = 10  # of a long recording


def run(repeats):
    """Rows of starting up, of one prediction and of the data pipeline."""
    yield from start(repeats)
    yield from prediction(repeats)
    yield from pipeline(repeats)


def start(repeats):
    """Python itself, importing the package, and the help of the command line."""
    commands = {"python -c pass": ["-c", "pass"], "import acrnn_lib": ["-c", "import acrnn_lib"],
                "python -m acrnn_lib --help": ["-m", "acrnn_lib", "--help"]}
    times = in_turn({name: lambda words=words: subprocess.run(
        [sys.executable, *words], check=True, capture_output=True)
        for name, words in commands.items()}, repeats)
    bare = times["python -c pass"]
    for name, target in (("import acrnn_lib", 200), ("python -m acrnn_lib --help", 400)):
        yield {"stage": "start, over bare Python's", "way": name,
               "ms": f"{1e3 * (times[name] - bare):.0f}", "ours is faster by": "",
               "target": f"{target} ms", "notes": ""}


def prediction(repeats):
    """One file of five seconds, and one of ten minutes, to its classes, the network loaded."""
    from acrnn_lib.inference import Predictor

    sound, some = waves(120)
    wave = np.resize(some, MINUTES * 60 * SAMPLE_RATE)  # repeats clips where there are fewer
    _, table = clips(1)
    predictor = Predictor()
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder, "long.wav")
        soundfile.write(long, wave, SAMPLE_RATE)
        took = in_turn({"short": lambda: predictor.file(table.path[0]),
                        "long": lambda: predictor.file(long)}, repeats)
    yield from rows(f"one file to its classes ({sound})", {"ours": (took["short"], 1)},
                    targets={"ours": "60 ms"})
    yield from rows(f"a WAV file of {MINUTES} minutes to its classes ({sound})",
                    {"ours": (took["long"], 1)},
                    notes={"ours": f"{MINUTES * 60 / took['long']:.0f} times as fast as it plays"})


def pipeline(repeats):
    """Drawing, cutting, delta, normalising: their share of a step on batches of 32."""
    from acrnn_lib import experiments
    from acrnn_lib.device import pick_device
    from acrnn_lib.features import store
    from acrnn_lib.features.frontend import normalise
    from acrnn_lib.training import loop
    from acrnn_lib.training.batches import TrainingData

    sound, table = clips(100)
    for name in ("acrnn", "acrnn-plus"):
        chosen = experiments.experiment(name, "lite", {"bank.copies": 1})
        copies = store.load(table, chosen.features, chosen.bank, progress=False)
        folds = sorted({int(f) for f in table.fold} - {1})
        device = pick_device()
        data = TrainingData(chosen, table, copies, folds, device)
        trainer = loop.Trainer(chosen, len(data.classes), 0, 1, device)
        rng = np.random.default_rng(0)
        trainer.model.train()
        rows = data.segments.draw(chosen.train.segments, rng)[:32]

        def read(data=data, rows=rows):
            static = data.segments.static_of(rows)
            return normalise(data.segments.with_channels(static), data.mean, data.std)

        def step(data=data, trainer=trainer, rows=rows):
            return trainer.step(*data.batch(rows, np.random.default_rng(0))).tolist()

        times = in_turn({"data": read, "step": step}, repeats)
        started = time.perf_counter()
        data.segments.draw(chosen.train.segments, rng)
        drawing = (time.perf_counter() - started) / len(folds) / 20 * 32 / chosen.train.segments
        share = (times["data"] + drawing) / times["step"]
        yield {"stage": f"data in a training step of {name} ({sound})", "way": "ours",
               "ms": f"{1e3 * (times['data'] + drawing) / 32:.2f}", "ours is faster by": "",
               "target": "5 %", "notes": f"{share:.1%} of the step"}
