"""Figures of results: accuracies with intervals, differences, confusions, recalls, power.

Every figure takes ``ax`` (a new figure without it) and returns (fig, ax).

Notebook: 07_result_tables, 08_confusion_matrices
"""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from ..config import dataset_label
from ..data.esc import FAMILIES, family
from ..evaluation import results, tables
from ..evaluation.learning import by_epoch
from ..evaluation.power import mcnemar_power
from .sounds import PALETTE, axes

if TYPE_CHECKING:
    import pandas as pd

MARKERS = "osD^vP*X<>"
MOST_MARKERS = 8  # more cannot be told apart in a legend
MOST_COUNTED = 20  # classes; more have no room for numbers in their cells
# of each family of ESC-50: colours that keep apart for all eyes, and in grey by their markers
FAMILY_STYLE = dict(zip(("", *FAMILIES), zip(
    (*(PALETTE[k] for k in (3, 2, 0, 4, 1)), "0.25"), "XosD^v", strict=True), strict=True))


def accuracies(summary: "pd.DataFrame", ax: Axes | None = None,
               published: dict[str, float] | None = None,
               title: str | None = None) -> tuple[Figure, Axes]:
    """Draw the accuracy of each experiment with its 95 % interval, in percent.

    Rows that do not rest on all folds say so.

    Parameters
    ----------
    summary : pd.DataFrame
        Of ``tables.summary``.
    ax : Axes, optional
    published : dict of float, 0 to 1, optional
        Accuracies by label, drawn as vertical lines.
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 07_result_tables
    """
    names = [f"{r.experiment} ({dataset_label(r.dataset)}, {r.profile}"
             + (f", {r.folds} of {r.all_folds} folds)" if r.folds < r.all_folds else ")")
             for r in summary.itertuples()]
    fig, ax = _intervals(summary[["accuracy", "lo", "hi"]], names, ax, "o", PALETTE[0])
    for k, (label, share) in enumerate((published or {}).items()):
        ax.axvline(100 * share, color=PALETTE[1 + k % 8], linestyle=("--", ":", "-.")[k % 3],
                   label=label)
    if published:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    ax.set(xlabel="accuracy (%)", title=title)
    return fig, ax


def differences(table: "pd.DataFrame", ax: Axes | None = None,
                title: str | None = None) -> tuple[Figure, Axes]:
    """Draw paired differences in accuracy in percentage points, with 95 % intervals and p-values.

    Parameters
    ----------
    table : pd.DataFrame
        Of ``tables.comparisons``; a pair that occurs several times is drawn once.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 07_result_tables
    """
    table = table.drop_duplicates(["dataset", "profile", "a", "b"])
    names = [f"{r.a} minus {r.b} ({dataset_label(r.dataset)}, {r.profile})"
             for r in table.itertuples()]
    fig, ax = _intervals(table[["difference", "lo", "hi"]], names, ax, "s", PALETTE[2])
    ax.axvline(0, color="0.3", linewidth=1)
    for row, found in zip(range(len(table))[::-1], table.itertuples(), strict=True):
        ax.text(1.01, row, f"p = {found.p:.2g}; {found.p_holm:.2g} after Holm", va="center",
                fontsize="small", transform=ax.get_yaxis_transform())
    ax.set(xlabel="difference in accuracy (percentage points)", title=title)
    return fig, ax


