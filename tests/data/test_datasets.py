"""The clip table is right, or one error names what is wrong. Small folders, laid out as the real
ones, stand in for data that cannot be fetched; with the real ESC-10 its own numbers are checked."""

import functools
import hashlib
import http.server
import json
import os
import shutil
import stat
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from acrnn_lib import config, files
from acrnn_lib.data import audio, datasets, download, esc, fingerprint
from acrnn_lib.files import DatasetError
from tests import tools

FOLDERS = (
    "001 - Dog bark, 002 - Rain, 003 - Sea waves, 004 - Baby cry, 005 - Clock tick, "
    "006 - Person sneeze, 007 - Helicopter, 008 - Chainsaw, 009 - Rooster, 010 - Fire crackling"
).split(", ")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ACRNN_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def tool():
    return tools.tool("make_esc10_table")


@pytest.fixture
def mini_esc10(tmp_path, tool, monkeypatch):
    """Two short clips per class in ESC-10's own layout, and a package table to match."""
    root = tmp_path / "data" / "esc10"
    lines, rng = [], np.random.default_rng(0)
    for i, name in enumerate(FOLDERS):
        (root / name).mkdir(parents=True)
        for clip in (f"1-{100 + i}-A", f"2-{200 + i}-B"):
            soundfile.write(root / name / f"{clip}.ogg", rng.normal(0, 0.1, 4410), 44100)
            url = f"http://www.freesound.org/people/a%20b/sounds/{clip.split('-')[1]}/"
            licence = "CC-Sampling+" if i == 9 else "CC-BY" if clip[0] == "1" else "CC0"
            lines.append(f"- [{clip}.ogg]:  clip derived from t (1).wav ({url}) by a b [{licence}]")
    (root / "README.txt").write_text("ESC-10\n" + "\n".join(lines))
    table = pd.DataFrame(tool.rows(root)).astype({"fold": int})
    monkeypatch.setattr(esc, "esc10_clips", table.copy)
    return root


@pytest.fixture(scope="module")
def esc50_parts(tmp_path_factory):
    """2,000 names as in ESC-50, all the same five seconds (links), with ESC-10's clips inside."""
    root = tmp_path_factory.mktemp("esc50")
    esc10 = esc.esc10_clips()
    number = dict(
        zip(esc10["category"].unique(), [0, 10, 11, 20, 38, 21, 40, 41, 1, 12], strict=True)
    )
    rows = [
        (*clip_id.split("-"), number[category], category, True)
        for clip_id, category in zip(esc10["clip_id"], esc10["category"], strict=True)
    ]
    others = [k for k in range(50) if k not in number.values()]
    rows += [
        (1 + i % 5, 900000 + 40 * k + i, "A", k, f"class_{k}", False)
        for k in others
        for i in range(40)
    ]
    table = pd.DataFrame(rows, columns="fold src_file take target category esc10".split())
    fields = table[["fold", "src_file", "take", "target"]].astype(str)
    table.insert(0, "filename", fields.agg("-".join, axis=1) + ".wav")
    soundfile.write(root / "one.wav", np.zeros(220500, np.int16), 44100)
    return table.sort_values("filename"), root / "one.wav"


@pytest.fixture
def esc50(tmp_path, esc50_parts, monkeypatch):
    table, sound = esc50_parts
    root = tmp_path / "ESC-50-master"
    (root / "audio").mkdir(parents=True)
    (root / "meta").mkdir()
    table.to_csv(root / "meta" / "esc50.csv", index=False)
    for name in table["filename"]:
        os.link(sound, root / "audio" / name)
    silent = fingerprint.to_text(fingerprint.of_files([sound])[0])
    known = esc.esc10_clips().assign(fingerprint=silent)
    monkeypatch.setattr(esc, "esc10_clips", known.copy)
    return root


def fails(name, root, *words):
    """The one-line error of load, which must hold the words."""
    with pytest.raises(DatasetError) as error:
        datasets.load(name, root)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
    return message


# names and folders


def test_unknown_name_suggests_the_nearest():
    fails("esc-10", None, "'esc-10'", "did you mean esc10", "synth, clips, esc10, esc50")
    assert "did you mean" not in fails("urbansound", None, "expected one of")


def test_labels_say_which_data_set_is_a_copy():
    label = "lite: esc50-16k (16 kHz, 8-bit copy)"
    assert config.run_label("esc50-16k", "lite") == label
    assert config.run_label("synth", "smoke") == "smoke: synthetic"
    assert [config.original(name) for name in ("esc50-16k", "esc10")] == ["esc50", "esc10"]


