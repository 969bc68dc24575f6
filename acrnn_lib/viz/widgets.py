"""Explorers of filters, augmentation and shapes.

Notebook: 02_gammatone_features, 03_augmentation, 04_the_model_layer_by_layer
"""

import functools
from typing import NamedTuple

import ipywidgets
import numpy as np
import torch

from ..config import FeatureConfig
from ..data.audio import SAMPLE_RATE
from ..experiments import EXPERIMENTS
from ..features import augment, gammatone
from ..features.frontend import LogGammatone
from ..models import acrnn, summary
from .explorer import MARGINS, Explorer, Sheet, sound
from .players import credit, may_embed
from .sounds import DYNAMIC_RANGE, HERTZ, gammatonegram, log_gammatone


def filter_bank(wave: np.ndarray, clip: "NamedTuple | None" = None) -> Explorer:
    """Explorer of the filter bank: number of bands, lowest and highest frequency, ERB or mel scale.

    Left the filters, right the spectrogram of the clip in their bands.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), 44.1 kHz, float32
    clip : row of the clip table, optional
        Credited beside its player; without it, or where its licence keeps the sound out of pages,
        there is no player.

    Returns
    -------
    Explorer

    Notebook: 02_gammatone_features
    """
    spectrum = torch.stft(torch.as_tensor(wave)[None], 1024, 512, window=LogGammatone().window,
                          pad_mode="reflect", return_complex=True)[0].abs().square().numpy()
    c = FeatureConfig()
    controls = {
        "scale": ipywidgets.ToggleButtons(options=[("ERB (gammatone)", "ERB"), ("mel", "mel")],
                                          description="frequency scale"),
        "bands": ipywidgets.SelectionSlider(options=[16, 32, 64, 128, 256], value=c.n_bands,
                                            description="number of bands"),
        "lowest": ipywidgets.SelectionSlider(options=[20, 50, 100, 200, 400], value=50,
                                             description="lowest frequency (Hz)"),
        "highest": ipywidgets.SelectionSlider(options=[8000, 16000, SAMPLE_RATE // 2],
                                              value=SAMPLE_RATE // 2,
                                              description="highest frequency (Hz)"),
    }
    states = [{"scale": scale, "bands": bands, "lowest": lowest, "highest": highest}
              for scale in ("ERB", "mel") for bands in (c.n_bands, 16, 256)
              for lowest, highest in ((50, 22050), (400, 22050), (50, 8000))]
    sheet = Sheet((11, 3.4), 1, 2, gridspec_kw=MARGINS)
    left, right = sheet.axes
    left.set(xscale="log", xlim=(20, SAMPLE_RATE / 2), ylim=(-60, 3), xlabel="frequency (Hz)",
             ylabel="gain (dB)")
    left.set_xticks(HERTZ, HERTZ)
    left.set_xticks([], minor=True)
    right.set(xlabel="time (s)", ylabel="band centre (Hz)")
    _filters("mel", 64, 50, SAMPLE_RATE // 2)  # imports librosa now, not at the first click
    heard = clip is not None and may_embed(clip)
    player = f"<div>{credit(clip)}</div>{sound(wave)}" if heard else ""

    def unlike(scale, bands, lowest, highest):
        found = ["mel filters (paper: gammatone filters)"] * (scale == "mel")
        found += [f"{bands} bands (paper: {c.n_bands})"] * (bands != c.n_bands)
        return found + [f"{lowest} to {highest} Hz (the paper states no range; this kit: "
                        f"{c.f_min:.0f} to {SAMPLE_RATE // 2} Hz)"] * (
                            (lowest, highest) != (c.f_min, SAMPLE_RATE // 2))

    def draw(**values):
        return _draw_filters(sheet, spectrum, **values) + player

    return Explorer(draw, controls, states, "Filter bank", unlike=unlike)


def _draw_filters(sheet, spectrum, scale, bands, lowest, highest):
    weights, centres = _filters(scale, bands, lowest, highest)
    left, right = sheet.blank()
    hertz = np.fft.rfftfreq(1024, 1 / SAMPLE_RATE)
    shown = weights[:: max(1, bands // 12)]
    left.plot(hertz[1:], 10 * np.log10(np.maximum(shown[:, 1:], 1e-8)).T, linewidth=1)
    left.set_title(f"{len(shown)} of {bands} filters")
    energy = np.log(weights @ spectrum + 1e-6)
    end = 512 * (energy.shape[1] - 1) / SAMPLE_RATE
    right.imshow(energy, origin="lower", aspect="auto", cmap="magma", interpolation="nearest",
                 extent=(0, end, -0.5, bands - 0.5), vmin=max(energy.min(),
                                                              energy.max() - DYNAMIC_RANGE))
    ticks = [f for f in HERTZ if centres[0] <= f <= centres[-1]]
    right.set_yticks(np.interp(ticks, centres, np.arange(bands)), ticks)
    right.set_title(f"the clip, {scale} scale")
    empty = int((weights.max(axis=1) <= 0).sum())
    note = f"<p>{empty} bands lie between two FFT bins and stay empty.</p>" if empty else ""
    return sheet.picture(f"{bands} filters on the {scale} scale from {lowest} to {highest} "
                              "Hz, and a clip's spectrogram in these bands", [right.yaxis]) + note


@functools.lru_cache(maxsize=64)
def _filters(scale, bands, lowest, highest):
    if scale == "ERB":
        return (gammatone.fft_weights(1024, SAMPLE_RATE, bands, lowest, highest) ** 2,
                gammatone.centre_frequencies(bands, lowest, highest))
    import warnings

    from librosa import mel_frequencies
    from librosa.filters import mel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # empty filters are counted under the figure
        weights = mel(sr=SAMPLE_RATE, n_fft=1024, n_mels=bands, fmin=lowest, fmax=highest,
                      norm=None)
    return weights, mel_frequencies(bands + 2, fmin=lowest, fmax=highest)[1:-1]


def augmentation(wave: np.ndarray, clip: NamedTuple) -> Explorer:
    """Explorer of time stretch and pitch shift: spectrograms side by side, and players.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), 44.1 kHz, float32
    clip : row of the clip table
        Credited beside the players; its licence may keep the sound out of pages.

    Returns
    -------
    Explorer

    Notebook: 03_augmentation
    """
    controls = {
        "rate": ipywidgets.FloatSlider(1.0, min=0.8, max=1.3, step=0.05, continuous_update=False,
                                       description="time-stretch rate (above 1: faster)"),
        "semitones": ipywidgets.FloatSlider(0.0, min=-3.5, max=3.5, step=0.5,
                                            continuous_update=False,
                                            description="pitch shift (semitones)"),
    }
    states = [{"rate": rate, "semitones": semitones} for rate in (1.0, 0.8, 1.3)
              for semitones in (0.0, -3.5, 3.5)]
    before, player = log_gammatone(wave), sound(wave) if may_embed(clip) else ""
    longest = len(wave) / SAMPLE_RATE / controls["rate"].min
    sheet = Sheet((11, 3.2), 1, 2, sharey=True, gridspec_kw=MARGINS | {"left": 0.075})
    augment.stretch_and_shift(np.zeros(1, np.float32), 0.9, 1.0)  # loads the vocoder beforehand

    def draw(rate, semitones):
        changed = augment.stretch_and_shift(np.asarray(wave, np.float32), rate, semitones)
        after = log_gammatone(changed)
        for ax, part, name in zip(sheet.blank(), (before, after), ("before", "after"), strict=True):
            gammatonegram(part, ax, title=f"{name}, {part.shape[1] * 512 / SAMPLE_RATE:.2f} s",
                          colorbar=False, vmin=before.max() - DYNAMIC_RANGE, vmax=before.max())
            ax.set_xlim(0, longest)
        change = f"rate {rate}, {semitones} semitones"
        players = (f"<div>before: {credit(clip)}</div>{player}<div>after: {credit(clip, change)}"
                   f"</div>{sound(changed)}" if player else f"<div>{credit(clip)}</div>")
        return sheet.picture(f"A clip before and after: {change}") + players

    def unlike(rate, semitones):
        found = ["the pitch shift is in semitones (the paper states no unit)"] * (semitones != 0)
        return found + ["one copy gets both changes (the paper does not say whether)"] * (
            semitones != 0 and rate != 1)

    return Explorer(draw, controls, states, "Time stretch and pitch shift", unlike=unlike)


def shapes() -> Explorer:
    """Explorer of shapes: change a kernel, a pool or the input, and the layer table follows.

    Notebook: 04_the_model_layer_by_layer
    """
    names = [name for name, *_ in acrnn.CONVOLUTIONS]
    odd = [(str(size), size) for size in (1, 3, 5, 7)]
    paper = ("as in the paper", "paper")
    controls = {
        "layer": ipywidgets.Dropdown(options=names, description="layer to change"),
        "kernel height": ipywidgets.SelectionSlider(options=[paper, *odd], value="paper",
                                                    description="kernel height (bands)"),
        "kernel width": ipywidgets.SelectionSlider(options=[paper, *odd], value="paper",
                                                   description="kernel width (frames)"),
        "pool": ipywidgets.Dropdown(options=[paper, *((p, p) for p in ("none", "2 x 2", "4 x 3"))],
                                    description="pooling after the layer (bands x frames)"),
        "frames": ipywidgets.IntSlider(128, min=64, max=256, step=16,
                                       description="length of a segment (frames)"),
    }
    original = summary.layer_table()
    states = [{"frames": 128}, {"frames": 256}, {"layer": "l1", "kernel width": 7},
              {"layer": "l2", "pool": "none"}, {"layer": "l2", "pool": "2 x 2"},
              {"layer": "l4", "pool": "none"}, {"layer": "l6", "pool": "none"},
              {"layer": "l3", "kernel width": 3}, {"layer": "l5", "kernel height": 3},
              {"layer": "l7", "kernel height": 5, "kernel width": 5},
              {"layer": "l8", "pool": "none"}]

    def draw(**values):
        table, seen = _changed_network(**{k.replace(" ", "_"): v for k, v in values.items()})
        chosen = table["layer"].str.split("_").str[0] == values["layer"]
        table["paper"] = _changes(table, original)
        table["layer"] = np.where(chosen, "→ " + table["layer"], table["layer"])
        html = table.drop(columns="purpose").rename(columns={
            "multiply_adds": "multiply-adds", "paper": "where the paper's network differs"}
            ).to_html(index=False, border=0, formatters={
                "parameters": "{:,}".format, "multiply-adds": "{:,}".format})
        return (f"{html}<p><b>{table['parameters'].sum():,} parameters, "
                f"{table['multiply_adds'].sum() / 1e6:,.0f} million multiply-adds</b>; a frame of "
                f"l8 can see {seen} input frames, "
                f"{((seen - 1) * 512 + 1024) / SAMPLE_RATE:.2f} s.</p>")

    def unlike(**values):
        frames = values.pop("frames")
        made = _convolutions(**{k.replace(" ", "_"): v for k, v in values.items()})
        found = [f"{what} of {name}: {mine or 'none'} (paper: {theirs or 'none'})"
                 for new, old in zip(made, acrnn.CONVOLUTIONS, strict=True)
                 for name, what, mine, theirs in ((new[0], "kernel", new[2], old[2]),
                                                  (new[0], "pooling", new[3], old[3]))
                 if mine != theirs]
        return found + [f"{frames} frames (paper: 128)"] * (frames != 128)

    return Explorer(draw, controls, states, "Shapes", unlike=unlike)


def _changes(table, original):
    """What the paper's network has in each layer instead, or ""."""
    known, told = original.set_index("layer"), []
    for row in table.set_index("layer").itertuples():
        before = known.loc[row.Index] if row.Index in known.index else None
        told.append("no such layer" if before is None else "; ".join(
            f"{name} {before[name]:,}" if name == "parameters" else f"{name} {before[name]}"
            for name in ("output", "parameters")
            if before[name] != getattr(row, name)))
    return told


def _convolutions(layer, kernel_height, kernel_width, pool):
    """The convolutions of the ACRNN with one layer changed."""
    convolutions = []
    for name, filters, kernel, pooling in acrnn.CONVOLUTIONS:
        if name == layer:
            given = (kernel_height, kernel_width)
            kernel = tuple(k if g == "paper" else g for k, g in zip(kernel, given, strict=True))
            if pool != "paper":
                pooling = None if pool == "none" else tuple(map(int, pool.split(" x ")))
        convolutions.append((name, filters, kernel, pooling))
    return convolutions


def _changed_network(frames, **changed):
    """(table of layers, receptive field of l8 in frames) of the ACRNN with one layer changed."""
    convolutions = _convolutions(**changed)
    first, last = summary.receptive_field(acrnn.ACRNN(convolutions=convolutions), 1)[0]
    return (summary.layer_table(input_shape=(acrnn.INPUT_SHAPE[0], frames),
                                convolutions=convolutions), last - first)


def unlike_paper(experiment: str, profile: str = "paper") -> list[str]:
    """What of an experiment differs from the paper's network and recipe; empty for it itself.

    Parameters
    ----------
    experiment : str
        One of experiments.EXPERIMENTS, or such a name with changes.
    profile : str
        Other profiles than "paper" train for fewer epochs.

    Notebook: 07_result_tables
    """
    name, *changes = experiment.split("+")
    about = EXPERIMENTS[name][0] if name in EXPERIMENTS else "not an experiment of this kit"
    found = [f"{name}: {about}"] if name != "acrnn" else []
    found += [f"{name} with {change}" for change in changes]
    return found + [f"profile {profile}: fewer epochs"] * (profile != "paper")
