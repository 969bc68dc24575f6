"""The kit's commands: ``python -m acrnn_lib COMMAND --help``.

Notebook: 00_start_here
"""

import argparse
import itertools
import os
import re
import sys
from collections.abc import Sequence

from .config import DATASETS, known, wanted_precision
from .experiments import EXPERIMENTS, PROFILES

ABOUT = (__doc__ or "").partition("\n")[0]  # without the notebook; -OO leaves no docstrings
INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ends
DEVICES = ("auto", "cpu", "cuda", "mps")
MOST = 1024  # threads, processes: more than a machine has is a typing error, and stops it


class Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest command or option, and accepts no abbreviations."""

    commands = None  # what add_subparsers gave; a command's own parser has none

    def __init__(self, **given):
        super().__init__(allow_abbrev=False, **given)

    def parse_known_args(self, args: Sequence[str] | None = None,
                         namespace: argparse.Namespace | None = None
                         ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse, but misspelt names are reported before missing ones."""
        args = [self._as_path(word) for word in (sys.argv[1:] if args is None else args)]
        options = [name for name in self._option_string_actions if name.startswith("--")]
        try:
            if self.commands and args and not args[0].startswith("-"):
                known("command", args[0], self.commands.choices)
            for word in itertools.takewhile(lambda word: word != "--", args):
                if word.startswith("--") and not self.commands:
                    known("option", word.partition("=")[0], options)
        except ValueError as error:
            self.error(str(error))
        return super().parse_known_args(args, namespace)

    def _as_path(self, word):
        """``./-name`` for a file whose name begins with a dash, as after ``predict *.wav``."""
        named = word.startswith("-") and not self.commands and os.path.exists(word)
        option = word.partition("=")[0] in (*self._option_string_actions, "--")
        return os.path.join(".", word) if named and not option else word


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the command line.

    Returns
    -------
    int
        Exit status: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted by Ctrl-C.
    """
    try:
        return run_command(arguments)
    except BrokenPipeError:  # the reader has enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        return 141  # what a shell reports of a program that SIGPIPE ends
    except (ValueError, RuntimeError, OSError) as error:  # every error of the kit is one of these
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: finished work is kept; start the same command again to continue",
              file=sys.stderr)
        return INTERRUPTED


def run_command(arguments: Sequence[str] | None) -> int:
    """As `main`, but with exceptions; only here Ctrl-C is one (`__main__.interrupt`)."""
    # Before torch is loaded: threads of OpenMP that wait turn round and round, and keep others from
    # working as soon as anything else runs here. A short while of it is worth it (benchmarks/).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    if hasattr(sys.stdout, "reconfigure"):  # a terminal may know ASCII only
        sys.stdout.reconfigure(errors="backslashreplace")
    options = build_parser().parse_args(arguments)
    _run_registrations(getattr(options, "register", ()))
    status = options.run(options) or 0
    sys.stdout.flush()
    return status


def build_parser() -> Parser:
    """The command line, as argparse sees it."""
    parser = Parser(prog="python -m acrnn_lib", description=ABOUT)
    parser.commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(run):
        about = (run.__doc__ or "").partition("\n")[0].removesuffix(".")
        sub = parser.commands.add_parser(run.__name__, help=about, description=about)
        sub.set_defaults(run=run, refuse=sub.error)
        return sub

    sub = command(data)
    _dataset(sub)
    sub = command(features)
    _dataset(sub)
    sub.add_argument("--workers", type=_positive, help="threads, by default one per core")
    sub.add_argument("--experiment", default="acrnn",
                     help="experiment whose features and augmented copies are built")
    sub.add_argument("--profile", default="lite", **_choice("profile", PROFILES))
    sub.add_argument("--device", default="auto", **_choice("device", DEVICES))
    command(experiments)

    _crossval(command(crossval))
    sub = command(report)
    sub.add_argument("root", nargs="?", default="results", metavar="results|runs")
    sub.add_argument("--dataset", **_choice("data set", DATASETS))
    sub.add_argument("--json", action="store_true")
    sub = command(predict)
    sub.add_argument("files", nargs="+", metavar="FILE")
    sub.add_argument("--checkpoint", metavar="F", help="weights, by default the pretrained model")
    _register(sub)
    sub.add_argument("--json", action="store_true")
    sub = command(reproduce)
    sub.add_argument("--dataset", default="synth", **_choice("data set", DATASETS))
    sub.add_argument("--profile", default="smoke", **_choice("profile", PROFILES))
    sub.add_argument("--data", metavar="DIR")
    sub.add_argument("--scheduler", metavar="ADDRESS", help="cross-validation in the notebooks "
                     "trains on this Dask scheduler's workers")
    sub.add_argument("--only", type=_names, metavar="02,08", help="only these notebooks")
    sub.add_argument("--force", action="store_true", help="execute unchanged notebooks again")
    _course(command)
    sub = command(onnx)
    sub.add_argument("out", metavar="FILE.onnx")
    sub.add_argument("--checkpoint", metavar="F", help="weights, by default the pretrained model")
    sub = command(demo)
    sub.add_argument("out", metavar="OUT", help="the folder for a static host")
    sub.add_argument("--runtime", metavar="DIR", help="dist of the npm package onnxruntime-web, "
                     "by default fetched by npm into the cache")
    sub.add_argument("--pages", default="book/demo", metavar="DIR", help="the page's own files")
    return parser


def _course(command):
    command(student).add_argument("out", metavar="OUT", help="a new folder")
    sub = command(grade)
    sub.add_argument("folder", metavar="FOLDER", help="a folder per student, with notebooks")
    sub.add_argument("--limit", type=_positive, default=300, metavar="SECONDS",
                     help="time limit for a notebook")
    sub = command(reset)
    sub.add_argument("number", metavar="NN", help="number of the notebook, such as 06")
    sub.add_argument("--folder", default="notebooks", metavar="DIR")


def _dataset(sub):
    sub.add_argument("name", **_choice("data set", DATASETS))
    sub.add_argument("--data", metavar="DIR",
                     help="folder of the data set, or one that contains it")


def _register(sub):
    sub.add_argument("--register", action="append", default=[], metavar="FILE.py",
                     help="run a file first, which registers networks, channels or augmentations")


def _run_registrations(files):
    import runpy

    for file in files:
        try:
            runpy.run_path(file)
        except Exception as error:  # a registered file may raise anything
            raise ValueError(f"{file}: {type(error).__name__}: {error}") from error


def _crossval(sub):
    _dataset(sub)
    sub.add_argument("--experiments", required=True, type=_names, metavar="A,B")
    sub.add_argument("--profile", default="lite", **_choice("profile", PROFILES))
    sub.add_argument("--folds", type=_numbers, metavar="1,2", help="by default the profile's")
    sub.add_argument("--seeds", type=_numbers, default=(0,), metavar="0,1")
    sub.add_argument("--out", default="runs", metavar="DIR")
    _machine(sub)
    sub.add_argument("--set", action="append", default=[], type=_setting, metavar="KEY=VALUE",
                     dest="changes", help="change a setting, e.g. train.epochs=10")
    sub.add_argument("--inner", action="store_true", help="validate inside the training folds")
    _register(sub)
    sub.add_argument("--reuse", action="store_true",
                     help="keep finished runs that were made by another version of the code")
    sub.add_argument("--no-attention", action="store_false", dest="attention",
                     help="leave attention.npz out of the run folders")
    sub.add_argument("--watch-test", action="store_true",
                     help="write the accuracy on the predicted fold after each epoch to a file of "
                          "its own; training never reads it, and no setting may be chosen by it")


def _machine(sub):
    """Where a cross-validation runs, and on how much of it."""
    sub.add_argument("--device", default="auto", **_choice("device", DEVICES))
    sub.add_argument("--workers", type=_positive, help="threads that compute features")
    sub.add_argument("--threads", type=_positive, help="threads of a fold's training")
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--processes", type=_positive, metavar="N",
                       help="train N folds in parallel on this machine")
    where.add_argument("--scheduler", metavar="ADDRESS", help="train on the workers of a Dask "
                       "scheduler, tcp://host:port or tls://host:port")
    sub.add_argument("--tls", nargs=3, metavar=("CA", "CERT", "KEY"),
                     help="certificates and key for a tls:// scheduler")
    sub.add_argument("--insecure", action="store_true",
                     help="allow an unencrypted tcp:// scheduler on another machine")


def _choice(kind, choices):
    """Arguments of add_argument for one of some names; a wrong one is told the nearest."""
    def chosen(text):
        try:
            return known(kind, text, choices)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return {"type": chosen, "metavar": "|".join(choices)}


def _names(text):
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected names like a,b")
    return _once(names)


def _numbers(text):
    numbers = text.split(",")
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected numbers like 1,2")
    return tuple(_once([int(number) for number in numbers]))


def _once(parts):
    for part in parts:
        if parts.count(part) > 1:
            raise argparse.ArgumentTypeError(f"found {part} twice")
    return parts


def _positive(text):
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number from 1 to {MOST}")
    return int(text)


def _setting(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected KEY=VALUE")
    return key, value


def data(options: argparse.Namespace) -> None:
    """Check a data set, or fetch it where it is missing."""
    from .data import datasets, download

    root = options.data
    if options.name in download.ARCHIVES and not root and not datasets.dataset_dir(
            options.name).exists():
        root = download.download(options.name)
    print(datasets.describe(datasets.load(options.name, root)))


def features(options: argparse.Namespace) -> None:
    """Build the feature store of a data set."""
    from . import device, experiments
    from .data import datasets
    from .features import store
    from .training import crossval

    table = datasets.load(options.name, options.data)
    chosen = experiments.experiment(options.experiment, options.profile)
    table = crossval.subset(table, PROFILES[options.profile].clips)
    copies = store.load(table, chosen.features, chosen.bank, options.workers,
                        device=device.pick_device(options.device))
    print(f"{len(copies)} copies of {len(table)} clips, {copies[0].shape[1]} bands x "
          f"{copies[0].shape[2]} frames, {sum(c.nbytes for c in copies) / 2**20:.0f} MiB")


def experiments(options: argparse.Namespace) -> None:
    """List the named experiments."""
    for name, (about, *_) in EXPERIMENTS.items():
        print(f"{name:14} {about}")


def crossval(options: argparse.Namespace) -> None:
    """Train and test experiments on the official folds."""
    _check(options)
    from .evaluation import tables
    from .training import crossval

    away = {name: getattr(options, name) for name in ("scheduler", "processes", "tls", "insecure")}
    runs = crossval.run(
        options.name, options.experiments, profile=options.profile, folds=options.folds,
        seeds=options.seeds, device=options.device, out=options.out, data=options.data,
        workers=options.workers, changes=dict(options.changes), inner=options.inner,
        threads=options.threads, attention=options.attention, reuse=options.reuse,
        watch=options.watch_test,
        away=away if options.scheduler or options.processes else None)
    print(tables.as_text(runs))


def _check(options):
    """Refuse, before anything is loaded, what contradicts itself."""
    _check_precision(options)
    try:
        _once([key for key, _ in options.changes])
    except argparse.ArgumentTypeError as error:
        options.refuse(f"argument --set: {error}")
    address = options.scheduler or ""
    if (options.tls or options.insecure) and not address:
        options.refuse("--tls, --insecure: found no --scheduler, expected its address")
    if options.tls and address.startswith("tcp:"):
        options.refuse(f"--tls: found {address}, which is not encrypted, expected tls://...")


def _check_precision(options):
    try:
        wanted_precision()
    except ValueError as error:
        options.refuse(str(error))


def report(options: argparse.Namespace) -> None:
    """Recompute all tables from predictions."""
    from .evaluation import results, tables

    runs = results.load(options.root, dataset=options.dataset)
    print(tables.as_json(runs) if options.json else tables.as_text(runs))


def predict(options: argparse.Namespace) -> int:
    """Classify audio files."""
    from . import answers

    return answers.command(options.files, options.checkpoint, options.json)


def reproduce(options: argparse.Namespace) -> int:
    """Run the notebooks, rebuild the tables, make the book."""
    _check_precision(options)
    from .kit import reproduce
    from .training import parallel

    if options.scheduler:
        parallel.needs_tls(options.scheduler)
    return reproduce.run(options.dataset, options.profile, options.data, options.only,
                         options.force, options.scheduler)


def student(options: argparse.Namespace) -> None:
    """Write a folder to hand out: notebooks without outputs and solutions."""
    from .kit import grading

    paths = grading.student(options.out)
    print(f"{options.out}: {len(paths)} notebooks, the pages they link to, the results")


def grade(options: argparse.Namespace) -> None:
    """Grade students' notebooks; runs their code."""
    from .kit import grading

    table = grading.grade(options.folder, options.limit)
    wide = table.pivot(index="student", columns="exercise", values="points")
    wide["points"] = wide.sum(axis=1)
    print(wide.fillna("").to_string())
    print(f"{options.folder}/grades.csv: {len(table)} answers, each with the message of its check")


def reset(options: argparse.Namespace) -> None:
    """Restore a notebook as it was delivered; the present one is kept."""
    from .kit import grading

    path, kept = grading.reset(options.number, options.folder)
    print(f"{path}: as delivered" + f"; yours is now {kept.name}" * bool(kept))


def onnx(options: argparse.Namespace) -> None:
    """Export a trained network to ONNX."""
    from .inference import load
    from .kit import onnx_export

    predictor = load(options.checkpoint)
    path = onnx_export.export(options.out, predictor)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, input {onnx_export.INPUT}, outputs "
          + ", ".join(onnx_export.output_names(predictor)))


def demo(options: argparse.Namespace) -> None:
    """Write a page in which the network runs in the browser."""
    from .kit import demo

    out = demo.demo(options.out, options.pages, options.runtime)
    print(f"{out}: serve it, for example by `python -m http.server --directory {out}`")
