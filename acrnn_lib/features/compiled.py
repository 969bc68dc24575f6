"""Functions compiled by numba, whose machine code is kept on disk where there is a place for it.

Notebook: 02_gammatone_features
"""

from collections.abc import Callable

from numba import njit


def compiled(**options) -> Callable[[Callable], Callable]:
    """``numba.njit`` with a cache; without one where neither package nor home can be written to.

    options : as for ``numba.njit``

    Notebook: 02_gammatone_features
    """
    def decorate(function):
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # "no locator available": each process then compiles for itself
            return njit(**options)(function)
    return decorate
