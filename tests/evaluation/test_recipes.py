"""The table of compared recipes, and what its page says about it."""

import re
from pathlib import Path

import pytest

from acrnn_lib.evaluation import recipes, results

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table():
    return recipes.compared(ROOT / "results").set_index("row")


def test_each_recipe_is_compared_with_the_earlier_one_of_the_closest_settings(table):
    assert table["what differs"][1] == "the first recipe" and table["compared with row"][1] == ""
    assert table["what differs"][2] == ("`train.mix_alpha` 0.4 → 0.2; `train.freq_mask` 16 → 8; "
                                        "`train.time_mask` 16 → 8")
    assert all(table["compared with row"][row] < row for row in table.index[1:])
    lite = table[table.log == "inner-5"].iloc[0]  # not with the recipe of the profile paper
    assert table["log"][lite["compared with row"]] == "inner-2"
    assert lite["what differs"] == "`train.colour_db` 0.0 → 12.0"
    alike = table[table["what differs"].str.startswith("no setting")].groupby("log")["what differs"]
    assert {log: text.partition("; ")[2] for log, (text,) in alike} == {
        "inner-2": "the code or the copies", "inner-8": "another seed", "inner-10": "another seed"}


def test_every_recipe_of_the_logs_has_a_row(table):
    logs = sorted((path.name for path in (ROOT / "results").glob("inner*")),
                  key=lambda name: int(name.partition("-")[2] or 0))
    assert list(table.log.unique()) == logs
    for log in logs:
        names = {run.experiment for run in results.load(ROOT / "results" / log)}
        assert (table.log == log).sum() == len(names)


def test_the_page_says_what_the_table_shows(table):
    text = (ROOT / "book" / "recipes.md").read_text(encoding="utf-8")
    assert "tables/recipes.md" in text
    assert set(re.findall(r"\*\*`(inner[-\d]*)`\*\*", text)) == set(table.log)
    ends = table["difference (points)"].str.extract(r"\[([-+.\d]+), ([-+.\d]+)\]").astype(float)
    clear = table[(ends[0] > 0) | (ends[1] < 0)]
    assert list(clear.log) == ["inner-1"]  # "except the failed one"

    def right(row):
        return float(table.accuracy[row].partition("%")[0]) / 100 * table.clips[row]

    assert round(right(2) - right(1)) == 2  # "two more clips"
    pair = [row for row in table.index[table.log == "inner-3"] if table.clips[row] == 400]
    assert len(pair) == 2 and abs(round(right(pair[1]) - right(pair[0]))) == 3  # "3 clips"
    filters = [row for row in table.index if table.log[row] == "inner-4"]
    assert min(map(right, filters)) > max(map(right, pair))


def test_without_logs_the_table_is_empty(tmp_path):
    assert recipes.compared(tmp_path).empty


def test_a_run_that_is_older_than_a_setting_had_its_default(table):
    runs = results.load(ROOT / "results" / "inner")
    assert all("combine" not in run.manifest["config"]["bank"] for run in runs)
    asked = table.log == "inner-7"  # which varies this setting
    assert not table["what differs"].str.contains("None").any()
    assert not table["what differs"][~asked].str.contains("combine").any()
