"""``python -m acrnn_lib``: Ctrl-C gets its answer first, then the commands are loaded.

Notebook: 00_start_here
"""

import os

try:
    import signal
    import sys
    from types import FrameType
except KeyboardInterrupt:  # before the answer below is in place
    os._exit(130)  # commands.INTERRUPTED


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt while a command runs; end at once before, after and during an import.

    Imports print the exception and go on, or make another one of it, as that of numpy.
    """
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        if frame.f_code.co_name == "run_command":
            raise KeyboardInterrupt
        frame = frame.f_back
    os._exit(130)  # commands.INTERRUPTED


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in the background
        signal.signal(signal.SIGINT, interrupt)
    from .commands import main

    sys.exit(main())
