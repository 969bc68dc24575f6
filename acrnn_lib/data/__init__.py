"""Sounds: reading any file as mono 44.1 kHz, and the data sets as tables of clips.

audio reads files; datasets gives the checked clip table of every data set: of ESC-10 and ESC-50
(esc), of folders of one's own (folder), of generated sounds (synth), whose events are known.
Notebooks: 01_listen_and_look, 13_your_own_sounds
"""
