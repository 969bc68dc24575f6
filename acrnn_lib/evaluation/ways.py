"""Ways to change ``acrnn-plus``, compared inside the training folds and tested once.

The way of a test fold is chosen by the inner split that holds none of its clips, so the nested
accuracy is free of that choice. Candidates and rule stand in results/README.md and were written
before the runs.

Notebook: 09_seeing_attention
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from . import metrics, results
from .grouping import arrays, correct_by_clip
from .selection import left_out
from .tables import difference

SPARSE = "clock_tick"  # of which a segment holds one or two


@dataclass(frozen=True)
class Question:
    """What is compared, and where its runs are.

    Parameters
    ----------
    ways : dict
        Changed settings by the way's name, from the simplest on; the first changes nothing.
    inner, tests : str
        Folders of the results: inner runs, and tests of other ways than the first.
    profile : str
    base : tuple of (str, str)
        Folder and experiment of the first way's inner runs, which other questions may have made.
    """

    ways: dict[str, str]
    inner: str
    tests: str
    profile: str = "lite"
    base: tuple[tuple[str, str], ...] = (
        ("watched-inner", "acrnn-plus"), ("inner-8", "acrnn-plus"))  # seed 0, seed 1

    @property
    def first(self) -> str:
        """The way that changes nothing."""
        return next(iter(self.ways))

    def experiment(self, way: str) -> str:
        """Name of the experiment of a way."""
        return "+".join(["acrnn-plus", *filter(None, [self.ways[way]])])


_WHOLE = "features.segment_frames=431+train.segments=1+train.batch_size=11"
HEARING = Question({  # what the network hears at once
    "segments of 1.49 s": "",
    "windows of 2.97 s":
        "features.segment_frames=256+train.segments=2+train.batch_size=21",
    "the whole clip": _WHOLE,
    "the whole clip, trained on random lengths": f"{_WHOLE}+train.shortest=128",
    "three parts of the clip, a second attention": f"{_WHOLE}+model.parts=3",
}, "inner-8", "whole-clip")
REGULARISING = Question({  # what reduces overfitting
    "as it is": "",
    "dropout 0.7": "model.dropout=0.7",
    "weights averaged over more steps": "train.average=0.997",
    "mixing on waves": "train.mix_on=waves",
    "mixing on waves, uniform shares": "train.mix_on=waves+train.mix_alpha=1.0",
    "sharpness-aware steps": "train.sam=0.05",
}, "inner-9", "regularised")
LONG = Question({  # what it hears at once, in trainings of 150 epochs
    "segments of 1.49 s": "",
    "the whole clip": "features.segment_frames=431+train.segments=1+train.batch_size=21",
}, "inner-10", "long", "paper", (
    ("inner-4", "acrnn-plus+train.colour_db=12"), ("inner-10", "acrnn-plus")))


def inner(question: Question, root: Path | str = "results") -> dict[str, list[results.Run]]:
    """Inner runs of each way, two seeds.

    Parameters
    ----------
    question : Question
    root : Path or str
        The committed results.

    Returns
    -------
    dict of list of Run

    Raises
    ------
    ResultsError
        If runs of a way are missing.

    Notebook: 09_seeing_attention
    """
    found = {}
    for way in question.ways:
        places = question.base if way == question.first else (
            (question.inner, question.experiment(way)),)
        runs = [run for folder, name in places
                for run in results.load(Path(root, folder), "esc10", question.profile, name)]
        if {(run.seed, run.fold) for run in runs} != {(s, f) for s in (0, 1) for f in range(1, 6)}:
            raise results.ResultsError(f"{root}: inner runs of {question.experiment(way)} are "
                                       "missing, expected seeds 0 and 1 on five folds")
        found[way] = runs
    return found


def compared(runs: dict[str, list[results.Run]]) -> pd.DataFrame:
    """Accuracy and recall of the sparse class by each way, beside those of the first.

    Parameters
    ----------
    runs : dict of list of Run
        From ``inner``.

    Returns
    -------
    pd.DataFrame
        A row per way: accuracy, lo, hi; difference from the first way, with difference_lo,
        difference_hi, p; recall of SPARSE, recall_lo, recall_hi; and parameters.

    Notebook: 09_seeing_attention
    """
    rows, first = {}, next(iter(runs.values()))
    for way, made in runs.items():
        correct, names = correct_by_clip(made), made[0].manifest["classes"]  # runs of any name
        clips = results.predictions(made)[["clip_id", "target"]].set_index("clip_id")["target"]
        sparse = correct.index.get_level_values("clip_id").isin(
            clips.index[clips == names.index(SPARSE)])
        row = {"parameters": made[0].manifest["parameters"],
               **_interval(correct, "accuracy", "lo", "hi"),
               **_interval(correct[sparse], "recall", "recall_lo", "recall_hi")}
        if made is not first:
            apart = difference(made, first)
            row |= {"difference": apart["difference"], "difference_lo": apart["lo"],
                    "difference_hi": apart["hi"], "p": apart["p"]}
        rows[way] = row
    return pd.DataFrame(rows).T.astype(float).rename_axis("way")


def _interval(correct, *names):
    return dict(zip(names, metrics.accuracy_interval(*arrays(correct)), strict=True))


def chosen(runs: dict[str, list[results.Run]]) -> pd.DataFrame:
    """The way of each test fold, by the inner split that holds none of its clips.

    Parameters
    ----------
    runs : dict of list of Run
        From ``inner``.

    Returns
    -------
    pd.DataFrame
        A row per test fold: accuracy on the inner split by way, a mean over the seeds; chosen: the
        first of those with the highest.

    Notebook: 09_seeing_attention
    """
    shares = {way: pd.DataFrame([
        (left_out(run), results.predictions([run])["correct"].mean()) for run in made],
        columns=["fold", "share"]).groupby("fold").share.mean() for way, made in runs.items()}
    table = pd.DataFrame(shares)
    return table.assign(chosen=table.round(9).idxmax(axis=1))


def nested(question: Question, root: Path | str = "results") -> dict:
    """Test accuracy where each fold's way was chosen without any of its clips.

    Parameters
    ----------
    question : Question
    root : Path or str
        The committed results: tests of the first way are the official ones.

    Returns
    -------
    dict
        seeds, clips, accuracy, lo and hi; and difference, difference_lo, difference_hi and p beside
        the first way on all folds, same clips and seeds.

    Raises
    ------
    ResultsError
        If runs are missing.

    Notebook: 09_seeing_attention
    """
    official, tested = results.load(root, "esc10", question.profile, "acrnn-plus"), []
    for fold, way in chosen(inner(question, root))["chosen"].items():
        runs = official if way == question.first else results.load(
            Path(root, question.tests), "esc10", question.profile, question.experiment(way))
        tested += [run for run in runs if run.fold == fold]
    made, wanted = ({(run.seed, run.fold) for run in runs} for runs in (tested, official))
    if made != wanted:
        raise results.ResultsError(f"{root}: tests of the chosen ways are missing, expected the "
                                   "seeds of acrnn-plus on five folds")
    ours, theirs = correct_by_clip(tested), correct_by_clip(official)
    apart = metrics.paired_difference(arrays(ours)[0], *arrays(theirs.loc[ours.index]))
    return {"seeds": ours.shape[1], "clips": len(ours),
            **_interval(ours, "accuracy", "lo", "hi"),
            **dict(zip(("difference", "difference_lo", "difference_hi", "p"), apart, strict=True))}
