"""How runs learned: training accuracy beside test accuracy, and the cost of the training.

Notebook: 07_result_tables
"""

import numpy as np
import pandas as pd

from .grouping import by_experiment, same_folds
from .results import Run
from .tables import summary

MACHINE = ("device", "device_name", "precision", "threads")
SPEED = ("segments_per_second", "peak_memory_mib")


def training_and_test(runs: list[Run]) -> pd.DataFrame:
    """Training accuracy at the last epoch beside the test accuracy, by experiment.

    The training accuracy is of segments as training saw them: augmented, and with dropout. The test
    accuracy is of clips.

    Parameters
    ----------
    runs : list of Run
        Experiments without epochs are left out.

    Returns
    -------
    pd.DataFrame
        A row per dataset, profile and experiment: epochs, training, test, lo and hi (0 to 1, with
        the 95 % interval of the test accuracy).
    """
    rows = []
    for key, group in by_experiment(runs).items():
        used = same_folds(group)[0]
        last = [run.history.iloc[-1].get("accuracy", np.nan) for run in used]
        found = summary(used).iloc[0]
        if found["epochs"] is not pd.NA and found["epochs"] > 1:
            rows.append([*key, found["epochs"], np.mean(last), found["accuracy"], found["lo"],
                         found["hi"]])
    return pd.DataFrame(rows, columns=["dataset", "profile", "experiment", "epochs", "training",
                                       "test", "lo", "hi"])


def by_epoch(runs: list[Run]) -> pd.DataFrame:
    """Training and, where runs were watched, test accuracy after each epoch, over all runs.

    Parameters
    ----------
    runs : list of Run
        One experiment.

    Returns
    -------
    pd.DataFrame
        A row per epoch: training (mean over runs) and test (share of all test clips; NaN without
        watched runs), 0 to 1.
    """
    table = pd.DataFrame({"training": pd.concat([run.history for run in runs])
                          .groupby("epoch")["accuracy"].mean()})
    watched = [run.watched for run in runs]
    if all(seen is not None for seen in watched):
        seen = pd.concat(watched).groupby("epoch").sum()
        table["test"] = seen["last"] / seen["clips"]
    return table.reindex(columns=["training", "test"])


def costs(runs: list[Run]) -> pd.DataFrame:
    """What each experiment cost: minutes, machine and speed, from the manifests.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    pd.DataFrame
        A row per dataset, profile and experiment. minutes : wall times summed over folds, mean over
        seeds; segments_per_second, peak_memory_mib : median over runs; empty where not known.
    """
    where = ["dataset", "profile", "experiment"]
    found = pd.DataFrame([run.key | {name: run.manifest.get(name) for name in (*MACHINE, *SPEED)}
                          for run in runs])
    found = found.astype({"threads": "Int64"} | dict.fromkeys(SPEED, float))
    machine = found.groupby(where)[[*MACHINE, *SPEED]].agg(
        dict.fromkeys(MACHINE, lambda values: ", ".join(sorted(map(str, set(values.dropna())))))
        | dict.fromkeys(SPEED, "median"))
    table = summary(runs).set_index(where)[["folds", "seeds", "epochs", "minutes", "parameters"]]
    return table.join(machine).reset_index()
