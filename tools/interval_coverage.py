"""Simulate how often 95 % intervals and 5 % tests are right, and keep it under results/coverage/.

python tools/interval_coverage.py

Each data set has the clips and recordings of ESC-10. A network classifies a clip correctly if the
clip's difficulty is below a threshold, which is set so that the true accuracy is the one wanted.
Difficulties are normal, and correlated between clips of the same recording. A small part of their
variance is the network's own; the rest is shared by all networks. `seed_sd` is the standard
deviation of the networks' true accuracies from seed to seed.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

import acrnn_lib
from acrnn_lib.evaluation import metrics
from acrnn_lib.files import write_bytes
from acrnn_lib.progress import bar

FOLDER = Path("results/coverage")
DATA_SETS, DRAWS = 2000, 10000
OWN = 0.05  # then two networks disagree on 4 % of the clips at 90 %, as two seeds do in results/
ROWS = [dict(zip(("accuracy", "correlation", "seeds", "seed_sd"), values, strict=True))
        for values in product((0.70, 0.90, 0.95), (0.3, 0.6), (1, 3), (0.0, 0.01))]
CLIPS = pd.read_csv(Path(acrnn_lib.__file__).parent / "assets" / "esc10.csv", dtype=str)
RECORDING = CLIPS.groupby("source", sort=False).ngroup().to_numpy()
SIZES = np.bincount(RECORDING)


def generator(*key):
    """Random numbers of one row, whichever rows are made before it."""
    return np.random.default_rng([round(1000 * value) for value in key])


def simulate(rng, data_sets, networks, accuracy, correlation, seed_sd):
    """Correctness of networks on simulated data sets, bool (data_sets, networks, clips)."""
    def difficulty(networks):
        of_recordings = rng.normal(size=(data_sets, networks, len(SIZES)))[..., RECORDING]
        of_clips = rng.normal(size=(data_sets, networks, len(RECORDING)))
        return np.sqrt(correlation) * of_recordings + np.sqrt(1 - correlation) * of_clips

    total = np.sqrt(1 - OWN) * difficulty(1) + np.sqrt(OWN) * difficulty(networks)
    middle = norm.ppf(accuracy)
    shift = seed_sd / norm.pdf(middle)
    shifts = shift * rng.normal(size=(data_sets, networks, 1))
    return total < middle * np.sqrt(1 + shift**2) + shifts


def bootstrapped(shares, rng, draws=DRAWS):
    """Percentile and BCa intervals over recordings of each row of (data_sets, clips) shares."""
    sums = np.stack([np.bincount(RECORDING, weights=share) for share in shares])
    weights = rng.multinomial(len(SIZES), np.full(len(SIZES), 1 / len(SIZES)), draws).astype(float)
    percentile, bca = [], []
    for block in np.array_split(sums, -(-len(sums) // 100)):  # so that memory stays small
        for values, drawn in zip(block, np.sort(block @ weights.T / (weights @ SIZES)),
                                 strict=True):
            percentile.append(np.quantile(drawn, [0.025, 0.975]))
            bca.append(np.quantile(drawn, bca_levels(values, drawn)))
    return np.array(percentile), np.array(bca)


def bca_levels(sums, drawn):
    """The two quantiles of sorted bootstrap draws that BCa takes (Efron 1987)."""
    n, mean = SIZES.sum(), sums.sum() / SIZES.sum()
    below = np.searchsorted(drawn, mean + np.array([-1e-9, 1e-9])).mean() / len(drawn)
    bias = norm.ppf(np.clip(below, 1e-4, 1 - 1e-4))
    left_out = (sums.sum() - sums) / (n - SIZES)
    skew = left_out.mean() - left_out
    acceleration = (skew**3).sum() / max(6 * (skew**2).sum() ** 1.5, 1e-30)
    shifted = bias + norm.ppf([0.025, 0.975])
    return norm.cdf(bias + shifted / (1 - acceleration * shifted))


def intervals(data_sets, seeds, **truth):
    """How often each kind of interval holds the true accuracy: one record per method."""
    rng = generator(seeds, *truth.values())
    right = simulate(rng, data_sets, seeds, **truth)
    shares, source = right.mean(axis=1), CLIPS.source.to_numpy()
    percentile, bca = bootstrapped(shares, rng)
    found = {
        "percentile bootstrap over recordings": percentile,
        "BCa bootstrap over recordings": bca,
        "Wilson, clips as independent": [metrics.wilson(k, len(source)) for k in shares.sum(1)],
        "Wilson, effective number of clips": [
            metrics.accuracy_interval(correct, source)[1:] for correct in right]}
    for method, (low, high) in ((name, np.transpose(ends)) for name, ends in found.items()):
        above, below = np.mean(low > truth["accuracy"]), np.mean(high < truth["accuracy"])
        yield {"method": method, "holds": 1 - above - below, "low_end_above": above,
               "high_end_below": below, "width": np.mean(high - low)}


def pairs(data_sets, seeds, **truth):
    """How often `paired_difference` calls two equally accurate systems different at 5 %."""
    right = simulate(generator(2, seeds, *truth.values()), data_sets, 2 * seeds, **truth)
    source = CLIPS.source.to_numpy()
    p = [metrics.paired_difference(both[:seeds], both[seeds:], source)[3] for both in right]
    yield {"false_alarms": np.mean(np.array(p) <= 0.05)}


def table(measure, rows=ROWS, data_sets=DATA_SETS):
    shown = bar(rows, label=measure.__name__, total=len(rows), unit="row")
    found = [row | record for row in shown for record in measure(data_sets, **row)]
    return pd.DataFrame(found).round(4)


def main(folder=FOLDER, **settings):
    for measure in (pairs, intervals):
        text = table(measure, **settings).to_csv(index=False, lineterminator="\n")
        write_bytes(Path(folder) / f"{measure.__name__}.csv", text.encode())


if __name__ == "__main__":
    main()
