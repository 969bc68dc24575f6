"""Tables against numbers counted by hand, and what happens when evidence was touched."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from acrnn_lib.evaluation import claims, confusions, metrics, recalls, results, tables
from acrnn_lib.evaluation.results import ResultsError
from acrnn_lib.experiments import EXPERIMENTS
from acrnn_lib.kit import recount
from acrnn_lib.models.summary import layer_table


def make(root, experiment, fold, wrong=(), seed=0, n=4, profile="lite", dataset="esc10",
         **manifest):
    """A run over n clips of two classes; `wrong` names the rows that it gets wrong."""
    target = np.arange(n) % 2
    said = np.where(np.isin(np.arange(n), wrong), 1 - target, target)
    table = pd.DataFrame({
        "filename": [f"{fold}-{i}-A.ogg" for i in range(n)],
        "clip_id": [f"{fold}-{fold}{i // 2}-{'AB'[i % 2]}" for i in range(n)], "fold": fold,
        "target": target, "p_0": 0.8 - 0.6 * said, "p_1": 0.2 + 0.6 * said,
    })
    manifest = {"config_hash": experiment, "config": {"train": {"epochs": 30}},
                "wall_seconds": 120, "parameters": 3806, "classes": ["dog", "rain"], **manifest}
    folder = results.run_folder(root, dataset, profile, experiment, seed, fold)
    results.append_history(folder, {"epoch": 1, "loss": 1.0})
    return results.write(folder, table, manifest)


@pytest.fixture
def root(tmp_path):
    """acrnn: 17 and 19 of 20 right under two seeds; crnn: 14 of 20; acrnn-noaug: two folds."""
    root = tmp_path / "results"
    for fold in range(1, 6):
        make(root, "acrnn", fold, wrong=[0, 1, 2] if fold == 1 else [])
        make(root, "acrnn", fold, wrong=[0] if fold == 1 else [], seed=1)
        make(root, "crnn", fold, wrong=[0, 1, 3] if fold < 3 else [])
    make(root, "acrnn-noaug", 1, wrong=[3])
    make(root, "acrnn-noaug", 2)
    return root


def row(table, experiment):
    (found,) = table[table["experiment"] == experiment].to_dict("records")
    return found


def test_the_ledger_names_the_code_that_ran(tmp_path):
    for fold, (commit, dirty) in enumerate([("ab" * 20, False), ("cd" * 20, True)] * 2, 1):
        make(tmp_path, "acrnn", fold, git_commit=commit, git_dirty=dirty)
    (found,) = claims.ledger(results.load(tmp_path)).query("profile != ''").to_dict("records")
    assert found["code"] == "abababa, cdcdcdc+"


def test_summary_of_hand_counted_runs(root):
    table = tables.summary(results.load(root))
    acrnn, crnn = row(table, "acrnn"), row(table, "crnn")
    assert acrnn["accuracy"] == pytest.approx((17 + 19) / 40)
    assert (acrnn["seeds"], acrnn["folds"], acrnn["clips"]) == (2, 5, 20)
    assert acrnn["fold_std"] == pytest.approx(np.std([0.5, 1, 1, 1, 1], ddof=1))
    assert (acrnn["epochs"], acrnn["minutes"], acrnn["parameters"]) == (30, 10, 3806)
    assert acrnn["coverage"] == "complete"
    assert crnn["accuracy"] == pytest.approx(14 / 20)
    correct = np.tile([False, False, True, False], 2).tolist() + [True] * 12
    source = [f"{fold}{i // 2}" for fold in range(1, 6) for i in range(4)]
    expected = metrics.accuracy_interval(correct, source)
    assert (crnn["accuracy"], crnn["lo"], crnn["hi"]) == pytest.approx(expected)


def test_missing_folds_are_named_and_never_averaged_as_complete(root):
    noaug = row(tables.summary(results.load(root)), "acrnn-noaug")
    assert (noaug["folds"], noaug["clips"], noaug["accuracy"]) == (2, 8, 7 / 8)
    assert noaug["coverage"] == "only folds 1,2"
    shutil.rmtree(results.run_folder(root, "esc10", "lite", "acrnn", 1, 4))
    runs = results.load(root)
    acrnn = row(tables.summary(runs), "acrnn")
    assert (acrnn["seeds"], acrnn["accuracy"]) == (1, 17 / 20)
    assert acrnn["coverage"] == "seed 1 left out: only folds 1,2,3,5"
    assert "only folds 1,2" in tables.as_text(runs)
    assert confusions.confusion(results.load(root, experiment="acrnn")).to_numpy().sum() == 20
    assert "acrnn-noaug (only folds 1,2)" in recalls.recall(runs)


def test_a_manifest_that_says_little_leaves_blanks(tmp_path):
    for fold in range(1, 6):
        run = make(tmp_path, "acrnn", fold)
        path = run.folder / "manifest.json"
        manifest = json.loads(path.read_text())
        for name in ("config", "wall_seconds", "parameters", "classes"):
            del manifest[name]
        path.write_text(json.dumps(manifest))
    runs = results.load(tmp_path)
    found = row(tables.summary(runs), "acrnn")
    assert pd.isna([found["epochs"], found["minutes"], found["parameters"]]).all()
    assert "nan" not in tables.as_text(runs).lower()
    assert list(confusions.confusion(runs).index) == [0, 1]


def test_seeds_that_tested_other_clips_are_refused(root):
    make(root, "cnn", 1)
    make(root, "cnn", 1, seed=1, n=6)
    with pytest.raises(ResultsError, match="cnn: the seeds were tested on other clips"):
        tables.summary(results.load(root))


def test_json_has_exactly_the_promised_keys(root):
    found = json.loads(tables.as_json(results.load(root)))
    assert list(found) == ["runs"]
    first = found["runs"][0]
    assert list(first) == ["dataset", "profile", "experiment", "seeds", "folds", "clips",
                           "accuracy", "interval"]
    assert first | {"interval": None} == {
        "dataset": "esc10", "profile": "lite", "experiment": "acrnn", "seeds": 2, "folds": 5,
        "clips": 20, "accuracy": 0.9, "interval": None}
    assert first["interval"][0] <= 0.9 <= first["interval"][1]


def test_compare_hand_counted_pairs(root):
    (found,) = tables.compare(results.load(root), "acrnn", "crnn").to_dict("records")
    assert found["difference"] == pytest.approx(0.9 - 0.7)
    assert (found["seeds_a"], found["seeds_b"], found["clips"]) == (2, 1, 20)
    # seed 0: fold 1 acrnn wrong 0,1,2 and crnn wrong 0,1,3; fold 2 crnn alone wrong at three
    assert found["mcnemar"] == "seed 0: 4 to 1, p = 0.375"
    # seed 1 of acrnn is wrong at 0 alone, as crnn is: it wins 5 more clips and loses none
    assert found["cohens_g"] == pytest.approx(9 / 10 - 0.5)
    back = tables.compare(results.load(root), "crnn", "acrnn").iloc[0]
    assert back["difference"] == pytest.approx(-found["difference"])
    part = tables.compare(results.load(root), "acrnn", "acrnn-noaug").iloc[0]
    assert part["clips"] == 8
    assert part["coverage"] == "acrnn: complete; acrnn-noaug: only folds 1,2"
    with pytest.raises(ResultsError, match="no complete runs of cnn"):
        tables.compare(results.load(root), "acrnn", "cnn")


def test_a_difference_asks_for_nothing_but_common_clips(root):
    make(root, "acrnn", 2, wrong=[0, 1], profile="paper")
    make(root, "acrnn", 2, wrong=[1, 2], profile="paper", seed=1)
    make(root, "acrnn", 1, wrong=[0, 1, 2, 3], profile="paper", seed=1)  # the other seed lacks it
    make(root, "acrnn", 2, wrong=[3], profile="smoke")
    lite, paper, smoke = (results.load(root, experiment="acrnn", profile=name)
                          for name in ("lite", "paper", "smoke"))
    found = tables.difference(paper, lite)  # of paper seed 1, which has most folds
    assert found["clips"] == 8
    assert found["difference"] == pytest.approx(2 / 8 - (5 / 8 + 7 / 8) / 2)
    assert tables.difference(smoke, lite)["difference"] == pytest.approx(3 / 4 - 1)
    (row_of_both,) = tables.compare(results.load(root, profile="lite"), "acrnn", "crnn").to_dict(
        "records")
    crnn = results.load(root, experiment="crnn")
    assert tables.difference(lite, crnn).items() <= row_of_both.items()
    with pytest.raises(ResultsError, match="esc10/lite: acrnn and acrnn have no test clip in com"):
        tables.difference([run for run in lite if run.fold == 3], smoke)


def test_comparisons_are_corrected_over_each_table(root):
    table = tables.comparisons(results.load(root))
    pairs = [tuple(row) for row in table[["table", "a", "b"]].to_numpy()]
    assert pairs == [
        ("model settings", "acrnn", "crnn"), ("model settings", "acrnn", "acrnn-noaug"),
        ("attention placement", "acrnn", "crnn"), ("attention scaling", "acrnn", "crnn")]
    settings, alone = table[:2], table[2:]
    assert settings["p_holm"].tolist() == metrics.holm(settings["p"]).tolist()
    assert alone["p_holm"].tolist() == alone["p"].tolist(), "one question needs no correction"
    assert tables.comparisons(results.load(root, experiment="crnn")).empty


def test_every_pair_belongs_to_its_table():
    for title, pairs in tables.PAIRS.items():
        assert {name for pair in pairs for name in pair} == set(claims.TABLES[title])


def test_the_effect_size_has_the_sign_of_the_difference():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = (pd.Series(rng.integers(0, 2, (k, 30)).mean(axis=0)) for k in (3, 2))
        found, difference = tables._discord(a, b), round((a - b).mean(), 9)
        assert np.sign(round(found["cohens_g"], 9)) == np.sign(difference)
        assert 2 * found["cohens_g"] * found["disagree"] == pytest.approx(difference)


def test_pairs_are_told_in_points(root):
    table = tables.comparisons(results.load(root))
    shown = tables.pairs_text(table)
    first, row = table.iloc[0], shown.iloc[0]
    assert row["pair"] == "acrnn minus crnn" and row["clips"] == first["clips"]
    low, high = 100 * first["lo"], 100 * first["hi"]
    expected = f"{100 * first['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"
    assert row["difference in points"] == expected
    assert tables.pairs_text(tables.comparisons(results.load(root, experiment="crnn"))).empty


def test_confusion_and_recall_are_counted_over_seeds(root):
    runs = results.load(root)
    matrix = confusions.confusion([run for run in runs if run.experiment == "acrnn"])
    # seed 0: dog wrong twice (0, 2), rain once (1); seed 1: dog wrong once
    assert matrix.to_numpy().tolist() == [[17, 3], [1, 19]]
    assert list(matrix.columns) == list(matrix.index) == ["dog", "rain"]
    assert recalls.recall(runs)["acrnn"].to_dict() == {"dog": 17 / 20, "rain": 19 / 20}


def test_recall_by_class_of_hand_counted_runs(root):
    table = recalls.recall_by_class(results.load(root))
    dog, rain = table[table["experiment"] == "acrnn"].to_dict("records")
    assert (dog["class"], dog["clips"], dog["recordings"]) == ("dog", 10, 10)
    assert (dog["recall"], rain["recall"]) == (17 / 20, 19 / 20)
    assert (dog["precision"], rain["precision"]) == (17 / 18, 19 / 22)
    right = np.ones((2, 10))
    right[0, :2] = right[1, 0] = 0
    assert (dog["recall"], dog["lo"], dog["hi"]) == pytest.approx(
        metrics.accuracy_interval(right, np.arange(10)))
    noaug = table[table["experiment"] == "acrnn-noaug"]
    assert set(noaug["coverage"]) == {"only folds 1,2"} and noaug["clips"].tolist() == [4, 4]
    assert recalls.recall_by_class([]).empty and "precision" in recalls.recall_by_class([])


def named(root, classes, answers):
    """A run whose clip k is of the class answers[k][0] and taken for answers[k][1], the more surely
    the larger k is; a recording has two clips."""
    n, c = len(answers), len(classes)
    truth, said = (np.array([classes.index(pair[k]) for pair in answers]) for k in (0, 1))
    sure = 0.5 + 0.01 * np.arange(n)[:, None]
    shares = np.where(np.arange(c) == said[:, None], sure, (1 - sure) / (c - 1))
    table = pd.DataFrame({
        "filename": [f"{i}.wav" for i in range(n)],
        "clip_id": [f"1-{i // 2}-{'AB'[i % 2]}" for i in range(n)], "fold": 1, "target": truth,
        **{f"p_{k}": shares[:, k] for k in range(c)}})
    folder = results.run_folder(root, "esc50-16k", "lite", "knn", 0, 1)
    results.append_history(folder, {"epoch": 1, "loss": 1.0})
    return results.write(folder, table, {"config_hash": "k", "classes": classes})


CLASSES = ["rain", "dog", "cow", "kettle"]
ANSWERS = [("dog", "cow"), ("dog", "cow"), ("dog", "rain"), ("dog", "dog"), ("cow", "cow"),
           ("cow", "dog"), ("rain", "rain"), ("rain", "dog"), ("kettle", "kettle"),
           ("kettle", "rain")]


def test_recall_by_family_of_hand_counted_runs(tmp_path):
    table = recalls.recall_by_family([named(tmp_path, CLASSES, ANSWERS)]).set_index("family")
    assert list(table.index) == ["natural", "animals"], "a class of no family is left out"
    animals = table.loc["animals"]
    assert (animals["clips"], animals["recordings"], animals["recall"]) == (6, 3, 2 / 6)
    expected = metrics.accuracy_interval([0, 0, 0, 1, 1, 0], [0, 0, 1, 1, 2, 2])
    assert (animals["recall"], animals["lo"], animals["hi"]) == pytest.approx(expected)
    assert animals["errors_inside"] == 3 / 4 and table["errors_inside"]["natural"] == 0
    right = named(tmp_path / "right", CLASSES, [(name, name) for name in CLASSES])
    assert recalls.recall_by_family([right])["errors_inside"].isna().all()
    empty = recalls.recall_by_family([])
    assert empty.empty and {"family", "recall", "errors_inside"} <= set(empty)


def test_largest_confusions_count_both_directions(tmp_path):
    runs = [named(tmp_path, CLASSES, ANSWERS)]
    table = confusions.largest_confusions(runs)
    assert table.values.tolist() == [
        ["dog", "cow", "animals", "animals", 2, 2 / 4, 1, 1 / 2, 2, "1-0-B", 0.51],
        ["rain", "dog", "natural", "animals", 1, 1 / 2, 1, 1 / 4, 2, "1-3-B", 0.57],
        ["kettle", "rain", "", "natural", 1, 1 / 2, 0, 0, 1, "1-4-B", 0.59]]
    text = confusions.confusions_text(table)
    assert text.families.tolist() == ["animals", "natural and animals", "natural"]
    assert (text.there[1], text.back[1], text["clip"][1]) == ("1 (50.0%)", "1 (25.0%)", "1-3-B")
    assert len(confusions.largest_confusions(runs, most=2)) == 2
    right = named(tmp_path / "right", CLASSES, [(name, name) for name in CLASSES])
    empty = confusions.largest_confusions([right])
    assert empty.empty and list(empty) == list(table)
    assert list(confusions.confusions_text(empty)) == list(text)


def test_published_values_are_shares_with_a_source():
    table = claims.published()
    assert list(table.columns) == ["system", "experiment", "dataset", "accuracy", "rule", "source"]
    rules = {"last epoch", "best epoch on the test fold", "not known", "no epochs"}
    assert set(table.dropna(subset="accuracy")["rule"]) == rules
    assert table["source"].str.len().gt(5).all()
    assert table["accuracy"].dropna().between(0.3, 1).all()
    assert not table.duplicated(["system", "dataset"]).any()
    ours = table.dropna(subset="experiment").set_index(["experiment", "dataset"])["accuracy"]
    assert set(ours.index.get_level_values(0)) <= set(EXPERIMENTS)
    assert ours["acrnn"].to_dict() == {"esc10": 0.937, "esc50": 0.861}


def test_ledger_has_three_columns_and_a_verdict(root):
    make(root, "acrnn-plus", 1)
    table = claims.ledger(results.load(root), results.load(root, experiment="crnn"))
    cells = {(r["dataset"], r["experiment"]): r for r in table.to_dict("records")}
    acrnn, crnn = cells["esc10", "acrnn"], cells["esc10", "crnn"]
    assert acrnn["published"] == "93.7%"
    assert acrnn["committed reference"].startswith("90.0% [")
    assert acrnn["this run"] == "not run"
    assert acrnn["verdict"] == "matched"
    assert crnn["published"] == "not verified"
    assert crnn["this run"] == crnn["committed reference"]
    assert crnn["verdict"] == ""
    assert cells["esc10", "acrnn-plus"]["published"] == "none known"
    assert cells["esc10", "acrnn-noaug"]["verdict"] == ""  # nothing to hold it against
    assert acrnn["folds, seeds, epochs"] == "5, 2, 30" and acrnn["code"] == "?"
    assert cells["esc50", "acrnn"]["verdict"] == "not attempted"
    assert cells["esc10", "att-l4"]["published"] == "not verified"  # printed, but never read
    assert len(claims.ledger([], [])) == len(claims.published().dropna(subset="experiment"))


@pytest.fixture
def copies(tmp_path):
    """acrnn: original with seeds 0 (float32) and 1, copy with 0 and 1; fifty classes: a copy only.

    The copy has one clip more wrong in each fold, with seed 1; with seed 0 it has none right.
    """
    for fold in range(1, 6):
        make(tmp_path, "acrnn", fold, [0], seed=0, precision="float32")
        make(tmp_path, "acrnn", fold, [0], seed=1, precision="bf16")
        for seed, wrong in ((0, [0, 1, 2, 3]), (1, [0, 1])):
            make(tmp_path, "acrnn", fold, wrong, seed=seed, dataset="esc10-16k", precision="bf16")
        make(tmp_path, "acrnn", fold, [0], dataset="esc50-16k")
        make(tmp_path, "crnn", fold, [0], dataset="esc10-16k")
    return results.load(tmp_path)


def test_the_copy_is_compared_on_the_same_clips_seeds_and_precision(copies):
    (found,) = tables.copy_cost(copies).to_dict("records")
    assert found["experiment"] == "acrnn" and found["seeds"] == "1" and found["clips"] == 20
    assert found["difference"] == -0.25 and found["lo"] < -0.25 < found["hi"]
    assert tables.copy_cost([run for run in copies if run.dataset == "esc10"]).empty


def test_a_copy_stands_beside_the_value_of_the_original_with_its_cost(copies):
    table = claims.ledger(copies).set_index(["dataset", "experiment"])
    fifty = table.loc[("esc50-16k", "acrnn")]
    assert fifty["published"] == "86.1% on the original" and fifty["verdict"] == "matched"
    assert fifty[claims.COPY].startswith("-25.0 [") and "(seed 1)" in fifty[claims.COPY]
    assert ("esc50", "acrnn") not in table.index and ("esc50", "crnn") in table.index
    assert table.loc[("esc10", "acrnn"), claims.COPY] == ""
    assert table.loc[("esc10-16k", "crnn"), claims.COPY] == ""  # nothing to compare with
    answers = claims.answers(copies, layer_table())["what came out here"]
    assert "(esc50-16k (16 kHz, 8-bit copy), lite): matched" in answers.iloc[1]


def test_paper_tables_keep_their_order_and_show_what_is_missing(root):
    runs = results.load(root)
    whole = claims.ledger(runs)
    for title, names in claims.TABLES.items():
        table = claims.paper_table(title, whole)
        assert list(dict.fromkeys(table["experiment"])) == list(names)
        assert set(names) <= set(EXPERIMENTS)
        done = {run.experiment for run in runs}
        for row in table.to_dict("records"):
            assert (row["committed reference"] == "not run") == (row["experiment"] not in done)
    with pytest.raises(ValueError, match="did you mean models"):
        claims.paper_table("model", whole)


def test_answers_are_counted_and_say_what_is_missing(root):
    table = claims.answers(results.load(root), layer_table())
    table = table.set_index("claim or question")["what came out here"]
    assert "90.0% [" in table.iloc[0] and "(lite): matched" in table.iloc[0]
    assert table.iloc[1].startswith("not attempted")
    assert table["does attention help, beside the mean over frames?"].startswith(
        "acrnn minus crnn: +20.0 [")
    assert "acrnn minus lstm: not measured yet" in table["GRU or LSTM?"]
    shares = claims.published().query("experiment == 'acrnn'").accuracy
    for share, claim in zip(shares, table.index, strict=False):
        assert f"{share:.1%}".replace("%", " %") in claim, "a number typed twice"
    assert table["it is almost as large without attention"] == "acrnn: 3,806; crnn: 3,806"


def test_register_has_options_a_choice_and_an_effect_that_is_counted(root):
    make(root, "open-vote", 1, wrong=[0])
    table = claims.register(results.load(root)).set_index("detail")
    assert (table.drop(columns=["experiment"]) != "").all(axis=None)
    assert set(table["experiment"]) - {""} <= set(EXPERIMENTS)
    openings = {name for name in EXPERIMENTS if name.startswith("open-")}
    assert openings <= set(table["experiment"]), "an open detail without its row"
    assert table["effect"]["log floor"] == "not measured yet"
    assert "points (lite, 4 clips)" in table["effect"]["vote over segments"]


@pytest.mark.parametrize(("wrong", "paper", "verdict"), [
    ([], 0.5, "exceeded"), ([], 0.95, "matched"), ([0, 1], 0.95, "not matched"),
    ([0], 0.95, "matched")])
def test_verdicts(tmp_path, wrong, paper, verdict, monkeypatch):
    known = claims.published().query("experiment == 'acrnn' and dataset == 'esc10'")
    monkeypatch.setattr(claims, "published", lambda: known.assign(accuracy=paper))
    for fold in range(1, 6):
        make(tmp_path, "acrnn", fold, wrong if fold == 1 or len(wrong) > 1 else [])
    assert (claims.ledger(results.load(tmp_path))["verdict"] == verdict).sum() == 1


def test_rebuild_writes_every_table_and_finds_nothing(root, tmp_path):
    recount.accept(root)
    out = tmp_path / "tables"
    assert recount.rebuild(root, out) == []
    names = {path.stem for path in out.glob("*.csv")}
    assert names == {path.stem for path in out.glob("*.md")} == {
        "accuracies", "claims", "ledger", "ledger_esc10", "ledger_esc10-16k", "ledger_esc50",
        "ledger_esc50-16k", "ledger_code", "copy_cost", "register", "register_page",
        "comparisons", "pairs", "recall_esc10_lite", "published", "costs",
        *(title.replace(" ", "_") for title in claims.TABLES),
        *(f"confusion_esc10_lite_{name}" for name in ("acrnn", "crnn", "acrnn-noaug"))}
    accuracies = pd.read_csv(out / "accuracies.csv")
    assert row(accuracies, "acrnn")["accuracy"] == pytest.approx(0.9)
    text = (out / "confusion_esc10_lite_acrnn.md").read_text()
    assert text.splitlines() == ["| truth | dog | rain |", "| --- | --- | --- |",
                                 "| dog | 17 | 3 |", "| rain | 1 | 19 |"]
    assert "| esc10 | lite | acrnn | 2 | 5 | 20 | 0.9 |" in (out / "accuracies.md").read_text()


def test_rebuild_notices_one_changed_prediction(root, tmp_path):
    recount.accept(root)
    path = results.run_folder(root, "esc10", "lite", "crnn", 0, 4) / "predictions.csv"
    path.write_text(path.read_text().replace("0.800000,0.200000", "0.200000,0.800000", 1))
    problems = recount.rebuild(root, tmp_path / "out")
    assert any("predictions.csv: changed since it was written" in line for line in problems)
    assert any("esc10/lite/crnn/seed0/fold4: found None" in line for line in problems)
    assert row(pd.read_csv(tmp_path / "out" / "accuracies.csv"), "crnn")["coverage"] == (
        "only folds 1,2,3,5")


def test_rebuild_notices_runs_beside_those_of_the_tables(root, tmp_path):
    beside = make(root / "inner-9", "crnn", 1, [1])
    recount.accept(root)
    out = tmp_path / "out"
    assert recount.rebuild(root, out) == []
    assert row(pd.read_csv(out / "accuracies.csv"), "crnn")["clips"] == 20  # it is in no table
    shutil.rmtree(beside.folder)
    (problem,) = recount.rebuild(root, out)
    assert "inner-9/esc10/lite/crnn/seed0/fold1: found None" in problem


def test_rebuild_notices_a_changed_file_that_no_table_uses(root, tmp_path):
    recount.accept(root)
    path = results.run_folder(root, "esc10", "lite", "crnn", 0, 4) / "history.jsonl"
    path.write_text(path.read_text().replace("1.0", "0.5"))
    assert "history.jsonl: changed" in recount.rebuild(root, tmp_path / "out")[0]


def test_rebuild_notices_a_run_that_was_made_again(root, tmp_path):
    recount.accept(root)
    shutil.rmtree(results.run_folder(root, "esc10", "lite", "crnn", 0, 4))
    make(root, "crnn", 4, wrong=[1])  # complete, its digests fit, but it is not what was accepted
    (problem,) = recount.rebuild(root, tmp_path / "out")
    assert "crnn/seed0/fold4: found {'clips': 4, 'correct': 3" in problem
    assert "accepted was {'clips': 4, 'correct': 4" in problem


def test_rebuild_notices_missing_unknown_and_unreadable_runs(root, tmp_path):
    recount.accept(root)
    shutil.rmtree(results.run_folder(root, "esc10", "lite", "crnn", 0, 4))
    make(root, "crnn", 1, seed=5)
    problems = recount.rebuild(root, tmp_path / "out")
    assert len(problems) == 2
    assert "crnn/seed0/fold4: found None" in problems[0]
    assert problems[1].endswith("accepted was None")
    (results.run_folder(root, "esc10", "lite", "crnn", 0, 1) / "manifest.json").write_text("{")
    assert "manifest.json: " in recount.rebuild(root, tmp_path / "out")[0]
    shutil.rmtree(root / "esc10")
    assert recount.rebuild(root, tmp_path / "out") == [f"{root}: no complete runs"]
    (root / "summary.json").write_text("{")
    assert "summary.json: " in recount.rebuild(root, tmp_path / "out")[0]


def test_rebuild_of_an_empty_folder_says_so(tmp_path, capsys):
    out = tmp_path / "out"
    assert recount.rebuild(tmp_path / "results", out) == []
    assert "no committed reference runs" in capsys.readouterr().out
    assert "no committed reference runs" in (out / "accuracies.md").read_text()


def test_tables_say_that_a_copy_is_a_copy(root, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(root / "esc10", copied / "esc10-16k")
    for path in copied.glob("**/manifest.json"):
        text = path.read_text().replace('"dataset": "esc10"', '"dataset": "esc10-16k"')
        path.write_text(text)
    runs = results.load(copied)
    for text in (tables.as_text(runs), tables.pairs_text(tables.comparisons(runs)).to_string()):
        assert "esc10-16k (16 kHz, 8-bit copy)" in text
    assert "copy" not in tables.as_text(results.load(root))
    for path in copied.glob("**/manifest.json"):  # more classes, more weights
        path.write_text(path.read_text().replace('"parameters": 3806', '"parameters": 9999'))
    both = results.load(root) + results.load(copied)
    answers = claims.answers(both, layer_table()).set_index("claim or question")
    answers = answers["what came out here"]
    assert answers["it has 3.81 M parameters"] == "acrnn: 3,806"
    attention = answers["does attention help, beside the mean over frames?"]
    assert "points (lite, 20 clips)" in attention
    assert "points (esc10-16k (16 kHz, 8-bit copy), lite, 20 clips)" in attention


@pytest.mark.parametrize("folds, left_out, protocol, all_folds", [
    (10, 1, "test", 10), (5, 1, "test", 5), (5, 2, "inner", 5)])
def test_a_data_set_has_the_folds_that_its_runs_name(tmp_path, folds, left_out, protocol,
                                                     all_folds):
    for fold in (1, 2):
        make(tmp_path, "acrnn", fold, train_folds=list(range(1, folds + 1 - left_out)),
             protocol=protocol)
    found = tables.summary(results.load(tmp_path)).iloc[0]
    assert found.all_folds == all_folds and found.coverage == "only folds 1,2"


def test_a_row_of_runs_in_different_precision_says_so(tmp_path):
    for fold in range(1, 6):
        make(tmp_path, "acrnn", fold, precision="bf16" if fold < 3 else "float32")
        make(tmp_path, "crnn", fold, precision="bf16")
    table = tables.summary(results.load(tmp_path)).set_index("experiment")
    assert table.precision.to_dict() == {"acrnn": "bf16 and float32", "crnn": "bf16"}
    assert table.coverage.to_dict() == {"acrnn": "runs in bf16 and float32", "crnn": "complete"}
    assert "(runs in bf16 and float32)" in claims.ledger(results.load(tmp_path)).to_string()