def test_data_is_the_folder_or_one_that_holds_it(tmp_path, monkeypatch, own_cache):
    (tmp_path / "data" / "esc10").mkdir(parents=True)
    own = tmp_path / "data" / "esc10"
    assert files.dataset_dir("esc10", own) == own
    assert files.dataset_dir("esc10", tmp_path / "data") == own
    assert files.dataset_dir("esc10") == own_cache / "esc10"
    monkeypatch.setenv("ACRNN_DATA", str(tmp_path / "data"))
    assert files.dataset_dir("esc10") == own
    monkeypatch.chdir(tmp_path)
    assert files.dataset_dir("esc10", "data") == own


def test_a_given_folder_is_never_replaced_by_the_cache(
    tmp_path, monkeypatch, mini_esc10, own_cache
):
    shutil.copytree(mini_esc10, own_cache / "esc10")
    assert len(datasets.load("esc10")) == 20
    fails("esc10", tmp_path / "nowhere", tmp_path / "nowhere", "there is nothing")
    (tmp_path / "file").touch()
    fails("esc10", tmp_path / "file", "it is a file")
    (tmp_path / "other").mkdir()
    fails("esc10", tmp_path / "other", tmp_path / "other", "001 - Dog bark", "found nothing")
    monkeypatch.setenv("ACRNN_DATA", str(tmp_path / "nowhere"))
    fails("esc10", None, "ACRNN_DATA")


def test_an_empty_cache_says_how_to_fetch():
    fails("esc50", None, "python -m acrnn_lib data esc50", "--data")


def test_arriving_leaves_nothing_when_it_fails(tmp_path):
    with pytest.raises(RuntimeError), files.arriving(tmp_path / "new") as new:  # noqa: PT012
        (new / "half").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())


# ESC-10 in its own layout


def test_esc10_table(mini_esc10):
    table = datasets.load("esc10", mini_esc10.parent)
    assert list(table) == datasets.COLUMNS
    assert table["target"].tolist() == [k for k in range(10) for _ in range(2)]
    assert datasets.class_names(table)[:3] == ["dog", "rain", "sea_waves"]
    assert table["clip_id"].iloc[:2].tolist() == ["1-100-A", "2-200-B"]
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in table["path"])
    assert set(table["licence"]) == {"CC0", "CC BY 3.0", "CC Sampling+ 1.0"}
    assert table["url"].iloc[0] == "https://freesound.org/people/a%20b/sounds/100/"
    assert table["author"].iloc[0] == "a b"
    assert table.attrs == {"dataset": "esc10", "archive": ""}


def test_esc10_incomplete(mini_esc10):
    for name in FOLDERS[:4]:
        (mini_esc10 / name / sorted(os.listdir(mini_esc10 / name))[0]).unlink()
    message = fails("esc10", mini_esc10, mini_esc10, "4 missing", "expected 20", "found 16",
                    "(folds 1: 4 of 10; classes crying_baby: 1 of 2, dog: 1 of 2, rain: 1 of 2, ")
    assert "001 - Dog bark/1-100-A.ogg" in message
    assert "004 - Baby cry" not in message  # the first three are enough


def test_esc10_without_a_class(mini_esc10):
    shutil.rmtree(mini_esc10 / FOLDERS[2])
    fails("esc10", mini_esc10, "2 missing", "003 - Sea waves/1-102-A.ogg", "sea_waves: 2 of 2)")


def test_esc10_in_another_format_or_place(mini_esc10):
    folder = mini_esc10 / FOLDERS[0]
    for path in sorted(folder.iterdir()):
        path.rename(path.with_suffix(".mp3"))
    fails("esc10", mini_esc10, "2 missing", "2 are there as .mp3: the data set's own .ogg files")
    (folder / "deeper").mkdir()
    for path in sorted(folder.glob("*.mp3")):
        path.rename(folder / "deeper" / path.with_suffix(".ogg").name)
    fails("esc10", mini_esc10, "2 missing", f"2 lie in {folder / 'deeper'}: move them to {folder}")


@pytest.mark.parametrize("name", ["bark.ogg", "6-100-A.ogg", "1-100-A-0.ogg"])
def test_esc10_name_that_breaks_the_pattern(mini_esc10, name):
    shutil.copy(mini_esc10 / FOLDERS[0] / "1-100-A.ogg", mini_esc10 / FOLDERS[0] / name)
    fails("esc10", mini_esc10, "1 strange", f"{FOLDERS[0]}/{name}", "fold-id-take.ogg")