def headline(table: "pd.DataFrame", title: str | None = None) -> tuple[Figure, np.ndarray]:
    """Draw published accuracies and ours, a panel per data set.

    Parameters
    ----------
    table : pd.DataFrame
        Of ``headline.accuracies``.
    title : str, optional

    Returns
    -------
    fig, panels : Figure, np.ndarray of Axes

    Notebook: 07_result_tables
    """
    parts = list(table.groupby("dataset", sort=False))
    fig, panels = plt.subplots(
        len(parts), 1, sharex=True, squeeze=False, layout="constrained",
        figsize=(8, 0.9 + 0.42 * len(table)), height_ratios=[len(part) for _, part in parts])
    for ax, (dataset, part) in zip(panels.flat, parts, strict=True):
        rows = np.arange(len(part))[::-1]
        for ours, colour, marker, label in ((False, PALETTE[1], "D", "published"),
                                            (True, PALETTE[0], "o", "here, 95 % interval")):
            use = part["lo"].notna().to_numpy() == ours
            values = 100 * part.loc[use, ["accuracy", "lo", "hi"]].to_numpy(float)
            ends = np.abs(values[:, 1:] - values[:, :1]).T if ours else None
            ax.errorbar(values[:, 0], rows[use], xerr=ends, fmt=marker, color=colour, capsize=4,
                        label=label)
        ax.set_yticks(rows, part["system"])
        ax.set_ylim(-0.6, len(part) - 0.4)
        ax.set_title(dataset, loc="left", fontsize="medium")
        ax.grid(axis="x", alpha=0.3)
    panels[-1, 0].set_xlabel("accuracy (%)")
    panels[-1, 0].xaxis.set_major_locator(MultipleLocator(5))
    panels[0, 0].legend(loc="lower left", fontsize="small")
    fig.suptitle(title)
    return fig, panels[:, 0]


def _intervals(columns, names, ax, marker, colour):
    """A row per name, from the top down: value, lower and upper end, shares drawn as percent."""
    width = 8 + 0.1 * max(0, max(map(len, names), default=0) - 30)  # long names need room
    fig, ax = axes(ax, (width, 1.2 + 0.5 * len(names)))
    rows, values = np.arange(len(names))[::-1], 100 * columns.to_numpy(float)
    ax.errorbar(values[:, 0], rows, xerr=np.abs(values[:, 1:] - values[:, :1]).T, fmt=marker,
                color=colour, capsize=4)
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.grid(axis="x", alpha=0.3)
    return fig, ax


def confusion(frame: "pd.DataFrame", ax: Axes | None = None,
              title: str | None = None) -> tuple[Figure, Axes]:
    """Draw a confusion matrix as a heat map: rows truth, columns prediction.

    Up to 20 classes have their counts in the cells. More are drawn as shares of the true class,
    ordered by the families of ESC-50, whose borders are drawn; empty cells stay white.

    Parameters
    ----------
    frame : pd.DataFrame, shape (C, C), int
        Of ``confusions.confusion``.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 08_confusion_matrices
    """
    if len(frame) > MOST_COUNTED:
        return _confusion_shares(frame, ax, title)
    fig, ax = axes(ax, (0.62 * len(frame) + 2, 0.55 * len(frame) + 1.4))
    engine = fig.get_layout_engine()
    fig.set_layout_engine("none")  # seaborn draws the whole figure each time: no need to lay it out
    sns.heatmap(frame, annot=True, fmt="d", cmap="cividis", linewidths=0.5, ax=ax, cbar=False)
    fig.set_layout_engine(engine)
    ax.set(xlabel="predicted", ylabel=frame.index.name or "truth", title=title)
    ax.set_xticks(ax.get_xticks(), ax.get_xticklabels(), rotation=45, ha="right")
    return fig, ax


def _confusion_shares(frame, ax, title):
    of = [family(str(name)) for name in frame.columns]
    order = sorted(range(len(of)), key=lambda k: list(FAMILY_STYLE).index(of[k]))
    names, of = [str(frame.columns[k]) for k in order], [of[k] for k in order]
    counts = frame.to_numpy(float)[np.ix_(order, order)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    fig, ax = axes(ax, (0.165 * len(names) + 1.6, 0.165 * len(names) + 1.3))
    # by the square root, else a confusion of some percent could not be told from none
    image = ax.imshow(np.ma.masked_equal(shares, 0), cmap="rocket_r", norm=PowerNorm(0.5, 0, 1))
    ax.set(xlabel="predicted", ylabel=frame.index.name or "truth")
    ax.set_title(title, pad=20 if any(of) else None)
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=9)
    ax.set_yticks(range(len(names)), names, fontsize=9)
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="0.93", linewidth=0.5)
    ax.tick_params(which="minor", length=0)
    ax.set_axisbelow(True)
    starts = [k for k in range(len(of)) if k == 0 or of[k] != of[k - 1]]
    for start, stop in zip(starts, [*starts[1:], len(of)], strict=True):
        ax.text((start + stop - 1) / 2, -1, of[start], ha="center", va="bottom", fontsize=10,
                fontweight="bold", color=FAMILY_STYLE[of[start]][0])
        if start:
            ax.axhline(start - 0.5, color="0.25", linewidth=0.9)
            ax.axvline(start - 0.5, color="0.25", linewidth=0.9)
    ticks = (0.025, 0.1, 0.25, 0.5, 1)
    bar = fig.colorbar(image, ax=ax, shrink=0.5, aspect=28, pad=0.015, ticks=ticks,
                       label="share of the true class's clips")
    bar.ax.set_yticklabels([f"{100 * tick:g} %" for tick in ticks])
    return fig, ax


