"""Figures of what layers cost, and learning curves.

Notebook: 04_the_model_layer_by_layer, 06_training_on_a_gpu
"""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .sounds import axes

if TYPE_CHECKING:
    import pandas as pd

    from ..evaluation.results import Run


def layer_costs(table: "pd.DataFrame", ax: Axes | None = None,
                title: str | None = None) -> tuple[Figure, Axes]:
    """Draw the share of parameters and multiply-adds by layer, in percent.

    Parameters
    ----------
    table : pd.DataFrame
        Of ``summary.layer_table``.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 04_the_model_layer_by_layer
    """
    fig, ax = axes(ax, (8, 3.5))
    columns = {"parameters": "parameters", "multiply_adds": "multiply-adds"}
    shares = table[["layer", *columns]].rename(columns=columns).melt("layer", value_name="share",
                                                                     var_name="of all")
    shares["share"] /= shares.groupby("of all")["share"].transform("sum") / 100
    shown = shares.groupby("layer")["share"].transform("max") > 0.5
    sns.barplot(shares[shown], x="layer", y="share", hue="of all", palette="colorblind", ax=ax)
    ax.set(xlabel="layer", ylabel="share (%)", title=title)
    return fig, ax


def learning_curves(runs: "list[Run] | pd.DataFrame", ax: Axes | None = None,
                    title: str | None = None, column: str = "loss") -> tuple[Figure, Axes]:
    """Draw a column of the training history by epoch, a line per experiment.

    Folds and seeds of one experiment are averaged; the band is their range.

    Parameters
    ----------
    runs : list of results.Run, or pd.DataFrame
        A DataFrame is one history.
    ax : Axes, optional
    title : str, optional
    column : str

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 06_training_on_a_gpu
    """
    import pandas as pd

    fig, ax = axes(ax, (8, 3.5))
    if isinstance(runs, pd.DataFrame):
        table = runs.assign(experiment="this run")
    else:
        table = pd.concat([run.history.assign(experiment=run.experiment) for run in runs])
    sns.lineplot(table, x="epoch", y=column, hue="experiment", style="experiment",
                 errorbar=("pi", 100), palette="colorblind", ax=ax)
    ax.set(xlabel="epoch", ylabel=f"training {column}", title=title)
    ax.grid(alpha=0.3)
    return fig, ax


class LiveCurve:
    """A learning curve in a notebook, redrawn in place after each epoch, with the time left.

    For ``report=`` of ``loop.fit`` and ``crossval.run``; the latter passes title and epochs itself.

    Parameters
    ----------
    title : str
    epochs : int, optional
        Epochs of the whole training.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, title: str = "", epochs: int | None = None):
        from IPython.display import DisplayHandle

        self.title, self.epochs, self.rows = title, epochs, []
        self.fig, self.ax = plt.subplots(figsize=(7, 3), layout="constrained")
        self.ax.set_title("No epoch yet; what is finished is not trained again")
        self.ax.axis("off")  # until there is something to draw
        plt.close(self.fig)  # shown by the handle, and updated in place
        self.handle = DisplayHandle()
        self.handle.display(self.fig)

    def __call__(self, row: dict) -> None:
        """Add an epoch's row of the history."""
        import pandas as pd

        if self.rows and row["epoch"] <= self.rows[-1]["epoch"]:  # the next run begins
            self.rows.clear()
        self.rows.append(row)
        epochs = row.get("epochs", self.epochs)
        left = row.get("seconds_left", ((epochs or row["epoch"]) - row["epoch"]) * row["seconds"])
        title = (f"{row.get('run', self.title)}: epoch {row['epoch']} of {epochs}, "
                 f"{row['segments_per_second']:.0f} segments/s, {left / 60:.1f} min left")
        self.ax.clear()
        learning_curves(pd.DataFrame(self.rows), self.ax, title, "loss" if "loss" in row
                        else "accuracy")
        self.ax.set_xlim(0.5, (epochs or row["epoch"]) + 0.5)
        self.ax.xaxis.get_major_locator().set_params(integer=True)
        self.ax.get_legend().remove()
        self.handle.update(self.fig)