@pytest.mark.parametrize("content", [b"", b"no sound", None])
def test_esc10_changed_file(mini_esc10, content):
    datasets.load("esc10", mini_esc10)  # a checksum kept from an earlier load must not hide it
    path = mini_esc10 / FOLDERS[3] / "2-203-B.ogg"
    content = path.read_bytes()[:-100] if content is None else content
    path.write_bytes(content)
    fails("esc10", mini_esc10, path, f"{len(content)} bytes", "SHA-256", "1 of 20 files differ")


def test_hidden_files_of_the_system_do_no_harm(mini_esc10):
    (mini_esc10 / FOLDERS[0] / "._1-100-A.ogg").touch()
    assert len(datasets.load("esc10", mini_esc10)) == 20


# ESC-50's layout


def test_esc50_table(esc50):
    table = datasets.load("esc50", esc50)
    assert len(table) == 2000
    assert list(table) == datasets.COLUMNS
    assert table["target"].value_counts().tolist() == [40] * 50
    row = table.set_index("clip_id").loc["1-100032-A"]
    assert row["path"] == str(esc50 / "audio" / "1-100032-A-0.wav")
    assert row[["fold", "target", "category", "source"]].tolist() == [1, 0, "dog", "100032"]
    assert row["url"] == "https://freesound.org/s/100032/"
    assert set(table["licence"]) == {"CC BY-NC 3.0 (collection)"}


def test_esc10_inside_esc50_is_the_same_table(esc50):
    table = datasets.load("esc10", esc50)
    own = esc.esc10_clips()
    pd.testing.assert_frame_equal(table.drop(columns="path"), own[table.columns.drop("path")])
    assert all(
        Path(path).name.startswith(f"{clip_id}-")
        for path, clip_id in zip(table["path"], table["clip_id"], strict=True)
    )


def test_esc50_asked_for_in_a_folder_of_esc10(mini_esc10):
    fails("esc50", mini_esc10, mini_esc10, "expected meta/esc50.csv", "found 001 - Dog bark")


def test_esc50_incomplete(esc50, esc50_parts):
    names = sorted(esc50_parts[0]["filename"])[:4]
    for name in names:
        (esc50 / "audio" / name).unlink()
    message = fails("esc50", esc50, "4 missing", *names[:3], "found 1996")
    assert names[3] not in message


def test_esc50_without_a_class_and_a_fold(esc50):
    for path in (esc50 / "audio").iterdir():
        if path.stem.endswith("-2") or path.name.startswith("4-"):
            path.unlink()
    fails("esc50", esc50, "432 missing", "folds 1: 8 of 400, 2: 8 of 400, 3: 8 of 400, "
          "4: 400 of 400, 5: 8 of 400", "class_2: 40 of 40", "and 40 more")


@pytest.mark.slow
@pytest.mark.parametrize("suffix, advice", [
    (".WAV", "rename them to .wav"), (".flac", "own .wav files are needed"),
    (".ogg", "own .wav files are needed"), (".mp3", "own .wav files are needed")])
def test_esc50_in_another_format(esc50, suffix, advice):
    for path in sorted((esc50 / "audio").iterdir()):
        path.rename(path.with_suffix(suffix))
    fails("esc50", esc50, "2000 missing", f"2000 are there as {suffix}", advice)
    fails("esc10", esc50, "400 missing", f"400 are there as {suffix}", advice)


def test_esc50_as_the_usual_mirror_has_it(esc50):
    """Sounds in audio/audio, the table not in meta/."""
    (esc50 / "audio").rename(esc50 / "sounds")
    (esc50 / "audio").mkdir()
    (esc50 / "sounds").rename(esc50 / "audio" / "audio")
    (esc50 / "meta" / "esc50.csv").rename(esc50 / "esc50.csv")
    fails("esc50", esc50, "expected meta/esc50.csv", "move esc50.csv to meta/esc50.csv")
    fails("esc10", esc50, "or meta/esc50.csv", "move esc50.csv to meta/esc50.csv")
    (esc50 / "esc50.csv").rename(esc50 / "meta" / "esc50.csv")
    folder = esc50 / "audio"
    fails("esc50", esc50, "2000 missing", f"2000 lie in {folder / 'audio'}: move them to {folder}")


