"""A folder for any static host: a page in which the pretrained network runs in the browser.

Notebook: 13_your_own_sounds
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np

from ..attention.maps import owners
from ..data import audio, datasets, levels
from ..evaluation import outside
from ..features.gammatone import centre_frequencies
from ..files import arriving, cache_dir, write_bytes
from ..inference import load
from .installed import need
from .onnx_export import export

RUNTIME = "onnxruntime-web"
VERSION = "1.22.0"
# of the package: its smallest build, for processors with SIMD, and the code that loads it
FILES = {
    "ort.wasm.min.mjs":
        "6ef726f355b791129f7ddf3f62e7877a16b9b777abe87004b8ab306e6b9cf265",
    "ort-wasm-simd-threaded.mjs":
        "30dd851d9c00622940500f71ddd2ff8820c5cb65270816080175b958705385a8",
    "ort-wasm-simd-threaded.wasm":
        "71aef04959c5c1b6de461b6538e2058e306610034a85aad2742d0c7fd4533fe4",
}
COLOURS = "magma"
# Clips have samples of 18 bits, stored as 24: then all browsers decode the very same numbers
# (Chromium divides positive samples of 16 bits by 32,767). The lowest 6, all zero, cost nothing;
# with 16 bits, the noise of rounding would be heard in soft clips, which are raised.
FULL = 2**17


def demo(out: Path | str, pages: Path | str, runtime: Path | str | None = None) -> Path:
    """Write the demonstration: page, network, front end's settings, clips, runtime.

    Parameters
    ----------
    out : Path or str
        The folder; files of that name are replaced.
    pages : Path or str
        Folder with the page and its scripts: ``book/demo`` of a checkout.
    runtime : Path or str, optional
        Folder ``dist`` of the npm package onnxruntime-web, in the version VERSION; by default it
        is fetched by npm into the cache.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ValueError
        Without onnx or npm, for pages that are not there, and for a runtime that lacks a file or
        has another version's.

    Notebook: 13_your_own_sounds
    """
    need("onnx")  # before anything is fetched or written
    if not Path(pages, "index.html").is_file():
        raise ValueError(f"{pages}: found no index.html, expected book/demo of a checkout")
    out, runtime = Path(out), Path(runtime) if runtime else fetched()
    for name in FILES:
        _checked(runtime / name)
    (out / "clips").mkdir(parents=True, exist_ok=True)
    for path in [*sorted(Path(pages).iterdir()), *(Path(runtime, name) for name in FILES)]:
        shutil.copyfile(path, out / path.name)
    predictor = load()
    export(out / "acrnn.onnx", predictor)
    write_bytes(out / "model.json", json.dumps(settings(predictor)).encode())
    weights = predictor.front_end.power_weights.numpy().astype("<f4")
    write_bytes(out / "filters.f32", weights.tobytes())
    write_bytes(out / "centres.f32", centres(predictor.limits))
    write_bytes(out / "clips.json", json.dumps(_clips(out / "clips"), indent=1).encode())
    return out


def page_part(runtime: Path | None) -> str:
    """Markdown of a book's page that holds the demonstration, or says why it does not.

    runtime : as found by `fetched`; None if there is none.

    Notebook: 13_your_own_sounds
    """
    if runtime is None:
        return ("This edition was built without the network, since npm or the package onnx was "
                "missing. `make demo` says what it needs, and builds the page alone.\n")
    return ("```{raw} html\n<link rel=\"stylesheet\" href=\"demo/demo.css\">\n"
            "<div class=\"acrnn-demo\"></div>\n<script src=\"demo/opened.js\"></script>\n"
            "<script type=\"module\" src=\"demo/player.js\"></script>\n```\n")


def fetched() -> Path:
    """Folder of the runtime's files, fetched by npm where the cache lacks them.

    Raises
    ------
    ValueError
        Without npm, and where it does not reach a registry.

    Notebook: 13_your_own_sounds
    """
    folder = cache_dir() / f"{RUNTIME}-{VERSION}"
    dist = folder / "package" / "dist"
    if dist.is_dir():
        return dist
    npm = shutil.which("npm")
    if not npm:
        raise ValueError("npm: not found; expected Node.js, whose npm fetches "
                         f"{RUNTIME} {VERSION}, or its folder dist by --runtime")
    with tempfile.TemporaryDirectory() as made:
        packed = subprocess.run([npm, "pack", "--silent", f"{RUNTIME}@{VERSION}"], cwd=made,
                                capture_output=True, text=True)
        if packed.returncode:
            raise ValueError(f"npm pack {RUNTIME}@{VERSION}: {packed.stderr.strip()[:300]}")
        with tarfile.open(next(Path(made).glob("*.tgz"))) as archive:
            archive.extractall(made, filter="data")
        for name in FILES:
            _checked(Path(made, "package", "dist", name))
        with arriving(dist) as part:
            for name in FILES:
                shutil.copyfile(Path(made, "package", "dist", name), part / name)
    return dist


def _checked(path):
    if not path.is_file():
        raise ValueError(f"{path}: not found, expected a file of {RUNTIME} {VERSION}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != FILES[path.name]:
        raise ValueError(f"{path}: found SHA-256 {digest[:12]}, expected that of {RUNTIME} "
                         f"{VERSION}, {FILES[path.name][:12]}")


def settings(predictor) -> dict:
    """What the page's front end and pictures need of a checkpoint, for JSON.

    predictor : inference.Predictor, with the channels static and delta, and with limits.

    Notebook: 13_your_own_sounds
    """
    c = predictor.config
    names = ("sample_rate", "n_fft", "hop_length", "n_bands", "segment_frames", "segment_hop",
             "delta_width", "log_floor", "silence_db")
    if c.channels != ("static", "delta") or predictor.mean.shape != (2,):
        raise ValueError(f"{predictor.path}: expected the channels static and delta, normalised "
                         "per channel")
    if not predictor.limits.centres:
        raise ValueError(f"{predictor.path}: expected {outside.FILE} beside it")
    silence = np.zeros(c.segment_frames * c.hop_length, np.float32)
    _, weights, _ = predictor.wave(silence)
    return {name: getattr(c, name) for name in names} | {
        "classes": predictor.classes, "limits": {
            **{name: getattr(predictor.limits, name)
               for name in outside.NUMBERS},
            "silence_dbfs": levels.SILENCE_DBFS, "too_soft_dbfs": levels.TOO_SOFT_DBFS,
            "flat_db": levels.FLAT_DB, "edge": levels.EDGE, "cancelled_db": levels.CANCELLED_DB},
        "mean": predictor.mean.tolist(), "std": predictor.std.tolist(),
        "owners": owners(c.segment_frames, weights.shape[1]).tolist(),
        "centres": centre_frequencies(c.n_bands, c.f_min, c.f_max).round(3).tolist(),
        "colours": (255 * mpl.colormaps[COLOURS](np.arange(256))[:, :3]).round().astype(int)
        .tolist(),
    }


def centres(limits: outside.Limits) -> bytes:
    """Means of the classes (C, F) and the upper half of the precision, float32, little-endian.

    Notebook: 13_your_own_sounds
    """
    means, precision = limits.centres.means, limits.centres.precision
    half = precision[np.triu_indices_from(precision)]
    return np.concatenate([means.ravel(), half]).astype("<f4").tobytes()


def _clips(folder):
    """The bundled clips as FLAC; a row each with what the page says of it."""
    rows = []
    for clip in datasets.load("clips").itertuples():
        name = Path(clip.path).with_suffix(".flac").name
        samples = np.clip(np.round(audio.read(clip.path) * FULL), -FULL, FULL - 1)
        write_bytes(folder / name, audio.encoded(samples / FULL, bits=24))
        rows.append({"file": name, "category": clip.category,
                     "label": f"{clip.category.replace('_', ' ')} ({clip.clip_id})",
                     "credit": f"{clip.clip_id} of ESC-10, by {clip.author} ({clip.licence}): "
                               f"{clip.url}"})
    return rows
