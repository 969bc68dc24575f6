"""The machine at hand: which device, how memory is kept, what a manifest says.

Notebook: 06_training_on_a_gpu
"""

import ctypes
import platform
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile
import torch

LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def pick_device(name="auto"):
    """The torch device to train on: CUDA, else an Apple GPU, else the CPU; or the one named.

    Raises ValueError where the one named is not at hand.
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


def pick_layout(precision, early_pooling=False):
    """How maps lie in memory: channels_last in bf16, which matrix units want, else contiguous.

    In float32 either was up to a quarter faster on one CPU or another, and a rule gives the same
    run everywhere. With early pooling no map is big, and channels_last was never behind.
    """
    return "channels_last" if precision == "bf16" or early_pooling else "contiguous"


def sent(values, device):
    """Copy an array or tensor to a device; the program does not wait for a GPU, nor the other way.

    A plain copy to a GPU waits until it has done all that it was asked for before. From pinned
    memory it is one more thing asked; torch keeps that memory until it is done.
    """
    values = torch.as_tensor(values)
    if torch.device(device).type == "cuda":
        return values.contiguous().pin_memory().to(device, non_blocking=True)
    return values.to(device)


def keep_freed_memory():
    """Ask glibc to keep freed memory: big maps are otherwise faulted in anew at every step."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        for option, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-2, 1 << 28)):
            libc.mallopt(option, value)  # mmap threshold, trim threshold, top padding


def side_by_side(function, items):
    """[function(item), ...], in as many threads as torch has here, with one of its own each.

    What is small enough for one core runs there from start to end, instead of every step waiting
    for all cores.
    """
    threads = torch.get_num_threads()
    if min(len(items), threads) <= 1:
        return [function(item) for item in items]
    try:
        with one_threaded_pool(threads) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(threads)


def one_threaded_pool(workers):
    """A pool of threads in each of which torch computes with that thread alone.

    torch hands the number on to threads that start later: whoever is done sets its own again.
    """
    return ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))


def processor_name():
    """The processor as the system names it; Python itself knows it on few systems only."""
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def forget_peak(device):
    """Let ``machine`` count a GPU's memory anew: a process may train many folds in turn."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_memory():
    """Highest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":  # whose ru_maxrss starts at the parent's size
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def machine(device, precision, layout):
    """What the run was made on, for its manifest; peak_memory_mib on a CPU is the highest that the
    process has had so far, runs before this one included.
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
