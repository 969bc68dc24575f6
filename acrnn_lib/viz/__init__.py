"""Figures and explorers, axes in seconds and hertz: ``from acrnn_lib import viz``.

sounds draws waveforms, spectrograms and segments, players plays clips, training draws learning
curves and what layers cost, maps draws attention, attention its evaluation, results the tables;
explorer and the widgets modules hold the interactive explorers. Notebooks: 01_listen_and_look to
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
from .maps import attention_bars, attention_map
from .players import credit, loudest, may_embed, player, side_by_side
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
    axes,
    band_widths,
    filter_responses,
    gammatonegram,
    gammatonegrams,
    log_gammatone,
    segments,
    stft,
    waveform,
)
from .training import LiveCurve, layer_costs, learning_curves