def test_esc10_inside_an_incomplete_esc50(esc50):
    (esc50 / "audio" / "1-900000-A-2.wav").unlink(missing_ok=True)
    (esc50 / "audio" / "1-100032-A-0.wav").unlink()
    fails("esc10", esc50, "1 missing", "1-100032-A-0.wav", "expected 400")


def test_esc50_strange_name(esc50):
    (esc50 / "audio" / "bark.wav").touch()
    fails("esc50", esc50, "1 strange", "bark.wav")


def test_esc50_wrong_format(esc50):
    path = esc50 / "audio" / "1-100032-A-0.wav"
    bad = {
        "22050 Hz, 1 channel(s), 220500": (np.zeros(220500), 22050),
        "44100 Hz, 2 channel(s), 220500": (np.zeros((220500, 2)), 44100),
        "44100 Hz, 1 channel(s), 8820 samples": (np.zeros(8820), 44100),
    }
    for words, (wave, rate) in bad.items():
        path.unlink()
        soundfile.write(path, wave, rate)
        for name in ("esc50", "esc10"):
            fails(name, esc50, path, words, "expected 44100 Hz, 1 channel(s), 220500 samples")
    for content in (b"", b"no sound"):
        path.write_bytes(content)
        fails("esc50", esc50, path, "no audio")
    whole = esc50 / "audio" / "1-110389-A-0.wav"
    path.write_bytes(whole.read_bytes()[:100000])
    fails("esc50", esc50, path, "49978 samples")


def test_esc10_inside_esc50_with_a_replaced_clip(esc50):
    datasets.load("esc10", esc50)  # a fingerprint kept from an earlier load must not hide it
    path = esc50 / "audio" / "1-110389-A-0.wav"
    path.unlink()
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 220500), 44100)
    fails("esc10", esc50, path, "another sound than ESC-10's 1-110389-A", "of 256 bits",
          "expected at least 192", "1 of 400 files differ")
    assert len(datasets.load("esc50", esc50)) == 2000  # of which no originals are known


def test_real_recordings_are_known_as_wav(original_esc10, tmp_path):
    """WAV files made of the Ogg files pass; swapped ones are named, also the two that nearly
    agree: the same fire, twice on Freesound."""
    clips = datasets.load("esc10", original_esc10)[["clip_id", "path"]]
    clips["fingerprint"] = esc.esc10_clips()["fingerprint"]
    fires = clips["clip_id"].isin(["2-28314-A", "2-30322-A"])
    clips = clips[fires | (clips.index % 20 == 0)].reset_index(drop=True)
    assert len(clips) == 22
    for k, path in enumerate(clips["path"]):
        clips.loc[k, "path"] = str(tmp_path / f"{k}.wav")
        wave = audio.read(path, 5.0)
        soundfile.write(clips["path"][k], wave if k % 2 else 0.3 * wave, 44100, "PCM_16")
    esc._same_recordings(clips)
    for pair in (0, 1), clips.index[clips["clip_id"].isin(["2-28314-A", "2-30322-A"])]:
        swapped = clips.assign(path=clips["path"].rename(dict(zip(pair, pair[::-1], strict=True))))
        first, second = clips["clip_id"][pair[0]], clips["clip_id"][pair[1]]
        with pytest.raises(DatasetError, match=f"another sound than ESC-10's {first}: .* with "
                                               f"{second}; 2 of 22 files differ"):
            esc._same_recordings(swapped)


def test_real_fingerprints_keep_their_margins(copy16_root):
    """What the docstring of `fingerprint` says, on the 16 kHz copy, which is worse than a WAV."""
    clips = datasets.load("esc10-16k", copy16_root)
    known = fingerprint.from_texts(esc.esc10_clips()["fingerprint"])
    agree = fingerprint.agreement(fingerprint.of_files(clips["path"]), known)
    own, others = agree.diagonal().copy(), agree - 999 * np.eye(400, dtype=int)
    assert own.min() >= 218 and (own > others.max(axis=1)).all()
    pair = clips.index[clips["clip_id"].isin(["2-28314-A", "2-30322-A"])]
    others[np.ix_(pair, pair)] = 0
    assert others.max() <= 166


