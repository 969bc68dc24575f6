"""From a waveform to the network's input, and its augmentation.

gammatone has the filters, frontend the log-gammatone spectrogram and its delta, augment time
stretch, pitch shift and mixing, segments the only place that cuts clips and drops silence, store
keeps what was computed. Notebooks: 02_gammatone_features, 03_augmentation
"""
