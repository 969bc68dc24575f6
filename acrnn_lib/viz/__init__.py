"""Figures and explorers, axes in seconds and hertz: ``from acrnn_lib import viz``.

sounds draws waveforms, spectrograms and attention, attention draws its evaluation, results draws
tables; the widgets modules hold the interactive explorers. Notebooks: 01_listen_and_look to
13_your_own_sounds
"""

from .attention import (
    attention_profiles,
    clip_deletion,
    gradient_map,
    inside_events,
    occlusion_by_class,
    occlusion_curves,
    occlusion_gains,
    parts_by_class,
    shift_gains,
)
from .results import (
    accuracies,
    confusion,
    differences,
    headline,
    power,
    recall_by_class,
    recalls,
    same_recording,
    training_and_test,
)
from .sounds import (
    PALETTE,
    LiveCurve,
    attention_bars,
    attention_map,
    axes,
    band_widths,
    credit,
    filter_responses,
    gammatonegram,
    gammatonegrams,
    layer_costs,
    learning_curves,
    log_gammatone,
    loudest,
    may_embed,
    player,
    segments,
    side_by_side,
    stft,
    waveform,
)