def test_the_copy_is_checked_clip_by_clip(copy16_root, tmp_path):
    table = datasets.load("esc50-16k", copy16_root)
    assert len(table) == 2000 and table.target.nunique() == 50 and table.fold.nunique() == 5
    assert "esc50-16k (16 kHz, 8-bit copy)" in datasets.describe(table)
    ten = datasets.load("esc10-16k", copy16_root)
    assert ten.clip_id.tolist() == esc.esc10_clips().clip_id.tolist()
    assert set(ten.licence) == {"CC BY-NC 3.0 (collection)"}, "so that no page embeds them"
    assert datasets.class_names(ten)[0] == "dog" and audio.read(ten.path[0]).shape == (220500,)
    own = tmp_path / "esc50-16k"
    shutil.copytree(copy16_root, own)
    path = own / "audio" / "1-100032-A-0.wav"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    for name, count in (("esc50-16k", 2000), ("esc10-16k", 400)):
        fails(name, own, path, f"another SHA-256; 1 of {count} files differ")


def test_copy_and_original_are_never_mixed(copy16_root, esc50):
    for name in ("esc50", "esc10"):
        fails(name, copy16_root, "has 16000 Hz", "this is a clip of esc50-16k")
    for name in ("esc50-16k", "esc10-16k"):
        fails(name, esc50, "has 44100 Hz", "this is a clip of esc50")