def recalls(frame: "pd.DataFrame", ax: Axes | None = None,
            title: str | None = None) -> tuple[Figure, Axes]:
    """Draw the recall of each class in percent, a marker per system.

    Equal recalls are drawn side by side; more than eight systems, or 20 classes, are drawn as a
    heat map.

    Parameters
    ----------
    frame : pd.DataFrame, shape (C, systems), 0 to 1
        Of ``recalls.recall``.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 08_confusion_matrices
    """
    n_systems = frame.shape[1]
    if n_systems > MOST_MARKERS or len(frame) > MOST_COUNTED:
        return _recall_map(frame, ax, title)
    fig, ax = axes(ax, (8, len(frame) * max(0.4, 0.07 * n_systems) + 1.4))
    long = (100 * frame).rename_axis("class").reset_index().melt(
        "class", value_name="recall", var_name="system")
    sns.pointplot(long, x="recall", y="class", hue="system", palette="colorblind", errorbar=None,
                  markers=[MARKERS[k % len(MARKERS)] for k in range(n_systems)], markersize=5,
                  linestyle="none", dodge=0.7 if n_systems > 1 else False, ax=ax)
    ax.set(xlabel="recall (%)", ylabel="", title=title, xlim=(-3, 103))
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), title=None)
    return fig, ax


def recall_by_class(table: "pd.DataFrame", ax: Axes | None = None, title: str | None = None,
                    beside: "dict[str, pd.Series] | None" = None) -> tuple[Figure, Axes]:
    """Draw the recall of each class with its 95 % interval, the lowest at the top.

    Classes of ESC-50 have a colour and a marker for their family.

    Parameters
    ----------
    table : pd.DataFrame
        Of ``recalls.recall_by_class``, one experiment.
    ax : Axes, optional
    title : str, optional
    beside : dict of pd.Series, 0 to 1, optional
        Other values by class, such as the precision or a published recall, by label.

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 08_confusion_matrices
    """
    many = len(table) > MOST_COUNTED
    fig, ax = axes(ax, (8, (0.155 if many else 0.34) * len(table) + 1.2))
    table = table.sort_values("recall", kind="stable")
    values, rows = 100 * table[["recall", "lo", "hi"]].to_numpy(), np.arange(len(table))
    of = np.array([family(name) if many else "" for name in table["class"]])
    for name in sorted(set(of), key=list(FAMILY_STYLE).index):
        colour, marker = FAMILY_STYLE[name] if many else (PALETTE[0], "o")
        use = of == name
        ends = np.abs(values[use, 1:] - values[use, :1]).T
        ax.errorbar(values[use, 0], rows[use], xerr=ends, fmt=marker, color=colour, markersize=5,
                    linewidth=1, capsize=0 if many else 3, label=name or "recall, 95 % interval")
    for k, (label, shares) in enumerate((beside or {}).items()):
        ax.plot(100 * table["class"].map(shares), rows, "D^v"[k], mfc="none", color=PALETTE[1 + k],
                label=label)
    ax.set(xlabel="recall (%)" if not beside else "share (%)", title=title, xlim=(-1.5, 103),
           ylim=(len(table) - 0.4, -0.6))
    ax.set_yticks(rows, table["class"], fontsize=9 if many else 10)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return fig, ax


