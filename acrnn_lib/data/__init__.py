"""Sounds: reading any file as mono 44.1 kHz, and the data sets as tables of clips.

audio reads files; datasets gives the checked clip table of ESC-10, ESC-50 and folders of one's own;
synth generates a data set whose events are known. Notebooks: 01_listen_and_look, 13_your_own_sounds
"""