@pytest.mark.parametrize("given", [{"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}])
def test_esc50_table_as_a_spreadsheet_writes_it(esc50, given):
    meta, whole = esc50 / "meta" / "esc50.csv", datasets.load("esc50", esc50)
    pd.read_csv(meta).to_csv(meta, index=False, **given)
    pd.testing.assert_frame_equal(datasets.load("esc50", esc50), whole)


def test_esc50_wrong_table(esc50):
    meta = esc50 / "meta" / "esc50.csv"
    table = pd.read_csv(meta)
    for change, words in {
        "rows": ["1999 rows", "expected 2000"],
        "twice": ["2000 rows, 1999 clips"],
        "column": ["take", "is not the table of ESC-50"],
        "pattern": ["'dog.wav'", "fold-src_file-take-target"],
        "fold": ["fold-src_file-take-target"],
    }.items():
        new = table.copy()
        if change == "rows":
            new = new[1:]
        elif change == "twice":
            new.iloc[1] = new.iloc[0]
        elif change == "column":
            new = new.drop(columns="take")
        elif change == "pattern":
            new.loc[5, "filename"] = "dog.wav"
        else:
            new.loc[5, "fold"] = 7
        new.to_csv(meta, index=False)
        fails("esc50", esc50, meta, *words)
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        table.to_csv(meta, index=False, sep=sign)
        fails("esc50", esc50, meta, f"found {name} between its columns, expected commas")
    meta.write_bytes(b"")
    fails("esc50", esc50, meta, "is not the table")
    meta.write_bytes(bytes(range(256)) * 4)
    fails("esc50", esc50, meta, "is not the table")


@pytest.mark.parametrize("name, value", [("category", "<script>alert(1)</script>"),
                                         ("category", "dog|cat"), ("src_file", "<img src=x>"),
                                         ("take", "")])
def test_esc50_names_that_a_page_would_not_take_as_text(esc50, name, value):
    meta = esc50 / "meta" / "esc50.csv"
    table = pd.read_csv(meta, dtype=str)
    table.loc[5, name] = value
    row = table.loc[5]
    table.loc[5, "filename"] = f"{row.fold}-{row.src_file}-{row['take']}-{row.target}.wav"
    table.to_csv(meta, index=False)
    fails("esc50", esc50, meta, f"{name} {value!r}, expected letters, digits and underscores")


def test_esc50_with_other_clips_marked_as_esc10(esc50):
    meta = esc50 / "meta" / "esc50.csv"
    table = pd.read_csv(meta)
    table.loc[table["filename"] == "1-100032-A-0.wav", "esc10"] = False
    table.to_csv(meta, index=False)
    fails("esc10", esc50, "1 missing: 1-100032-A", "esc10 == True")


def test_esc50_with_a_category_that_changed(esc50):
    meta = esc50 / "meta" / "esc50.csv"
    meta.write_text(meta.read_text().replace(",dog,", ",dig,", 1))
    fails("esc50", esc50, meta, "a target has more than one category")


@pytest.mark.parametrize("name", ["a\nb.wav", "\udcff.wav", "\x1b[31m.wav"])
def test_a_strange_name_is_told_in_one_line_of_letters(esc50, name):
    (esc50 / "audio" / name).touch()
    assert fails("esc50", esc50, "1 strange", repr(name)).isprintable()


@pytest.mark.parametrize("what", ["folder", "dead link"])
def test_what_is_no_file_is_no_sound(mini_esc10, what):
    path = mini_esc10 / FOLDERS[0] / "1-100-A.ogg"
    path.unlink()
    if what == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    fails("esc10", mini_esc10, "1 missing", "001 - Dog bark/1-100-A.ogg")


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"{}", b"\xff", b'{"sha256": 1}', b'{"sha256": "x"}', b"[" * 200_000,
    b'{"sha256": "' + b"0" * 64 + b'", "files": 3}',
], ids=lambda content: content[:16].decode(errors="replace"))
def test_a_damaged_record_of_the_download_is_named(mini_esc10, content):
    record = mini_esc10 / "download.json"
    record.write_bytes(content)
    fails("esc10", mini_esc10, record)


# hashes and text


def test_data_hash_sees_contents_and_ids_but_not_order_or_place(mini_esc10, tmp_path):
    table = datasets.load("esc10", mini_esc10)
    first = datasets.data_hash(table)
    assert len(first) == 64
    assert datasets.data_hash(table.sample(frac=1, random_state=0)) == first
    moved = shutil.copytree(mini_esc10, tmp_path / "moved")
    assert datasets.data_hash(datasets.load("esc10", moved)) == first
    assert datasets.data_hash(table[1:]) != first
    Path(table["path"].iloc[4]).write_bytes(b"other")
    assert datasets.data_hash(table) != first


def test_describe(mini_esc10):
    text = datasets.describe(datasets.load("esc10", mini_esc10))
    for words in ("20 from 20 recordings", "1: 10, 2: 10", "10: dog, rain", "CC Sampling+ 1.0: 2"):
        assert words in text


# download: a server on this machine stands in for GitHub


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Serve a zip made from (name, content) pairs as the archive of esc10."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    silent = type("Silent", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: 0})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(silent, directory=folder)
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def publish(members):
        with zipfile.ZipFile(folder / "a.zip", "w") as zipped:
            for name, content in members:
                zipped.writestr(name, content)
        url = f"http://127.0.0.1:{server.server_port}/a.zip"
        monkeypatch.setitem(download.ARCHIVES, "esc10", url)
        return folder / "a.zip"

    yield publish
    server.shutdown()
    thread.join()
    server.server_close()


def members(root):
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield f"ESC-10-553c8f1/{path.relative_to(root).as_posix()}", path.read_bytes()


def test_download_checks_records_and_is_done_once(mini_esc10, serve, own_cache):
    archive = serve(members(mini_esc10))
    assert download.download("esc10") == own_cache / "esc10"
    record = json.loads((own_cache / "esc10" / "download.json").read_text())
    assert record == {
        "url": download.ARCHIVES["esc10"],
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "files": {},
    }
    table = datasets.load("esc10")
    assert len(table) == 20
    assert Path(table["path"].iloc[0]).is_relative_to(own_cache / "esc10")
    assert table.attrs["archive"] == record["sha256"]
    assert tools.found_in(own_cache) == {"esc10"}
    archive.unlink()
    assert download.download("esc10") == own_cache / "esc10"  # the second time from the cache
    with pytest.raises(DatasetError, match="'synth' is not fetched"):
        download.download("synth")


@pytest.mark.slow
def test_a_fetched_sound_of_esc50_that_changed_is_named(esc50, serve, own_cache, monkeypatch):
    serve(members(esc50))
    monkeypatch.setitem(download.ARCHIVES, "esc50", download.ARCHIVES["esc10"])
    folder = download.download("esc50")
    assert len(datasets.load("esc50")) == 2000
    path = folder / "audio" / "1-100032-A-0.wav"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    for name, count in (("esc50", 2000), ("esc10", 400)):
        fails(name, folder, path, f"changed since it was fetched (1 of {count} files differ)")


def test_what_a_killed_download_left_goes_with_the_next_one(mini_esc10, serve, own_cache):
    serve(members(mini_esc10))
    (own_cache / ".esc10-left" / "unpacked").mkdir(parents=True)
    (own_cache / ".esc50-other").mkdir()
    download.download("esc10")
    assert tools.found_in(own_cache) == {"esc10", ".esc50-other"}


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "member",
    [("../evil.txt", "x"), ("/evil.txt", "x"), ("top\\..\\evil", "x"), (link("top/l"), "/etc")],
)
def test_download_refuses_an_archive_that_leaves_its_folder(mini_esc10, serve, own_cache, member):
    serve([*members(mini_esc10), member])
    with pytest.raises(DatasetError, match="unsafe name"):
        download.download("esc10")
    assert not tools.found_in(own_cache)
    assert not list(own_cache.parent.glob("**/evil*"))


