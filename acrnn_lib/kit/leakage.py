"""Data leakage: five leaky protocols, each beside the right one, so that the gain can be measured.

Both protocols of a pair use the same models, the same settings and as many training clips; they
differ in what a model may see of the test fold. The models are inexpensive ones on statistics of
log-gammatone energies. Nothing of this module is used to train the networks.

Notebook: 12_leakage_laboratory
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..config import FeatureConfig
from ..evaluation import metrics
from ..features.segments import Segments
from ..training.loop import stable_seed
from .small_network import SmallNetwork

FOLDS, REPEATS = 5, 5
GROUP = 4  # bands averaged into one, so that a clip is described by a few hundred numbers at most
EPOCHS = 60  # of the small network when its epoch is to be chosen
NEIGHBOUR, LINEAR, NETWORK = "nearest neighbour", "linear", "small network"
COLUMNS = ["leak", "model", "protocol", "clip_id", "source", "tests", "correct"]


@dataclass(frozen=True)
class ClipStatistics:
    """Clips as statistics.

    Attributes
    ----------
    table : pd.DataFrame
        Clip table.
    clips : list of np.ndarray, shape (n, d), float32
        The clips themselves and then each of their augmented copies.
    segments : np.ndarray, shape (S, d), float32
        Audible segments of the clips themselves.
    owner : np.ndarray, shape (S,), int
        Row of each segment's clip.

    Notebook: 12_leakage_laboratory
    """

    table: pd.DataFrame
    clips: list
    segments: np.ndarray
    owner: np.ndarray

    @property
    def targets(self) -> np.ndarray:
        """Class of each clip (n,), int."""
        return self.table["target"].to_numpy()

    @property
    def sources(self) -> np.ndarray:
        """Recording of each clip (n,), str."""
        return self.table["source"].to_numpy()


def describe(static: np.ndarray) -> np.ndarray:
    """Mean, deviation and 10th, 50th and 90th percentile over frames, in groups of GROUP bands.

    Parameters
    ----------
    static : np.ndarray, shape (..., n_bands, frames)
        Log energies.

    Returns
    -------
    np.ndarray, shape (..., 5 n_bands / GROUP), float32

    Notebook: 12_leakage_laboratory
    """
    static = np.asarray(static, np.float32)
    bands = static.reshape(*static.shape[:-2], -1, GROUP, static.shape[-1]).mean(-2)
    over = bands.mean(-1), bands.std(-1), *np.percentile(bands, [10, 50, 90], axis=-1)
    return np.concatenate(over, axis=-1).astype(np.float32)


def prepare(table: pd.DataFrame, copies: list[np.ndarray], config: FeatureConfig,
            block: int = 64) -> ClipStatistics:
    """Describe all clips, their copies, and the audible segments of the clips themselves.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table.
    copies : list of np.ndarray, shape (clips, n_bands, frames)
        Features of the table's clips, from ``store.load``.
    config : config.FeatureConfig
    block : int
        Clips or segments described at once.

    Returns
    -------
    ClipStatistics

    Raises
    ------
    ValueError
        For tables and copies of different length.

    Notebook: 12_leakage_laboratory
    """
    if len(table) != len(copies[0]):
        raise ValueError(f"{len(table)} rows of the table, {len(copies[0])} clips of features")
    clips = [np.concatenate([describe(copy[i : i + block]) for i in range(0, len(copy), block)])
             for copy in copies]
    drawn = Segments(copies[:1], np.arange(len(table)), config).all()
    length = config.segment_frames
    parts = [describe(np.stack([copies[0][clip, :, start : start + length]
                                for clip, _, start in drawn[i : i + block]]))
             for i in range(0, len(drawn), block)]
    return ClipStatistics(table.reset_index(drop=True), clips, np.concatenate(parts), drawn[:, 0])


def stratified_group_kfold(groups: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    """Split rows at random into FOLDS folds of about equal size and class shares, groups unbroken.

    Within a class the largest groups go first, each into the fold with the fewest rows of the
    class. A group with rows of several classes counts for the class of its first row. The
    committed counts were made with these folds; scikit-learn's StratifiedGroupKFold would draw
    others.

    Parameters
    ----------
    groups : np.ndarray, shape (n,)
        Such as recordings, or row numbers to split rows singly.
    targets : np.ndarray, shape (n,), int
    seed : int

    Returns
    -------
    np.ndarray, shape (n,), int, 0 to FOLDS - 1

    Raises
    ------
    ValueError
        For fewer groups than folds.

    Notebook: 12_leakage_laboratory
    """
    rng, targets = np.random.default_rng(seed), np.asarray(targets)
    names, first, member, sizes = np.unique(np.asarray(groups), return_index=True,
                                            return_inverse=True, return_counts=True)
    if len(names) < FOLDS:
        raise ValueError(f"groups: found {len(names)}, expected at least {FOLDS}, one per fold")
    fold_of = np.empty(len(names), int)
    for target in np.unique(targets[first]):
        of_class = rng.permutation(np.flatnonzero(targets[first] == target))
        filled, order = np.zeros(FOLDS, int), rng.permutation(FOLDS)
        for group in of_class[np.argsort(-sizes[of_class], kind="stable")]:
            fold_of[group] = order[filled[order].argmin()]
            filled[fold_of[group]] += sizes[group]
    return fold_of[member]


def models(seed: int = 0) -> dict[str, BaseEstimator | SmallNetwork]:
    """New models by name, from one that memorises every example to one that cannot.

    Notebook: 12_leakage_laboratory
    """
    return {NEIGHBOUR: make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
            NETWORK: SmallNetwork(seed),
            LINEAR: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)}


def out_of_fold(name: str, inputs: np.ndarray, targets: np.ndarray, folds: np.ndarray,
                tested: np.ndarray, seed: int = 0) -> np.ndarray:
    """Probabilities of the tested rows, by a model fitted to the other folds.

    Parameters
    ----------
    name : one of ``models``
    inputs : np.ndarray, shape (n, d)
    targets, folds : np.ndarray, shape (n,), int
    tested : np.ndarray, shape (n,), bool
    seed : int

    Returns
    -------
    np.ndarray, shape (n, C), float64
        Zero in rows that are not tested.

    Notebook: 12_leakage_laboratory
    """
    probabilities = np.zeros((len(targets), targets.max() + 1))
    for fold in np.unique(folds[tested]):
        now = (folds == fold) & tested
        model = models(stable_seed(seed, int(fold)) % 2**31)[name]
        model.fit(inputs[folds != fold], targets[folds != fold])
        probabilities[np.ix_(now, model.classes_)] = model.predict_proba(inputs[now])
    return probabilities


def _row_split(data, inputs, owner, repeats, tested=True):
    """Rows split into folds singly (leaky), or with their whole recording (clean).

    inputs : (n, d); owner : (n,) int, the row of the clip in the table; tested : (n,) bool, or
    True for all. The tested rows of a clip vote.
    """
    targets, parts, tested = data.targets[owner], [], np.full(len(owner), tested)
    for repeat in range(repeats):
        splits = {"leaky": stratified_group_kfold(np.arange(len(owner)), targets, repeat),
                  "clean": stratified_group_kfold(data.sources, data.targets, repeat)[owner]}
        for name in models():
            for protocol, folds in splits.items():
                probabilities = out_of_fold(name, inputs, targets, folds, tested, repeat)
                voted = metrics.vote(probabilities[tested], owner[tested]).argmax(axis=1)
                parts.append(_rows(data, name, protocol, repeat, voted == data.targets))
    return pd.concat(parts, ignore_index=True)


def segment_split(data: ClipStatistics, repeats: int = REPEATS) -> pd.DataFrame:
    """Leak 1: segments split into folds singly (leaky), or with their whole recording (clean).

    The segments of a clip vote, each predicted by the model that was not trained on it.

    Parameters
    ----------
    data : ClipStatistics
    repeats : int
        Number of random splits.

    Returns
    -------
    pd.DataFrame
        A row per model, protocol, repeat and clip: model, protocol, repeat, clip_id, source,
        correct (bool).

    Notebook: 12_leakage_laboratory
    """
    return _row_split(data, data.segments, data.owner, repeats)


def clip_split(data: ClipStatistics, repeats: int = REPEATS) -> pd.DataFrame:
    """Leak 2: clips split singly (leaky), or with all clips of their recording (clean).

    Parameters and result as for ``segment_split``.

    Notebook: 12_leakage_laboratory
    """
    return _row_split(data, data.clips[0], np.arange(len(data.table)), repeats)


def copy_split(data: ClipStatistics, repeats: int = REPEATS) -> pd.DataFrame:
    """Leak 5: clips and their augmented copies split singly (leaky), or with their recording.

    Models are fitted to clips and copies of four folds; both protocols are tested on the clips
    themselves. Parameters and result as for ``segment_split``.

    Raises
    ------
    ValueError
        For data without augmented copies.

    Notebook: 12_leakage_laboratory
    """
    n, versions = len(data.table), len(data.clips)
    if versions < 2:
        raise ValueError("no augmented copies: found 1 version of each clip, expected at least 2")
    return _row_split(data, np.concatenate(data.clips), np.tile(np.arange(n), versions), repeats,
                      np.arange(n * versions) < n)


def learning_curve(data: ClipStatistics, folds: np.ndarray, fold: int,
                   left_out: Sequence[int] = (), seed: int = 0,
                   n_epochs: int = EPOCHS) -> np.ndarray:
    """Correctness on one fold after each epoch of the small network.

    Parameters
    ----------
    data : ClipStatistics
    folds : np.ndarray, shape (n,), int
    fold : int
        The fold that is tested.
    left_out : sequence of int
        Further folds that are not trained on.
    seed : int
    n_epochs : int

    Returns
    -------
    np.ndarray, shape (n_epochs, clips of the fold), bool

    Notebook: 12_leakage_laboratory
    """
    tested, training = folds == fold, ~np.isin(folds, [fold, *left_out])
    network = SmallNetwork(stable_seed(seed, fold) % 2**31)
    clips = data.clips[0]
    return np.array([now.predict(clips[tested]) == data.targets[tested] for now in
                     network.epochs(clips[training], data.targets[training], n_epochs)])


def epoch_selection(data: ClipStatistics, repeats: int = REPEATS,
                    n_epochs: int = EPOCHS) -> pd.DataFrame:
    """Leak 3: the epoch with the best accuracy on the test fold (leaky), or on an inner fold.

    For "clean" the next fold is left out of training, the epoch is chosen on it, and the network is
    trained anew on all four folds up to that epoch, so both protocols have as many training clips.
    "last" chooses nothing. Of equal epochs the first is taken. Recordings stay in one fold.
    Parameters and result as for ``segment_split``; ``n_epochs`` is the longest training.

    Notebook: 12_leakage_laboratory
    """
    parts = []
    for repeat in range(repeats):
        folds = stratified_group_kfold(data.sources, data.targets, repeat)
        correct = {protocol: np.zeros(len(folds), bool) for protocol in ("leaky", "clean", "last")}
        for fold in range(FOLDS):
            curve = learning_curve(data, folds, fold, (), repeat, n_epochs)
            inner = learning_curve(data, folds, (fold + 1) % FOLDS, [fold], repeat, n_epochs)
            epochs = {"leaky": curve.mean(axis=1).argmax(), "clean": inner.mean(axis=1).argmax(),
                      "last": -1}
            for protocol, epoch in epochs.items():
                correct[protocol][folds == fold] = curve[epoch]
        parts += [_rows(data, NETWORK, protocol, repeat, values)
                  for protocol, values in correct.items()]
    return pd.concat(parts, ignore_index=True)


def preprocessors() -> dict[str, BaseEstimator]:
    """New preprocessors by name: two that use no targets, one that does.

    Notebook: 12_leakage_laboratory
    """
    return {"scaling": StandardScaler(),
            "20 components": make_pipeline(StandardScaler(), PCA(20, random_state=0)),
            "10 best numbers": make_pipeline(StandardScaler(), SelectKBest(f_classif, k=10))}


def preprocessing_on_all(data: ClipStatistics, repeats: int = REPEATS) -> pd.DataFrame:
    """Leak 4: a preprocessor fitted to all folds (leaky), or without the test fold (clean).

    The classifier is the nearest neighbour; column ``model`` holds the name of the preprocessor.
    Both protocols share the folds, which keep recordings whole. "10 best numbers" uses the targets
    (analysis of variance), the other two do not. Parameters and result as for ``segment_split``.

    Notebook: 12_leakage_laboratory
    """
    parts, clips, targets = [], data.clips[0], data.targets
    for repeat in range(repeats):
        folds = stratified_group_kfold(data.sources, targets, repeat)
        for name, change in preprocessors().items():
            nearest, cv = KNeighborsClassifier(1), PredefinedSplit(folds)
            predicted = {
                "leaky": cross_val_predict(nearest, change.fit(clips, targets).transform(clips),
                                           targets, cv=cv),
                "clean": cross_val_predict(make_pipeline(change, nearest), clips, targets, cv=cv)}
            parts += [_rows(data, name, protocol, repeat, found == targets)
                      for protocol, found in predicted.items()]
    return pd.concat(parts, ignore_index=True)


def _rows(data, model, protocol, repeat, correct):
    clips = data.table[["clip_id", "source"]]
    return clips.assign(model=model, protocol=protocol, repeat=repeat, correct=correct)


LEAKS = {"segments": segment_split, "clips": clip_split, "epoch": epoch_selection,
         "preparation": preprocessing_on_all, "copies": copy_split}


def run(data: ClipStatistics, repeats: int = REPEATS,
        leaks: Sequence[str] = tuple(LEAKS)) -> pd.DataFrame:
    """Run leaks and count per clip: the table that is committed as evidence.

    Parameters
    ----------
    data : ClipStatistics
    repeats : int
        Number of random splits, with seeds 0 to repeats - 1.
    leaks : sequence of str
        Names of LEAKS.

    Returns
    -------
    pd.DataFrame
        Columns COLUMNS; ``tests`` counts the tests of a clip, ``correct`` its correct predictions.

    Notebook: 12_leakage_laboratory
    """
    long = pd.concat([LEAKS[name](data, repeats).assign(leak=name) for name in leaks])
    counts = long.groupby(COLUMNS[:5], sort=False)["correct"].agg(["size", "sum"]).reset_index()
    return counts.set_axis(COLUMNS, axis=1)


def inflation(counts: pd.DataFrame, against: str = "clean") -> pd.DataFrame:
    """Gain in accuracy of each leak, with a 95 % interval over recordings.

    Repeats are averaged per clip, so the interval is about other recordings, not about other
    splits. For the epoch it is conditional on the epochs chosen.

    Parameters
    ----------
    counts : pd.DataFrame
        Of ``run``.
    against : str
        Protocol to compare with; leaks without it are left out.

    Returns
    -------
    pd.DataFrame
        A row per leak and model: leaky and right (accuracies, 0 to 1); difference, lo, hi (leaky
        minus right, paired by clip); p (two-sided).

    Notebook: 12_leakage_laboratory
    """
    rows, share = [], counts.assign(share=counts["correct"] / counts["tests"])
    for (leak, model), group in share.groupby(["leak", "model"], sort=False):
        wide = group.pivot(index=["clip_id", "source"], columns="protocol", values="share")
        if against not in wide:
            continue
        values = metrics.paired_difference(wide["leaky"].to_numpy(), wide[against].to_numpy(),
                                            wide.index.get_level_values("source"))
        rows.append({"leak": leak, "model": model, "leaky": wide["leaky"].mean(),
                     "right": wide[against].mean(),
                     **dict(zip(("difference", "lo", "hi", "p"), values, strict=True))})
    return pd.DataFrame(rows)


def shared_sources(table: pd.DataFrame, side: str = "fold") -> pd.DataFrame:
    """Audit a split: recordings with clips on more than one side of it.

    Parameters
    ----------
    table : pd.DataFrame
        With a column ``source``.
    side : str
        Column of folds, or of train and test.

    Returns
    -------
    pd.DataFrame
        A row per such recording: source, clips, sides; empty for a clean split.

    Raises
    ------
    ValueError
        For a missing column or an empty cell in it, which would hide a leak.

    Notebook: 12_leakage_laboratory
    """
    for column in ("source", side):
        if column not in table or table[column].isna().any():
            raise ValueError(f"column {column!r}: missing, or empty in some rows")
    found = table.groupby("source")[side].agg(
        clips="size", sides=lambda values: ", ".join(map(str, sorted(values.unique()))))
    found = found[table.groupby("source")[side].nunique() > 1]
    return found.reset_index()
