"""The simulation behind results/coverage/, and what the committed numbers say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ..tools import tool

COVERAGE = Path(__file__).parents[2] / "results" / "coverage"
KIT, EARLIER = "Wilson, effective number of clips", "percentile bootstrap over recordings"


@pytest.fixture(scope="module")
def simulation():
    return tool("interval_coverage")


@pytest.fixture(scope="module")
def committed():
    return {name: pd.read_csv(COVERAGE / f"{name}.csv") for name in ("intervals", "pairs")}


def test_simulated_clips_have_the_accuracy_and_correlation_asked_for(simulation):
    right = simulation.simulate(np.random.default_rng(0), 2000, 2, 0.9, 0.6, 0.02)
    assert right.shape == (2000, 2, 400)
    assert right.mean() == pytest.approx(0.9, abs=0.002)
    by_clip = right[:, 0].mean(axis=0)
    assert by_clip.std() < 0.01  # no clip is harder than another in all data sets
    first = np.flatnonzero(np.diff(simulation.RECORDING) == 0)  # neighbours of one recording

    def phi(a, b):
        return np.corrcoef(right[:, a, first].ravel(), right[:, b, first + 1].ravel())[0, 1]

    both = stats.multivariate_normal.cdf([stats.norm.ppf(0.9)] * 2, cov=[[1, 0.6], [0.6, 1]])
    assert phi(0, 0) == pytest.approx((both - 0.81) / 0.09, abs=0.03)
    assert 0.8 * phi(0, 0) < phi(0, 1) < phi(0, 0)


def test_a_networks_accuracy_scatters_as_asked(simulation):
    for seed_sd in (0, 0.01):
        right = simulation.simulate(np.random.default_rng(1), 1000, 2, 0.9, 0, seed_sd)
        apart = right[:, 0].mean(axis=1) - right[:, 1].mean(axis=1)
        chance = (right[:, 0] != right[:, 1]).mean() / 400  # of an apart, without seeds' effect
        assert np.sqrt(max(0, apart.var() - chance) / 2) == pytest.approx(seed_sd, abs=0.0025)


def test_bootstrapped_intervals_equal_scipys(simulation):
    correct = simulation.simulate(np.random.default_rng(2), 3, 1, 0.9, 0.6, 0)[:, 0]
    ours = simulation.bootstrapped(correct.astype(float), np.random.default_rng(3), 20000)
    for k, share in enumerate(correct):
        sums = np.bincount(simulation.RECORDING, weights=share)
        for method, found in zip(("percentile", "BCa"), ours, strict=True):
            theirs = stats.bootstrap(
                (sums, simulation.SIZES), lambda y, m, axis: y.sum(axis) / m.sum(axis), paired=True,
                method=method, n_resamples=20000, rng=np.random.default_rng(4))
            assert found[k] == pytest.approx(theirs.confidence_interval, abs=0.002)


def test_a_few_data_sets_make_both_tables(simulation, tmp_path, committed):
    simulation.main(tmp_path, rows=simulation.ROWS[:2], data_sets=5)
    for name, table in committed.items():
        found = pd.read_csv(tmp_path / f"{name}.csv")
        shared = [c for c in table if c not in ("holds", "low_end_above", "high_end_below", "width",
                                                "false_alarms")]
        pd.testing.assert_frame_equal(found[shared], table[shared].head(len(found)))
        assert (5 * found.filter(regex="holds|above|below|alarms") % 1 == 0).all(axis=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["intervals", "pairs"])
def test_the_committed_tables_come_from_the_tool(simulation, committed, name):
    chosen = simulation.ROWS[9]  # whichever rows are made before it
    found = simulation.table(getattr(simulation, name), [chosen])
    kept = committed[name]
    kept = kept[(kept[list(chosen)] == pd.Series(chosen)).all(axis=1)].reset_index(drop=True)
    assert len(kept) == len(found) > 0
    # another processor may round another way: one data set of 2,000
    pd.testing.assert_frame_equal(found, kept, rtol=0, atol=0.00051)


def test_the_kits_interval_holds_the_truth_where_it_covers_all_that_varies(committed):
    table = committed["intervals"]
    assert len(table) == 4 * len(committed["pairs"]) == 96
    covered = table[(table.seeds > 1) | (table.seed_sd == 0)]
    kit = covered[covered.method == KIT]
    assert kit.holds.between(0.94, 0.97).all()
    assert kit[["low_end_above", "high_end_below"]].max(axis=None) < 0.036
    earlier = covered[(covered.method == EARLIER) & (covered.accuracy == 0.95)]
    assert (earlier.low_end_above > 0.04).all()
    alone = table[(table.seeds == 1) & (table.seed_sd > 0)]
    assert (alone.groupby(["accuracy", "correlation"]).holds.max() < 0.94).all()


def test_the_paired_test_keeps_its_level_where_seeds_are_no_part_or_repeated(committed):
    pairs = committed["pairs"]
    assert (pairs.false_alarms[(pairs.seeds > 1) | (pairs.seed_sd == 0)] < 0.06).all()
    assert (pairs.false_alarms[(pairs.seeds == 1) & (pairs.seed_sd > 0)] > 0.1).all()