def test_download_that_is_not_the_data_set_leaves_the_cache_as_it_was(mini_esc10, serve, own_cache):
    archive = serve(list(members(mini_esc10))[1:])
    with pytest.raises(DatasetError, match="1 missing"):
        download.download("esc10")
    archive.write_bytes(b"not a zip")
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        download.download("esc10")
    archive.unlink()
    with pytest.raises(DatasetError, match=r"cannot be fetched .*404"):
        download.download("esc10")
    assert not tools.found_in(own_cache)


# synth


@pytest.fixture
def quick_synth(monkeypatch):
    """The generator's real plan, but files of one sample."""
    from acrnn_lib.data import synth

    written = []

    def write(folder):
        written.append(folder)
        for clip_id in synth.plan()["clip_id"]:
            soundfile.write(folder / f"{clip_id}.wav", np.zeros(1), 44100)

    monkeypatch.setattr(synth, "write", write)
    return written


def test_synth_is_written_once_and_kept(quick_synth, own_cache, tmp_path, monkeypatch):
    from acrnn_lib.data import synth

    table = datasets.load("synth")
    assert list(table) == datasets.COLUMNS
    assert table["fold"].value_counts().tolist() == [80] * 5
    assert table["target"].value_counts().tolist() == [40] * 10
    assert datasets.class_names(table) == list(synth.CLASSES)
    assert set(table["licence"]) == {"CC0 (generated)"}
    folder = Path(table["path"].iloc[0]).parent
    assert folder == own_cache / f"synth-{synth.VERSION}"
    monkeypatch.setenv("ACRNN_DATA", str(tmp_path / "nowhere"))  # it is generated, never looked for
    pd.testing.assert_frame_equal(datasets.load("synth"), table)
    assert len(quick_synth) == 1


def test_what_a_killed_generation_left_goes_with_the_next_one(quick_synth, own_cache):
    from acrnn_lib.data import synth

    (own_cache / f".synth-{synth.VERSION}-left").mkdir(parents=True)
    datasets.load("synth")
    assert tools.found_in(own_cache) == {f"synth-{synth.VERSION}"}


def test_synth_incomplete_or_elsewhere(quick_synth, tmp_path):
    path = Path(datasets.load("synth")["path"].iloc[7])
    path.unlink()
    fails("synth", None, path.parent, "1 missing", path.name, "expected 400")
    (tmp_path / "empty").mkdir()
    fails("synth", tmp_path / "empty", tmp_path / "empty", "400 missing")


# the clips that come with the package


@pytest.fixture
def copied_clips(tmp_path, monkeypatch):
    shutil.copytree(esc.CLIPS, tmp_path / "clips")
    monkeypatch.setattr(esc, "CLIPS", tmp_path / "clips")
    return tmp_path / "clips"


def test_bundled_clips_are_a_clip_table_of_real_sounds(monkeypatch, tmp_path):
    monkeypatch.setenv("ACRNN_DATA", str(tmp_path / "nowhere"))  # they are never looked for
    table = datasets.load("clips")
    assert list(table) == datasets.COLUMNS and table.attrs == {"dataset": "clips", "archive": ""}
    known = esc.esc10_clips()
    assert datasets.class_names(table) == datasets.class_names(known)
    assert set(table["target"]) == set(range(10)) and 10 <= len(table) <= 20
    for path in table["path"]:
        wave = audio.read(path)
        assert len(wave) > 4 * audio.SAMPLE_RATE and np.abs(wave).max() > 0
    assert "19 from 19 recordings" in datasets.describe(table)


def test_bundled_clips_are_credited_cc0_and_small():
    table = datasets.load("clips")
    assert set(table["licence"]) == {"CC0"}
    assert (table["author"].str.len() > 0).all()
    assert table["url"].str.fullmatch(r"https://freesound\.org/people/\S+/sounds/\d+/").all()
    assert sum(os.path.getsize(path) for path in table["path"]) <= 2_000_000


