"""Five ways to fool oneself, each beside the right protocol, so that the gain can be measured.

Both protocols of a pair use the same models, the same settings and as many clips to learn from;
they differ in who may see what. The models are cheap ones on statistics of log-gammatone energies:
what leaks is the protocol's doing, not theirs. Nothing of this room is used to train the networks.

Notebook: 12_leakage_laboratory
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..evaluation import metrics
from ..features.segments import Segments
from ..training.loop import stable_seed

FOLDS, REPEATS = 5, 5
GROUP = 4  # bands averaged into one, so that a clip is described by a few hundred numbers at most
EPOCHS = 60  # of the small network when its epoch is to be chosen
NEIGHBOUR, LINEAR, NETWORK = "nearest neighbour", "linear", "small network"
COLUMNS = ["leak", "model", "protocol", "clip_id", "source", "tests", "correct"]


@dataclass(frozen=True)
class Described:
    """Clips as statistics. Notebook: 12_leakage_laboratory

    table : clip table; clips : list of (n, d) float32, the clips themselves and then each of their
    augmented copies; segments : (S, d) of the clips themselves; owner : (S,) int, row of its clip.
    """

    table: pd.DataFrame
    clips: list
    segments: np.ndarray
    owner: np.ndarray

    @property
    def targets(self):
        return self.table["target"].to_numpy()

    @property
    def sources(self):
        return self.table["source"].to_numpy()


def describe(static):
    """Mean, deviation and 10th, 50th and 90th percentile over frames, in groups of GROUP bands.

    static : (..., n_bands, frames) log energies. Returns float32 (..., 5 n_bands / GROUP).
    Notebook: 12_leakage_laboratory
    """
    static = np.asarray(static, np.float32)
    bands = static.reshape(*static.shape[:-2], -1, GROUP, static.shape[-1]).mean(-2)
    over = bands.mean(-1), bands.std(-1), *np.percentile(bands, [10, 50, 90], axis=-1)
    return np.concatenate(over, axis=-1).astype(np.float32)


def prepare(table, copies, config, block=64):
    """Describe all clips, their copies, and the audible segments of the clips themselves.

    table : clip table; copies : what ``store.load`` returns for it; config : FeatureConfig
    Returns Described. Raises ValueError when table and copies do not fit.
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
    return Described(table.reset_index(drop=True), clips, np.concatenate(parts), drawn[:, 0])


def deal(units, targets, seed, folds=FOLDS):
    """Deal rows into random folds of about equal size and class shares; a unit stays in one piece.

    units : (n,), what may not be torn apart: row numbers, clips or recordings; targets : (n,) int
    Returns (n,) int, 0 ... folds - 1. The largest units of a class are dealt first, each into its
    emptiest fold, else late large ones would make the folds uneven. A unit with rows of several
    classes is dealt with the class of its first row. Raises ValueError for fewer units than folds.
    Notebook: 12_leakage_laboratory
    """
    rng, targets = np.random.default_rng(seed), np.asarray(targets)
    names, first, member, sizes = np.unique(np.asarray(units), return_index=True,
                                            return_inverse=True, return_counts=True)
    if len(names) < folds:
        raise ValueError(f"{len(names)} units cannot be dealt into {folds} folds")
    fold_of = np.empty(len(names), int)
    for target in np.unique(targets[first]):
        of_class = rng.permutation(np.flatnonzero(targets[first] == target))
        filled, order = np.zeros(folds, int), rng.permutation(folds)
        for unit in of_class[np.argsort(-sizes[of_class], kind="stable")]:
            fold_of[unit] = order[filled[order].argmin()]
            filled[fold_of[unit]] += sizes[unit]
    return fold_of[member]


