"""Distributed training: the tasks of a cross-validation on Dask, on this machine or on others.

A worker trains in its own cache and returns the finished files; only the client writes run
folders. A task whose worker dies is given to another one, which resumes the last checkpoint where
both share a cache. Registered code (`registry`) travels with its task. Dask transfers pickled
objects, which can run any program: whoever reaches the scheduler controls the machines. Hence
loopback, TLS, or the explicit statement that the network is trusted.

Notebook: 00_start_here, 06_training_on_a_gpu
"""

import ast
import hashlib
import ipaddress
import logging
import multiprocessing
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..evaluation import results
from ..files import cache_dir, locked, write_bytes
from ..progress import bar
from ..registry import receive, registered_parts

if TYPE_CHECKING:
    from distributed import Client

# in the order of writing: the manifest makes a run complete
FILES = (results.PREDICTIONS, results.HISTORY, *results.WATCHED.values(), results.ATTENTION,
         "model.safetensors", results.MANIFEST)
ANSWER, WAIT = 10, 60  # s for the scheduler and for a first worker
_ALONE = threading.Lock()  # torch's random state and number of threads belong to a whole process


class ClusterError(RuntimeError):
    """The scheduler, its workers or tasks on them; the message says which and what to do."""


def threads_of_a_task(away: dict, here: int) -> int:
    """Threads for a task's arithmetic: ``here`` shared among local processes, elsewhere one.

    Parameters
    ----------
    away : dict
        Arguments of ``connect``.
    here : int
        Threads of this process.

    Returns
    -------
    int
    """
    return max(1, here // away["processes"]) if away.get("processes") else 1


@contextmanager
def connect(scheduler: str | None = None, processes: int | None = None,
            tls: tuple[str, str, str] | None = None, insecure: bool = False
            ) -> Iterator["Client"]:
    """Connect to a scheduler, or to new worker processes on this machine.

    Parameters
    ----------
    scheduler : str, optional
        tcp://host:port or tls://host:port
    processes : int, optional
        Number of worker processes to start.
    tls : tuple of str, optional
        Paths of the CA's certificate, of the client's certificate and of its key; by default those
        of Dask's own configuration.
    insecure : bool
        Accept a scheduler on another machine without TLS.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ClusterError
        Where Dask is not installed, the address is not allowed, nothing answers, or this system
        has no semaphores for several processes.

    Notebook: 06_training_on_a_gpu
    """
    try:
        from distributed import Client, LocalCluster, Security
    except ImportError as error:
        raise ClusterError(f"{error}: pip install 'acrnn-kit[dask]'") from error
    with ExitStack() as stack:
        security = None
        if processes:
            _can_share()
            scheduler = stack.enter_context(LocalCluster(
                n_workers=processes, threads_per_worker=1, memory_limit=0, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR))
        elif needs_tls(scheduler, insecure):
            names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
            given = dict(zip(names, map(_file, tls or ()), strict=False))
            security = Security(require_encryption=True, **given)
        try:
            client = stack.enter_context(Client(scheduler, security=security, timeout=ANSWER))
            client.wait_for_workers(1, timeout=WAIT)
        except (OSError, TypeError, ValueError) as error:  # TypeError: no certificates for tls://
            host = "" if security or insecure else " --host 127.0.0.1"  # by itself it opens to all
            raise ClusterError(
                f"{scheduler}: no scheduler with workers there ({error}); dask worker {scheduler} "
                f"--nthreads 1{host} --dashboard-address 127.0.0.1:0") from error
        print(f"{len(client.scheduler_info(n_workers=-1)['workers'])} workers, dashboard "
              f"{client.dashboard_link}", file=sys.stderr, flush=True)
        yield client


def _can_share():
    """Refuse to start processes where they cannot share a lock, as without /dev/shm on Linux."""
    try:
        multiprocessing.get_context("spawn").Lock()
    except (OSError, ImportError) as error:
        raise ClusterError(f"--processes: this system gives no semaphores to share ({error}); on "
                           "Linux they need a writable /dev/shm. Without --processes the folds "
                           "are trained one after another") from error


def needs_tls(address: str, insecure: bool = False) -> bool:
    """Whether a scheduler is reached by TLS, or by plain TCP.

    Parameters
    ----------
    address : str
        tcp://host:port or tls://host:port
    insecure : bool
        Accept plain TCP to another machine.

    Returns
    -------
    bool

    Raises
    ------
    ClusterError
        For another address, an unknown host, and plain TCP to another machine.
    """
    parts = re.fullmatch(r"(tcp|tls)://(?:\[([^]]+)\]|([^:/]+)):(\d+)", address)
    if not parts:
        raise ClusterError(f"scheduler: found {address!r}, expected tcp://host:port or tls://...")
    scheme, host = parts[1], parts[2] or parts[3]
    if scheme == "tls" or insecure:
        return scheme == "tls"
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise ClusterError(f"{address}: no such host ({error})") from error
    if not all(ipaddress.ip_address(ip.partition("%")[0]).is_loopback for ip in found):
        raise ClusterError(f"{address}: is not on this machine, and whoever reaches a scheduler "
                           "can run programs on its workers: use tls://, or --insecure on a "
                           "network that you trust")
    return False


def _file(path):
    if not Path(path).is_file():
        raise ClusterError(f"{path}: no such file, expected a certificate or key for TLS")
    return str(path)


def run(client: "Client", tasks: list, out: Path | str, progress: bool = True) -> None:
    """Train tasks on the workers and write their run folders, each as soon as it is finished.

    Parameters
    ----------
    client : distributed.Client
    tasks : list of crossval.Task
    out : Path or str
        Root of the run folders.
    progress : bool
        Show a progress bar, and a line per task.

    Raises
    ------
    ClusterError
        After all other tasks are done; names the tasks that failed. Before any is done, for
        registered code that cannot be sent.

    Notebook: 06_training_on_a_gpu
    """
    from distributed import as_completed

    code, failed, futures = code_hash(), [], {}
    for task in tasks:
        given = _contents(task.folder(out), results.HISTORY, "watched_*", "checkpoint*")
        own = registered_parts(task.experiment)
        trees = [ast.dump(tree) for *_, trees in own for tree in trees]
        # by its name a client that comes back finds a task that is still under way
        name = f"{task.label} {_digest(task, code, sorted(given.items()), *trees)}"
        try:
            futures[client.submit(train_task, task, given, code, own, key=name)] = task
        except TypeError as error:
            raise ClusterError(f"{task.label}: its registered code cannot be sent to another "
                               f"process ({error})") from error
    for future in bar(as_completed(futures), label="folds", total=len(futures), unit="fold",
                      show=progress):
        task = futures[future]
        try:
            files, worker, wrong = future.result()
        except Exception as error:  # Dask's own, such as a task whose workers all died
            files, worker, wrong = {}, None, str(error)
        if wrong:
            failed.append(f"{task.label}: {wrong}")
            continue
        _keep(task.folder(out), files)
        future.release()
        client.run(forget, task, workers=[worker], on_error="ignore")  # it may be gone
        if progress:
            print(f"{task.label}: done by {worker}", file=sys.stderr, flush=True)
    if failed:
        raise ClusterError("; ".join(failed))


def train_task(task, given: dict[str, bytes], code: str,
               own: Iterable[tuple] = ()) -> tuple[dict[str, bytes], str, str | None]:
    """On a worker: train a task.

    Parameters
    ----------
    task : crossval.Task
    given : dict of bytes
        Files of an unfinished run of the client, by name.
    code : str
        ``code_hash`` of the client.
    own : iterable of tuple
        ``registry.registered_parts`` of the client.

    Returns
    -------
    files : dict of bytes
        The finished run by file name, empty after an error.
    worker : str
        Its address.
    wrong : str or None
        What went wrong.
    """
    from distributed import get_worker

    worker, folder = get_worker().address, task.folder(_scratch(task))
    if code != code_hash():
        return {}, worker, f"{socket.gethostname()} has another version of the kit's code"
    with _ALONE:
        try:
            receive(own)
            if not folder.exists():
                for name, data in given.items():
                    write_bytes(folder / name, data)
            task.run(_scratch(task))
            return _contents(folder, *FILES), worker, None
        except Exception as error:  # as text: not every exception survives the way to the client
            return {}, worker, f"{type(error).__name__} on {socket.gethostname()}: {error}"


def forget(task) -> None:
    """On a worker: remove the files of a crossval.Task, once the client has them."""
    shutil.rmtree(_scratch(task), ignore_errors=True)


def code_hash() -> str:
    """SHA-256 (hex) over the library's sources, which client and workers must share."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def _scratch(task):
    return cache_dir() / "tasks" / _digest(task)


def _digest(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _contents(folder, *patterns):
    """{name: bytes} of the files in a folder, in the order of the patterns."""
    return {path.name: path.read_bytes() for pattern in patterns
            for path in sorted(folder.glob(pattern))}


def _keep(folder, files):
    """Write a finished run as ``results.write`` would: whole files, the manifest last."""
    with locked(folder):
        if not results.is_complete(folder):
            for name in FILES:
                if name in files:
                    write_bytes(folder / name, files[name])
        for path in folder.glob("checkpoint*"):
            path.unlink()
    results.Run.at(folder).verify()
