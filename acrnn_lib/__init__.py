"""ACRNN kit: environmental sound classification with attention, small enough to read.

Every module is one idea, in the order in which a clip travels: ``audio`` -> ``features`` ->
``acrnn`` -> ``train`` -> ``results`` -> ``evaluate`` -> ``viz``. Importing the package is light;
import the module that you want to use, for example ``from acrnn_lib import datasets``.

Notebook: 00_start_here
"""

__version__ = "0.2.0"
