"""Code of the library as notebooks show it: without docstrings, which the reference has.

Notebook: 05_attention_from_scratch
"""

import inspect
import re


def show(*objects: object) -> None:
    """Print the code of functions or classes without their docstrings.

    Parameters
    ----------
    *objects : function or class

    Notebook: 05_attention_from_scratch
    """
    print("\n\n".join(re.sub(r'\n *"""[^"]*(?:"{1,2}[^"]+)*"""', "",
                              inspect.getsource(part)).rstrip() for part in objects))
