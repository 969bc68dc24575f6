"""Checks of the exercises, a file per notebook; each holds the answers.

Notebook: 00_start_here
"""