def test_bundled_clips_follow_the_rule_and_not_an_answer():
    table = datasets.load("clips")
    free = esc.esc10_clips().query("licence == 'CC0'")
    for target, chosen in table.groupby("target"):
        of_class = free[free["target"] == target]
        first = of_class[of_class["fold"] == of_class["fold"].min()].sort_values("file")
        expected = first.drop_duplicates("source")["clip_id"].tolist()[:2]
        assert chosen["clip_id"].tolist() == expected
    assert set(table.query("fold != 1")["category"]) == {"sea_waves"}  # none is CC0 in fold 1


def test_a_changed_missing_or_strange_bundled_clip_is_named(copied_clips):
    path = copied_clips / "1-30226-A.ogg"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    fails("clips", None, path, "another SHA-256", "1 of 19")
    path.unlink()
    fails("clips", None, copied_clips, "1 missing", path.name, "expected 19")
    path.write_bytes(data)
    (copied_clips / "mine.ogg").write_bytes(data)
    fails("clips", None, "1 strange", "mine.ogg")
    shutil.rmtree(copied_clips)
    fails("clips", None, copied_clips, "not here", "install the package again")


def test_bundled_clips_have_no_other_folder(tmp_path):
    fails("clips", tmp_path, f"--data {tmp_path}", "comes with the package", "expected no folder")


def test_the_wheel_holds_the_bundled_clips():
    import tomllib

    settings = tomllib.loads((tools.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["acrnn_lib"]
    package = esc.ASSETS.parent
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    assert {Path(path) for path in datasets.load("clips")["path"]} <= packed


def test_the_tool_copies_the_bundled_clips(original_esc10, tmp_path):
    tools.tool("make_clips").write(original_esc10, tmp_path / "clips")
    made = {path.name: path.read_bytes() for path in (tmp_path / "clips").iterdir()}
    assert made == {path.name: path.read_bytes() for path in esc.CLIPS.iterdir()}


# the package's table of ESC-10


def test_esc10_package_table():
    table = esc.esc10_clips()
    assert table["licence"].value_counts().to_dict() == {
        "CC0": 233,
        "CC BY 3.0": 165,
        "CC Sampling+ 1.0": 2,
    }
    sampling = table[table["licence"].str.startswith("CC Sampling")]
    assert sorted(sampling["clip_id"]) == ["1-40730-A", "2-96460-A"]
    assert table["source"].nunique() == 304
    assert table.groupby("source")["fold"].nunique().max() == 1
    assert (table.groupby(["target", "fold"]).size() == 8).all()
    assert table["sha256"].nunique() == table["clip_id"].nunique() == 400
    assert (table["clip_id"].str.split("-").str[1] == table["source"]).all()
    assert (table["file"].str.split("/").str[0].unique() == FOLDERS).all()
    assert (table[["title", "author", "url"]] != "").all(axis=None)


def test_families_are_tens_of_targets():
    """The copy's file names have the targets, ESC-10's credits the names of ten of the classes."""
    files = pd.read_csv(esc.ASSETS / "esc50_16k.csv")["filename"]
    clips = files.str.extract(r"^(?P<clip_id>.+)-(?P<target>\d+)\.wav$").astype({"target": int})
    order = [name for names in esc.FAMILIES.values() for name in names.split()]
    assert len(set(order)) == len(order) == clips["target"].nunique() == 50
    known = esc.esc10_clips()[["clip_id", "category"]].merge(clips, on="clip_id")
    assert len(known) == 400
    assert [order[target] for target in known["target"]] == known["category"].tolist()
    assert [list(esc.FAMILIES).index(esc.family(name)) for name in order] == [
        target // 10 for target in range(50)]
    assert [len(names.split()) for names in esc.FAMILIES.values()] == [10] * 5
    assert esc.family("kettle") == ""


@pytest.fixture
def original_esc10(esc10_root):
    if not (esc10_root / FOLDERS[0]).is_dir():
        pytest.skip("needs ESC-10 in its original folders, found it inside ESC-50")
    return esc10_root


def test_esc10_package_table_is_what_the_tool_makes(tool, original_esc10, tmp_path):
    tool.write(original_esc10, tmp_path / "esc10.csv")
    assert (tmp_path / "esc10.csv").read_bytes() == tool.TABLE.read_bytes()


def test_real_esc10(original_esc10):
    table = datasets.load("esc10", original_esc10)
    assert len(table) == 400
    known = esc.esc10_clips()
    lines = sorted(zip(known["clip_id"], known["sha256"], strict=True))
    text = "".join(f"{clip_id} {sha256}\n" for clip_id, sha256 in lines)
    assert datasets.data_hash(table) == hashlib.sha256(text.encode()).hexdigest()
