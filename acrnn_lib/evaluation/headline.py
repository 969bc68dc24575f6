"""The results of the first page: the paper's accuracies and attention, beside ours.

Notebook: 07_result_tables
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ..config import dataset_label, original
from . import results, selection
from .claims import published
from .tables import compare, copy_cost, interval_text, points_text, summary

OWN, PAPERS = "acrnn-plus", "acrnn"  # our recipe on the same network, and the paper's
ESC10, COPY = "esc10", "esc50-16k"


def accuracies(root: Path | str = "results") -> pd.DataFrame:
    """The paper's accuracies, human listeners' and ours, for a figure.

    Parameters
    ----------
    root : Path or str
        The committed results.

    Returns
    -------
    pd.DataFrame
        A row per system and data set: dataset (label), system, accuracy (0 to 1), lo and hi (NaN
        for published values).

    Raises
    ------
    ResultsError
        If committed runs are missing.

    Notebook: 07_result_tables
    """
    ours = _ours(root)
    rows = []
    for dataset, profile in ((ESC10, "paper"), (COPY, "lite")):
        paper, humans = _published(original(dataset))
        label = dataset_label(dataset)
        on = ", on the original" * (dataset == COPY)
        rows += [(label, "human listeners" + on, humans, np.nan, np.nan),
                 (label, "the paper" + on, paper, np.nan, np.nan)]
        for experiment, what in ((OWN, "our recipe"), (PAPERS, "the paper's recipe, as read")):
            if found := ours.get((dataset, profile, experiment)):
                rows.append((label, f"{what} ({experiment}, {profile})", *_ends(found)))
                if (experiment, dataset) == (OWN, ESC10):
                    rows.append((label, "our recipe, chosen without the fold (nested)",
                                 *_ends(_nested(root, profile))))
    return pd.DataFrame(rows, columns=["dataset", "system", "accuracy", "lo", "hi"])


def as_markdown(root: Path | str = "results") -> str:
    """What was reproduced, what was not, and by how much: three points in Markdown.

    Parameters
    ----------
    root : Path or str
        The committed results.

    Returns
    -------
    str

    Raises
    ------
    ResultsError
        If committed runs are missing.

    Notebook: 07_result_tables
    """
    ours = _ours(root)
    wanted = [(*place, name) for place in ((ESC10, "paper"), (COPY, "lite"))
              for name in (OWN, PAPERS)]
    for key in wanted:
        if key not in ours:
            raise results.ResultsError(f"{root}: no complete runs of {'/'.join(key)}")
    own, papers, fifty, papers_fifty = (ours[key] for key in wanted)
    ten, fifty_published = _published(ESC10)[0], _published("esc50")[0]
    runs = results.load(root)
    cost = copy_cost(runs).query("experiment == @OWN and profile == 'lite'")
    if cost.empty:
        raise results.ResultsError(f"{root}: no runs of {OWN} on esc10 and on its copy to compare")
    cost = cost.iloc[0]
    effect = compare([run for run in runs if (run.dataset, run.profile) == (ESC10, "lite")],
                     PAPERS, "crnn").iloc[0]
    return (
        f"- **ESC-10.** The paper reports {ten:.1%} accuracy. The paper's recipe, as far as it is "
        f"known, gave {interval_text(papers)} here: {_short(papers, ten)}. A recipe of our own for "
        f"the same network gave {interval_text(own)}, or {interval_text(_nested(root, 'paper'))} "
        "if the recipe of each fold is chosen without that fold.\n"
        f"- **ESC-50.** The paper reports {fifty_published:.1%} accuracy. We had a 16 kHz, 8-bit "
        "copy of the sounds and used the short profile `lite`. The paper's recipe, in "
        f"{papers_fifty['epochs']} epochs, gave {interval_text(papers_fifty)}: "
        f"{_short(papers_fifty, fifty_published)}. Ours, in {fifty['epochs']} epochs, gave "
        f"{interval_text(fifty)}: {_short(fifty, fifty_published)}. On the ten classes of ESC-10, "
        f"the copy changes the accuracy of our recipe by {points_text(cost)} points.\n"
        "- **Attention.** In the paper, attention is best after the recurrent layers. There, "
        "compared with the mean over frames, it changes our accuracy on ESC-10 (`lite`) by "
        f"{points_text(effect)} points: {_judged(effect)}.\n")


def _ours(root):
    runs = [run for run in results.load(root) if run.experiment in (OWN, PAPERS)]
    return {(row["dataset"], row["profile"], row["experiment"]): row
            for row in summary(runs).to_dict("records")}


def _published(dataset):
    table = published().query("dataset == @dataset")
    return (table.loc[table["experiment"] == PAPERS, "accuracy"].item(),
            table.loc[table["system"] == "human listeners", "accuracy"].item())


def _ends(row):
    return tuple(row[name] for name in ("accuracy", "lo", "hi"))


def _nested(root, profile):
    return selection.nested(profile, root)[1]


def _short(row, paper):
    where = "below" if row["accuracy"] < paper else "above"
    return f"{100 * abs(row['accuracy'] - paper):.1f} points {where} the paper"


def _judged(row):
    return ("it helps" if row["lo"] > 0 else "it harms" if row["hi"] < 0 else
            "the interval includes zero, so no effect is shown")