def _recall_map(frame, ax, title):
    fig, ax = axes(ax, (0.5 * frame.shape[1] + 2, 0.42 * len(frame) + 2))
    engine = fig.get_layout_engine()
    fig.set_layout_engine("none")  # as for confusion
    sns.heatmap(100 * frame, annot=len(frame) <= MOST_COUNTED, fmt=".0f", cmap="cividis",
                linewidths=0.5, annot_kws={"fontsize": 8}, cbar_kws={"label": "recall (%)"}, ax=ax)
    fig.set_layout_engine(engine)
    ax.set(xlabel="", ylabel="", title=title)
    ax.set_xticks(ax.get_xticks(), ax.get_xticklabels(), rotation=45, ha="right")
    return fig, ax


def same_recording(long: "pd.DataFrame", ax: Axes | None = None,
             title: str | None = None) -> tuple[Figure, Axes]:
    """Draw clips of the same recording in a column, a mark per clip: right or wrong.

    Recordings with one clip are left out; columns are sorted by the share of right clips.

    Parameters
    ----------
    long : pd.DataFrame
        ``results.predictions`` of one experiment and seed.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 07_result_tables
    """
    fig, ax = axes(ax, (9, 2.6))
    families = [group["correct"].to_numpy(bool) for _, group in long.groupby("source")
                if len(group) > 1]
    families.sort(key=lambda family: (family.mean(), -len(family)))
    for marker, colour, answer in (("s", PALETTE[0], True), ("X", PALETTE[3], False)):
        spots = [(x, y) for x, family in enumerate(families)
                 for y, right in enumerate(np.sort(family), 1) if right == answer]
        ax.scatter(*np.reshape(spots, (-1, 2)).T, marker=marker, color=colour, s=36,
                   label="right" if answer else "wrong")
    ax.set(xlabel="recordings with more than one clip", ylabel="clips of it", title=title,
           xticks=[], yticks=range(1, 1 + max(map(len, families), default=1)))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return fig, ax


def power(sizes: dict[str, int], disagree: float, ax: Axes | None = None,
          title: str | None = None, largest: float = 0.1) -> tuple[Figure, Axes]:
    """Draw the statistical power over the true difference, to show which ones are detectable.

    Parameters
    ----------
    sizes : dict of int
        Number of independent clips by label.
    disagree : float, 0 to 1
        As in ``power.mcnemar_power``.
    ax : Axes, optional
    title : str, optional
    largest : float, 0 to 1
        Largest difference drawn.

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 07_result_tables
    """
    fig, ax = axes(ax, (8, 3.2))
    differences = np.linspace(0, min(largest, disagree), 41)
    for k, (label, clips) in enumerate(sizes.items()):
        found = [mcnemar_power(clips, difference, disagree) for difference in differences]
        ax.plot(100 * differences, 100 * np.array(found), label=label, color=PALETTE[k],
                linestyle=("-", "--", ":")[k % 3])
    ax.axhline(80, color="0.5", linewidth=1)
    ax.axvspan(0.5, 3, color="0.92", zorder=0)  # what papers on these data sets differ by
    ax.set(xlabel="true difference (percentage points)", ylabel="statistical power (%)",
           ylim=(0, 102), title=title)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    ax.grid(alpha=0.3)
    return fig, ax


def training_and_test(runs: list[results.Run], watched: list[results.Run] | None = None,
                      ax: Axes | None = None, title: str | None = None) -> tuple[Figure, Axes]:
    """Draw the training accuracy by epoch, and the test accuracy at the end with its interval.

    Parameters
    ----------
    runs : list of results.Run
        One experiment.
    watched : list of results.Run, optional
        The same experiment, watched: its test accuracy is drawn by epoch.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 07_result_tables
    """
    fig, ax = axes(ax, (6, 3.4))
    curve, found = 100 * by_epoch(runs), tables.summary(runs).iloc[0]
    ax.plot(curve["training"], color=PALETTE[0], label="training segments")
    if watched:
        ax.plot(100 * by_epoch(watched)["test"], "--", color=PALETTE[1], label="test clips")
    test, lo, hi = (100 * found[name] for name in ("accuracy", "lo", "hi"))
    ax.errorbar(curve.index[-1], test, yerr=[[test - lo], [hi - test]], fmt="o", capsize=4,
                color=PALETTE[1], label="test clips, last epoch, 95 % interval")
    ax.set(xlabel="epoch", ylabel="accuracy (%)", title=title)
    ax.legend(loc="lower right", fontsize="small")
    ax.grid(alpha=0.3)
    return fig, ax
