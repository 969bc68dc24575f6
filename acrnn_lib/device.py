"""The machine: choice of the device, memory, threads, and its description for a manifest.

Notebook: 06_training_on_a_gpu
"""

import ctypes
import platform
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import soundfile
import torch

GLIBC = 1 << 25, 1 << 26, 1 << 17  # bytes; where its own thresholds end in a process like this
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def pick_device(name: torch.device | str = "auto") -> torch.device:
    """Choose the torch device to train on.

    Parameters
    ----------
    name : torch.device or str
        A device, or "auto": CUDA, else an Apple GPU, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        A device that is not available.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(),
             "cpu": True}
    if name == "auto":
        name = next(kind for kind, is_there in there.items() if is_there)
    if not there[torch.device(name).type]:
        found = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise ValueError(f"device: found {name}, which this machine or this build of torch does "
                         f"not have, expected one of auto, {found}")
    return torch.device(name)


def pick_layout(precision: str, early_pooling: bool = False) -> str:
    """Memory layout of feature maps: channels_last in bf16 or with early pooling, else contiguous.

    Matrix units need channels_last. In float32 either was up to a quarter faster, depending on the
    CPU, and a fixed rule makes runs repeatable; with early pooling channels_last was never slower.

    Parameters
    ----------
    precision : {"float32", "bf16"}
    early_pooling : bool

    Returns
    -------
    str
        A key of LAYOUTS.
    """
    return "channels_last" if precision == "bf16" or early_pooling else "contiguous"


def can_fuse(device: torch.device, precision: str, layout: str, early_pooling: bool = False
             ) -> bool:
    """Whether batch norm and ReLU are computed in one, for maps that are channels last.

    On an NVIDIA GPU with Triton (``models.fused``), but not with early pooling, whose first maps
    have a sixth of the points; on a CPU in bf16 (``models.fused_cpu``).

    Parameters
    ----------
    device : torch.device
    precision : {"float32", "bf16"}
    layout : str
        A key of LAYOUTS.
    early_pooling : bool

    Returns
    -------
    bool
    """
    if layout != "channels_last":
        return False
    if device.type == "cpu":
        return precision == "bf16"
    return (device.type == "cuda" and torch.version.cuda is not None and not early_pooling
            and find_spec("triton") is not None)


def sent(values: np.ndarray | torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Copy an array or tensor to a device, asynchronously to a GPU.

    From pinned memory, as a plain copy waits until the GPU has finished all earlier work.
    """
    values = torch.as_tensor(values)
    if torch.device(device).type == "cuda":
        return values.contiguous().pin_memory().to(device, non_blocking=True)
    return values.to(device)


def keep_freed_memory() -> None:
    """Make glibc keep freed memory; else big arrays cause page faults at every training step.

    `return_freed_memory` ends that: kept pieces fit few others, which doubles the memory in time.
    """
    _tune(1 << 30, 2**31 - 1, 1 << 28)


def return_freed_memory() -> None:
    """Give freed memory back to the system, now and from now on."""
    if libc := _tune(*GLIBC):
        libc.malloc_trim(0)


def _tune(mmap_threshold, trim_threshold, top_padding):
    """Set when glibc asks the system for memory and gives it back, in bytes; return glibc."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return None
    libc = ctypes.CDLL("libc.so.6")
    for option, value in ((-3, mmap_threshold), (-1, trim_threshold), (-2, top_padding)):
        libc.mallopt(option, value)
    return libc


def side_by_side(function: Callable, items: Sequence) -> list:
    """Compute [function(item), ...] in as many threads as torch has here, each single-threaded.

    Small items run faster on one core each than one after another on all cores.

    Parameters
    ----------
    function : Callable
    items : Sequence

    Returns
    -------
    list
        Results in the order of ``items``.
    """
    threads = torch.get_num_threads()
    if min(len(items), threads) <= 1:
        return [function(item) for item in items]
    try:
        with one_threaded_pool(threads) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(threads)


def one_threaded_pool(workers: int) -> ThreadPoolExecutor:
    """Create a pool of threads, in each of which torch computes single-threaded.

    torch passes that number on to threads that start later: restore it with torch.set_num_threads.

    Parameters
    ----------
    workers : int

    Returns
    -------
    ThreadPoolExecutor
    """
    return ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))


def processor_name() -> str:
    """Name of the processor from the system; Python itself knows it on few systems only."""
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def forget_peak(device: torch.device) -> None:
    """Reset a GPU's peak memory, as a process may train several folds (see `machine`)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> int:
    """Highest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":  # whose ru_maxrss starts at the parent's size
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def machine(device: torch.device, precision: str, layout: str) -> dict:
    """Describe the machine of a run for its manifest.

    Parameters
    ----------
    device : torch.device
    precision : str
    layout : str

    Returns
    -------
    dict
        On a CPU peak_memory_mib is the process's highest so far, earlier runs included.
    """
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_memory()
    name = torch.cuda.get_device_name() if device.type == "cuda" else processor_name()
    return {
        "device": device.type, "device_name": name, "precision": precision,
        "layout": layout, "threads": torch.get_num_threads(),
        "compile": False, "peak_memory_mib": round(peak / 2**20),
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "numpy": np.__version__, "soundfile": soundfile.__version__},
    }