class SmallNetwork:
    """One hidden layer, Adam, batches of 64: remembers more than a line, less than a deep network.

    Normalises by what it learns from. ``fit`` and ``predict_proba`` as in scikit-learn;
    ``epochs`` trains and yields itself after each epoch. Written out in NumPy: at this size a
    library spends its time on calls, and hundreds of these are trained.
    Source: Kingma and Ba 2015 (Adam). Notebook: 12_leakage_laboratory
    """

    def __init__(self, seed=0, hidden=64, n_epochs=40, rate=3e-3):
        self.seed, self.hidden, self.n_epochs, self.rate = seed, hidden, n_epochs, rate

    def fit(self, inputs, targets):
        for _ in self.epochs(inputs, targets, self.n_epochs):
            pass
        return self

    def epochs(self, inputs, targets, n_epochs):
        self.scaler = StandardScaler().fit(inputs)
        self.classes_, named = np.unique(targets, return_inverse=True)
        x, answers = self._scaled(inputs), np.eye(len(self.classes_), dtype=np.float32)[named]
        rng = np.random.default_rng(self.seed)
        shapes = ((x.shape[1], self.hidden), (self.hidden, len(self.classes_)))
        self.weights = [(rng.normal(0, 1, shape) / shape[0] ** 0.5).astype(np.float32)
                        for shape in shapes]
        self.biases = [np.zeros(shape[1], np.float32) for shape in shapes]
        parts = [*self.weights, *self.biases]
        first, second = ([np.zeros_like(part) for part in parts] for _ in range(2))
        step = 0
        for _ in range(n_epochs):
            order = rng.permutation(len(x))
            for batch in np.array_split(order, -(-len(order) // 64)):
                step += 1
                for part, slope, mean, square in zip(
                        parts, self._slopes(x[batch], answers[batch]), first, second, strict=True):
                    mean += 0.1 * (slope - mean)
                    square += 0.001 * (slope * slope - square)
                    part -= (self.rate / (1 - 0.9**step)) * mean / (
                        np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            yield self

    def _slopes(self, x, answers):
        """Gradients of the mean cross-entropy by the weights and biases, in their order."""
        heard, chances = self._pass(x)
        error = (chances - answers) / len(x)
        back = (error @ self.weights[1].T) * (heard > 0)
        return x.T @ back, heard.T @ error, back.sum(0), error.sum(0)

    def _scaled(self, inputs):
        return self.scaler.transform(inputs).astype(np.float32)

    def _pass(self, x):
        heard = np.maximum(x @ self.weights[0] + self.biases[0], 0)
        return heard, softmax(heard @ self.weights[1] + self.biases[1], axis=1)

    def predict_proba(self, inputs):
        return self._pass(self._scaled(inputs))[1]

    def predict(self, inputs):
        return self.classes_[self.predict_proba(inputs).argmax(axis=1)]


def models(seed=0):
    """{name: a new model}, from one that remembers every example to one that cannot.

    Notebook: 12_leakage_laboratory
    """
    return {NEIGHBOUR: make_pipeline(StandardScaler(), KNeighborsClassifier(1)),
            NETWORK: SmallNetwork(seed),
            LINEAR: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)}


def out_of_fold(name, inputs, targets, folds, tested=None, seed=0):
    """Probabilities (n, C) float64 of every tested row, by a model that learnt the other folds.

    name : one of ``models``; tested : (n,) bool, by default all; the other rows stay zero
    Notebook: 12_leakage_laboratory
    """
    chances = np.zeros((len(targets), targets.max() + 1))
    tested = np.ones(len(targets), bool) if tested is None else tested
    for fold in np.unique(folds[tested]):
        now = (folds == fold) & tested
        model = models(stable_seed(seed, int(fold)) % 2**31)[name]
        model.fit(inputs[folds != fold], targets[folds != fold])
        chances[np.ix_(now, model.classes_)] = model.predict_proba(inputs[now])
    return chances


def segments_dealt(data, repeats=REPEATS):
    """Leak 1: segments dealt into folds singly (leaky), or with their whole recording (clean).

    data : Described. The segments of a clip vote, each judged by the model that did not see it.
    Returns a row per model, protocol, repeat and clip: model, protocol, repeat, clip_id, source,
    correct (bool). Notebook: 12_leakage_laboratory
    """
    targets, rows = data.targets[data.owner], []
    for repeat in range(repeats):
        dealt = {"leaky": deal(np.arange(len(targets)), targets, repeat),
                 "clean": deal(data.sources, data.targets, repeat)[data.owner]}
        for name in models():
            for protocol, folds in dealt.items():
                chances = out_of_fold(name, data.segments, targets, folds, seed=repeat)
                voted = metrics.vote(chances, data.owner).argmax(axis=1)
                rows.append(_marks(data, name, protocol, repeat, voted))
    return pd.concat(rows, ignore_index=True)


def clips_dealt(data, repeats=REPEATS):
    """Leak 2: clips dealt singly (leaky), or with all clips of their recording (clean).

    Arguments and result as for ``segments_dealt``. Notebook: 12_leakage_laboratory
    """
    rows, clips = [], data.clips[0]
    for repeat in range(repeats):
        dealt = {"leaky": deal(np.arange(len(clips)), data.targets, repeat),
                 "clean": deal(data.sources, data.targets, repeat)}
        for name in models():
            for protocol, folds in dealt.items():
                chances = out_of_fold(name, clips, data.targets, folds, seed=repeat)
                rows.append(_marks(data, name, protocol, repeat, chances.argmax(axis=1)))
    return pd.concat(rows, ignore_index=True)


def learning_curve(data, folds, fold, left_out=(), seed=0, n_epochs=EPOCHS):
    """Right or wrong on one fold after each epoch of the small network: bool (n_epochs, clips).

    folds : (n,) int; left_out : further folds that it must not learn from
    Notebook: 12_leakage_laboratory
    """
    tested, learnt = folds == fold, ~np.isin(folds, [fold, *left_out])
    network = SmallNetwork(stable_seed(seed, fold) % 2**31)
    clips = data.clips[0]
    return np.array([now.predict(clips[tested]) == data.targets[tested] for now in
                     network.epochs(clips[learnt], data.targets[learnt], n_epochs)])


def epoch_chosen(data, repeats=REPEATS, n_epochs=EPOCHS):
    """Leak 3: the epoch with the best accuracy on the test fold (leaky), or on an inner fold.

    For "clean" the next fold is left out of training, the epoch chosen there, and the network
    trained anew on all four folds up to that epoch; so it learns from as many clips as the leaky
    one. "last" chooses nothing. The first of equal epochs counts. All deals keep recordings whole.
    Arguments and result as for ``segments_dealt``. Notebook: 12_leakage_laboratory
    """
    rows = []
    for repeat in range(repeats):
        folds = deal(data.sources, data.targets, repeat)
        marks = {protocol: np.zeros(len(folds), bool) for protocol in ("leaky", "clean", "last")}
        for fold in range(FOLDS):
            curve = learning_curve(data, folds, fold, (), repeat, n_epochs)
            inner = learning_curve(data, folds, (fold + 1) % FOLDS, [fold], repeat, n_epochs)
            epochs = {"leaky": curve.mean(axis=1).argmax(), "clean": inner.mean(axis=1).argmax(),
                      "last": -1}
            for protocol, epoch in epochs.items():
                marks[protocol][folds == fold] = curve[epoch]
        rows += [_rows(data, NETWORK, protocol, repeat, correct)
                 for protocol, correct in marks.items()]
    return pd.concat(rows, ignore_index=True)


def preparations():
    """{name: a new preparation of the inputs}: two that see no names, one that sees them.

    Notebook: 12_leakage_laboratory
    """
    return {"scaling": StandardScaler(),
            "20 components": make_pipeline(StandardScaler(), PCA(20, random_state=0)),
            "10 best numbers": make_pipeline(StandardScaler(), SelectKBest(f_classif, k=10))}


def prepared_together(data, repeats=REPEATS):
    """Leak 4: inputs scaled, reduced or selected with the test fold (leaky), or without it (clean).

    A nearest neighbour decides; the name of the preparation stands in its place as ``model``. Both
    protocols share the folds, which keep recordings whole; "10 best numbers" looks at the names of
    the classes (analysis of variance), the other two do not.
    Arguments and result as for ``segments_dealt``. Notebook: 12_leakage_laboratory
    """
    rows, clips, targets = [], data.clips[0], data.targets
    for repeat in range(repeats):
        folds = deal(data.sources, targets, repeat)
        for name in preparations():
            for protocol in ("leaky", "clean"):
                found = np.empty(len(targets), int)
                for fold in range(FOLDS):
                    learnt = folds != fold
                    seen = learnt if protocol == "clean" else np.ones(len(folds), bool)
                    change = preparations()[name].fit(clips[seen], targets[seen])
                    model = KNeighborsClassifier(1).fit(change.transform(clips[learnt]),
                                                        targets[learnt])
                    found[~learnt] = model.predict(change.transform(clips[~learnt]))
                rows.append(_marks(data, name, protocol, repeat, found))
    return pd.concat(rows, ignore_index=True)


def copies_dealt(data, repeats=REPEATS):
    """Leak 5: clips and their augmented copies dealt singly (leaky), or with their recording.

    Models learn from clips and copies of four folds; tested are the clips themselves, so that both
    protocols are asked the same. Raises ValueError where there are no copies.
    Arguments and result as for ``segments_dealt``. Notebook: 12_leakage_laboratory
    """
    n, times = len(data.table), len(data.clips)
    if times < 2:
        raise ValueError("no augmented copies: found 1 version of each clip, expected at least 2")
    inputs, targets = np.concatenate(data.clips), np.tile(data.targets, times)
    rows, original = [], np.arange(n * times) < n
    for repeat in range(repeats):
        dealt = {"leaky": deal(np.arange(n * times), targets, repeat),
                 "clean": np.tile(deal(data.sources, data.targets, repeat), times)}
        for name in models():
            for protocol, folds in dealt.items():
                chances = out_of_fold(name, inputs, targets, folds, original, repeat)[:n]
                rows.append(_marks(data, name, protocol, repeat, chances.argmax(axis=1)))
    return pd.concat(rows, ignore_index=True)


def _marks(data, model, protocol, repeat, predicted):
    return _rows(data, model, protocol, repeat, predicted == data.targets)


def _rows(data, model, protocol, repeat, correct):
    clips = data.table[["clip_id", "source"]]
    return clips.assign(model=model, protocol=protocol, repeat=repeat, correct=correct)


LEAKS = {"segments": segments_dealt, "clips": clips_dealt, "epoch": epoch_chosen,
         "preparation": prepared_together, "copies": copies_dealt}


def run(data, repeats=REPEATS, leaks=tuple(LEAKS)):
    """All leaks, counted per clip: the table that is kept as evidence.

    data : Described; repeats : random deals, seeds 0 ... repeats - 1; leaks : names of LEAKS
    Returns COLUMNS; ``tests`` says how often the clip was tested, ``correct`` how often rightly.
    Notebook: 12_leakage_laboratory
    """
    long = pd.concat([LEAKS[name](data, repeats).assign(leak=name) for name in leaks])
    counts = long.groupby(COLUMNS[:5], sort=False)["correct"].agg(["size", "sum"]).reset_index()
    return counts.set_axis(COLUMNS, axis=1)


def inflation(counts, against="clean"):
    """What each leak buys: a row per leak and model of ``run``'s table.

    leaky, right : accuracies, shares; difference, lo, hi : leaky minus right, paired by clip, with
    its 95 % interval bootstrapped over recordings; p : two-sided. Repeats are averaged per clip, so
    the interval is about other recordings, not about other deals. For the epoch it is conditional
    on the epochs chosen. Leaks without the protocol ``against`` are left out.
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


def torn_sources(table, side="fold"):
    """The audit: recordings with clips on more than one side of a split.

    table : any DataFrame with columns ``source`` and ``side``: folds, or train and test
    Returns a row per such recording: source, clips, sides; none for a sound split.
    Raises ValueError for a missing column or an empty source, which would hide a leak.
    Notebook: 12_leakage_laboratory
    """
    for column in ("source", side):
        if column not in table or table[column].isna().any():
            raise ValueError(f"column {column!r}: missing, or empty in some rows")
    found = table.groupby("source")[side].agg(
        clips="size", sides=lambda values: ", ".join(map(str, sorted(values.unique()))))
    found = found[table.groupby("source")[side].nunique() > 1]
    return found.reset_index()
