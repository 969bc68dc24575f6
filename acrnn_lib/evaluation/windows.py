"""Does attention gain by hearing the whole clip? Ways to hear more, compared inside training folds.

Candidates and rule stand in results/README.md and were written before the runs.

Notebook: 09_seeing_attention
"""

from pathlib import Path

import pandas as pd

from . import results
from .selection import left_out
from .tables import difference, recall_by_class, summary

WHOLE = "features.segment_frames=431+train.segments=1+train.batch_size=11"
# what the network hears at once: the changed settings, from the simplest way on
WAYS = {
    "segments of 1.49 s": "",
    "windows of 2.97 s":
        "features.segment_frames=256+train.segments=2+train.batch_size=21",
    "the whole clip": WHOLE,
    "the whole clip, trained on random lengths": f"{WHOLE}+train.shortest=128",
    "three parts of the clip, a second attention": f"{WHOLE}+model.parts=3",
}
SPARSE = "clock_tick"  # of which a segment holds one or two


def inner(root: Path | str = "results") -> dict[str, list[results.Run]]:
    """Inner runs of each of WAYS, two seeds.

    Parameters
    ----------
    root : Path or str
        The committed results: seed 0 of the segments is in ``watched-inner``, all else in
        ``inner-8``.

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
    for way, changes in WAYS.items():
        name = "acrnn-plus" + f"+{changes}" * bool(changes)
        runs = results.load(Path(root, "inner-8"), "esc10", "lite", name)
        if not changes:
            runs = [*results.load(Path(root, "watched-inner"), "esc10", "lite", name), *runs]
        if {(run.seed, run.fold) for run in runs} != {(s, f) for s in (0, 1) for f in range(1, 6)}:
            raise results.ResultsError(f"{root}: inner runs of {name} are missing, expected seeds "
                                       "0 and 1 on five folds")
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
        sparse = recall_by_class(made).set_index("class").loc[SPARSE]
        row = {**summary(made).iloc[0][["accuracy", "lo", "hi", "parameters"]],
               "recall": sparse["recall"], "recall_lo": sparse["lo"], "recall_hi": sparse["hi"]}
        if made is not first:
            apart = difference(made, first)
            row |= {"difference": apart["difference"], "difference_lo": apart["lo"],
                    "difference_hi": apart["hi"], "p": apart["p"]}
        rows[way] = row
    return pd.DataFrame(rows).T.astype(float).rename_axis("hears")


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
