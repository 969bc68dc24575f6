"""The clip table: which sounds there are, in which fold, of which class, and by whom.

`synth` is generated, `clips` are sounds of ESC-10 that come with the package, `esc10` and `esc50`
(Piczak 2015, doi 10.1145/2733373.2806390) come from a folder of yours or from ``download``, their
16 kHz, 8-bit copies `esc10-16k` and `esc50-16k` from a folder of yours, and `folder` is any folder
of sounds. Nothing is used unchecked.

Notebook: 01_listen_and_look
"""

import difflib
import hashlib
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd

from ..config import DATASETS, dataset_label
from ..files import (
    DatasetError,
    arriving,
    cached,
    dataset_dir,
    file_hash,
    locked,
    separator,
    sweep,
)
from . import fingerprint

ASSETS = Path(__file__).parents[1] / "assets"
RECORD = "download.json"  # beside sounds that were fetched
COLUMNS = "clip_id path fold target category source licence author url".split()
CLIPS = ASSETS / "clips"
PER_CLASS = 2  # of the bundled clips
SUMS = "sha256.json"  # of generated clips, by file name
ESC50_CLIPS, ESC50_FORMAT = 2000, (44100, 1, 220500)  # Hz, channels, samples per channel
ESC50_LICENCE = "CC BY-NC 3.0 (collection)"
COPY_FORMAT = (16000, 1, 80000)
COPIES = ("esc10-16k", "esc50-16k")  # both in one folder, that of esc50-16k
FAMILIES = {  # of ESC-50's classes, as its README groups them; in the order of targets
    "animals": "dog rooster pig cow frog cat hen insects sheep crow",
    "natural": "rain sea_waves crackling_fire crickets chirping_birds water_drops wind "
               "pouring_water toilet_flush thunderstorm",
    "human": "crying_baby sneezing clapping breathing coughing footsteps laughing brushing_teeth "
             "snoring drinking_sipping",
    "interior": "door_wood_knock mouse_click keyboard_typing door_wood_creaks can_opening "
                "washing_machine vacuum_cleaner clock_alarm clock_tick glass_breaking",
    "urban": "helicopter chainsaw siren car_horn engine train church_bells airplane fireworks "
             "hand_saw",
}
_FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names.split()}
_META = dict(filename=str, fold=int, target=int, category=str, esc10=bool, src_file=str, take=str)


def load(name: str, root: Path | str | None = None) -> pd.DataFrame:
    """Return the checked clip table of a data set.

    ESC-10 has its original class order and its credits, inside an ESC-50 folder too.

    Parameters
    ----------
    name : one of config.DATASETS
    root : Path or str, optional
        The data set's folder, or one that holds it by name; by default ACRNN_DATA, else the cache
        (``synth`` is then always the generated one). ``clips`` has no other folder.

    Returns
    -------
    pd.DataFrame
        A row per clip: clip_id (fold-source-take), path (absolute), fold (1 to N), target (0 to
        C-1), category, source (the recording's id), licence, author, url. Its ``attrs`` hold the
        name (dataset) and the SHA-256 of the downloaded archive, empty without a download.

    Raises
    ------
    DatasetError
        For an unknown name, a missing or wrong folder, a folder given for ``clips``, and missing,
        strange or changed files. ESC-10, its bundled clips and the 16 kHz copies are checked by
        SHA-256; ESC-50 by name, format and length, by SHA-256 where it was
        downloaded, and by ``fingerprint`` where it is loaded as ESC-10.

    Notebook: 01_listen_and_look
    """
    if name not in DATASETS:
        close = difflib.get_close_matches(str(name).lower(), DATASETS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}? " if close else ""
        raise DatasetError(f"unknown data set {name!r}: {hint}expected one of "
                           f"{', '.join(DATASETS)}")
    if name == "clips" and root is not None:
        raise DatasetError(f"--data {root}: data set clips comes with the package, expected no "
                           "folder for it")
    folder = (CLIPS if name == "clips" else
              _generated() if name == "synth" and root is None else dataset_dir(name, root))
    if not folder.is_dir():
        how = "" if name in (*COPIES, "folder") else f"`python -m acrnn_lib data {name}` or "
        raise DatasetError(f"{folder}: not here; " + (
            "install the package again" if name == "clips" else f"{how}--data DIR"))
    table = {"synth": _synth, "clips": _bundled, "folder": _folder, "esc10": _esc10,
             "esc50": _esc50, "esc50-16k": _esc50_copy,
             "esc10-16k": partial(_esc10, find=_esc50_copy)}[name](folder)
    table = table[COLUMNS].reset_index(drop=True)
    table.attrs = {"dataset": name, "archive": _record(folder).get("sha256", "")}
    return table


def _record(folder):
    """What a download left beside the sounds; empty where there was none.

    The archive's sha256 (hex), and of ESC-50 files, {name: sha256}.
    """
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        archive, files = record["sha256"], record.get("files", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path}: not the record of a download ({error})") from error
    if not isinstance(archive, str) or not re.fullmatch("[0-9a-f]{64}", archive):
        raise DatasetError(f"{path}: sha256 is {archive!r:.80}, expected 64 hex digits")
    if not isinstance(files, dict):
        raise DatasetError(f"{path}: files is {files!r:.80}, expected names and their SHA-256")
    return {"sha256": archive, "files": files}


def class_names(table: pd.DataFrame) -> list[str]:
    """Return the category names of a clip table, in the order of their targets."""
    return table.drop_duplicates("target").sort_values("target")["category"].tolist()


def family(category: str) -> str:
    """Return the family of ESC-50 that a class belongs to, a key of FAMILIES; "" for other classes.

    Notebook: 08_confusion_matrices
    """
    return _FAMILY_OF.get(category, "")


def folds(table: pd.DataFrame) -> list[int]:
    """Return the folds of a clip table in order, 1 to N."""
    return sorted(map(int, table["fold"].unique()))


def data_hash(table: pd.DataFrame) -> str:
    """Return one SHA-256 (hex) over the clip ids and the contents of their files, in any order."""
    clips = sorted(zip(table["clip_id"], _digests(table["path"]), strict=True))
    lines = "".join(f"{clip_id} {digest}\n" for clip_id, digest in clips)
    return hashlib.sha256(lines.encode()).hexdigest()


def describe(table: pd.DataFrame) -> str:
    """Return a short text: clips, folds, classes, recordings and licences of a clip table."""

    def counts(column):
        return ", ".join(f"{value}: {n}" for value, n in table[column].value_counts().items())

    rows = {
        "data set": dataset_label(table.attrs.get("dataset", "?")),
        "clips": f"{len(table)} from {table['source'].nunique()} recordings",
        "folds": counts("fold"),
        "classes": f"{table['target'].nunique()}: {', '.join(class_names(table))}",
        "licences": counts("licence"),
        "data hash": data_hash(table),
    }
    return "\n".join(f"{label:<10} {text}" for label, text in rows.items())


def esc10_clips() -> pd.DataFrame:
    """Return ESC-10's clips without paths, but with title, file and sha256; needs no data."""
    table = ASSETS / "esc10.csv"
    return pd.read_csv(table, dtype={"source": str}, keep_default_na=False)


def _esc10(folder, find=None):
    """ESC-10 in its original folders, or inside an ESC-50 folder, whose clips ``find`` reads."""
    clips = esc10_clips()
    if find or (folder / "meta" / "esc50.csv").is_file():
        found = (find or _esc50)(folder, only_esc10=True).set_index("clip_id")["path"]
        _same(folder, clips, "clip_id", found.index,
              "clips with esc10 == True in meta/esc50.csv")
        clips["path"] = clips["clip_id"].map(found)
        if find:  # the copy, whose files were checked one by one, has its collection's licence
            return clips.assign(licence=ESC50_LICENCE)
        _same_recordings(clips)
        return clips
    classes = sorted({Path(file).parent.name for file in clips["file"]})
    if not any((folder / name).is_dir() for name in classes):
        raise _wrong(folder, f"the folders {classes[0]!r} to {classes[-1]!r}, or meta/esc50.csv")
    found = [f"{name}/{file}" for name in classes for file in _files(folder / name, "*.ogg")]
    _same(folder, clips, "file", found, "files named fold-id-take.ogg")
    clips["path"] = [str(folder / file) for file in clips["file"]]
    return _unchanged(clips)


def bundled_clips() -> pd.DataFrame:
    """Return the rows of ``esc10_clips`` whose files come with the package.

    The rule: of each class the first two CC0 clips by file name, of different recordings, from the
    first fold that has CC0 clips of the class. The pretrained model was not trained on fold 1.

    Notebook: 00_start_here
    """
    clips = esc10_clips()
    clips = clips[clips["licence"] == "CC0"].sort_values(["target", "fold", "file"])
    clips = clips[clips["fold"] == clips.groupby("target")["fold"].transform("min")]
    clips = clips.drop_duplicates(["target", "source"]).groupby("target").head(PER_CLASS)
    return clips.reset_index(drop=True)


def _bundled(folder):
    """ESC-10's clips that come with the package, all in one folder."""
    clips = bundled_clips()
    clips["file"] = clips["clip_id"] + ".ogg"
    _same(folder, clips, "file", _files(folder, "*"), "files of the package")
    clips["path"] = [str(folder / file) for file in clips["file"]]
    return _unchanged(clips)


def _unchanged(clips):
    """Clips of ESC-10 with their original files' bytes."""
    changed = clips[_digests(clips["path"]) != clips["sha256"]]
    if len(changed):
        first, n = changed["path"].iloc[0], len(changed)
        found = f"its {os.path.getsize(first)} bytes have another SHA-256 (truncated or replaced?)"
        raise DatasetError(f"{first}: is not ESC-10's: {found}; {n} of {len(clips)} files differ")
    return clips


def _same_recordings(clips):
    """Refuse WAV files that do not hold the sounds of ESC-10's Ogg files."""
    agree = fingerprint.agreement(fingerprint.of_files(clips["path"]),
                                  fingerprint.from_texts(clips["fingerprint"]))
    own, nearest = agree.diagonal(), agree.max(axis=1)
    strange = clips[(own < fingerprint.SAME) | (own < nearest)]
    if len(strange):
        k = strange.index[0]
        like = (f", {nearest[k]} with {clips['clip_id'][agree[k].argmax()]}"
                if nearest[k] >= fingerprint.SAME else "")
        raise DatasetError(
            f"{clips['path'][k]}: is another sound than ESC-10's {clips['clip_id'][k]}: {own[k]} "
            f"of {fingerprint.BITS} bits of its fingerprint agree, expected at least "
            f"{fingerprint.SAME}{like}; {len(strange)} of {len(clips)} files differ")


def _esc50(folder, only_esc10=False):
    """ESC-50: audio/*.wav and meta/esc50.csv."""
    clips = _esc50_layout(folder, only_esc10)
    for path in clips["path"]:
        _check_wav(path, ESC50_FORMAT)
    if sums := _record(folder).get("files"):
        digests = _digests(clips["path"])
        changed = clips["path"][[sums.get(file) != digest for file, digest in
                                 zip(clips["filename"], digests, strict=True)]]
        if len(changed):
            raise DatasetError(f"{changed.iloc[0]}: changed since it was fetched ({len(changed)} "
                               f"of {len(clips)} files differ); without {folder} it is fetched "
                               "again")
    return clips


def _esc50_copy(folder, only_esc10=False):
    """The 16 kHz, 8-bit copy of ESC-50, in the same layout; every clip by its SHA-256."""
    clips = _esc50_layout(folder, only_esc10)
    sums = pd.read_csv(ASSETS / "esc50_16k.csv", index_col="filename")
    expected = clips["filename"].map(sums["sha256"])
    if len(changed := clips[_digests(clips["path"]) != expected]):
        _check_wav(changed["path"].iloc[0], COPY_FORMAT)
        raise DatasetError(f"{changed['path'].iloc[0]}: is not the copy's: another SHA-256; "
                           f"{len(changed)} of {len(clips)} files differ")
    return clips


def _esc50_layout(folder, only_esc10):
    """The clips of an ESC-50 folder by their names; nothing is opened."""
    meta = folder / "meta" / "esc50.csv"
    if not meta.is_file():
        raise _wrong(folder, "meta/esc50.csv and audio/")
    try:
        clips = pd.read_csv(meta, usecols=list(_META), dtype=_META, keep_default_na=False)
    except (ValueError, OverflowError) as error:  # also whole numbers beyond 64 bits
        raise DatasetError(f"{meta}: is not the table of ESC-50 ({separator(meta) or error})"
                           ) from error
    different = clips["filename"].nunique()
    if not different == len(clips) == ESC50_CLIPS:
        raise DatasetError(f"{meta}: {len(clips)} rows, {different} clips, expected {ESC50_CLIPS}")
    fields = clips[["fold", "src_file", "take", "target"]].astype(str)
    if len(wrong := clips[fields.agg("-".join, axis=1) + ".wav" != clips["filename"]]):
        first = wrong["filename"].iloc[0]
        raise DatasetError(f"{meta}: {first!r} is not fold-src_file-take-target.wav of its row")
    for name in ("category", "src_file", "take"):  # pages show them: no sign may be markup there
        if len(odd := clips[~clips[name].str.fullmatch("[A-Za-z0-9_]+")]):
            raise DatasetError(f"{meta}: {name} {odd[name].iloc[0]!r}, expected letters, digits "
                               "and underscores")
    if len(pairs := clips[["target", "category"]].drop_duplicates()) > pairs["target"].nunique():
        raise DatasetError(f"{meta}: a target has more than one category")
    found = set(_files(folder / "audio", "*.wav"))
    if only_esc10:
        clips = clips[clips["esc10"]]
        found &= set(clips["filename"])
    _same(folder / "audio", clips, "filename", found, "files listed in meta/esc50.csv")
    clips = clips.assign(
        clip_id=clips["filename"].str.rsplit("-", n=1).str[0],
        path=[str(folder / "audio" / file) for file in clips["filename"]],
        source=clips["src_file"],
        licence=ESC50_LICENCE,
        author="its recordist at Freesound",
        url=[f"https://freesound.org/s/{source}/" for source in clips["src_file"]],
    )
    return clips


def _check_wav(path, expected):
    """The header alone: 2,000 files in a fraction of a second; `audio.read` checks the rest."""
    import soundfile

    try:
        info = soundfile.info(path)
    except soundfile.SoundFileError as error:
        raise DatasetError(f"{path}: is no audio that can be decoded ({error})") from error
    found = (info.samplerate, info.channels, info.frames)
    if found != expected:
        has, wants = ("{} Hz, {} channel(s), {} samples".format(*x) for x in (found, expected))
        other = {ESC50_FORMAT: "esc50", COPY_FORMAT: "esc50-16k"}.get(found)
        hint = f"; this is a clip of {other}" * bool(other)
        raise DatasetError(f"{path}: has {has}, expected {wants}{hint}")


def _generated():
    """The folder of the generated data set, written when it is not there yet."""
    from . import synth

    folder = cached(f"synth-{synth.VERSION}", lambda folder: (folder / SUMS).is_file())
    if folder.is_dir() and not (folder / SUMS).is_file():
        shutil.rmtree(folder)  # of an earlier version, which could not be checked
    if not folder.is_dir():
        with locked(folder):
            if not folder.is_dir():  # nor has another process written it meanwhile
                _generate(folder)
    return folder


def _generate(folder):
    from . import synth

    sweep(folder)
    with arriving(folder) as new:
        synth.write(new)
        sums = {path.name: file_hash(path) for path in new.glob("*.wav")}
        (new / SUMS).write_text(json.dumps(sums), encoding="utf-8")


def _synth(folder):
    from . import synth

    clips = synth.plan()
    clips["file"] = clips["clip_id"] + ".wav"
    found = _files(folder, "*.wav")
    _same(folder, clips, "file", found, f"files of synth {synth.VERSION}")
    path = [str(folder / file) for file in clips["file"]]
    try:
        sums = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        changed = [p for p, digest in zip(path, _digests(path), strict=True)
                   if sums[Path(p).name] != digest]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{folder / SUMS}: expected the checksums of {folder.name} ({error}); "
                           "without the folder it is generated again") from error
    if changed:
        raise DatasetError(f"{changed[0]}: changed since it was generated ({len(changed)} of "
                           f"{len(path)} files differ); without {folder} it is generated again")
    return clips.assign(path=path, licence="CC0 (generated)", author="ACRNN kit", url="")


def _folder(folder):
    from .folder import load  # scikit-learn, which the other data sets can do without

    return load(folder)


def _same(folder, clips, column, found, what):
    """Refuse a folder with missing or strange files; name them, their folds and classes.

    clips : all that there should be, named by ``column``; found : names
    """
    expected, found = set(clips[column]), {name for name in found if "/." not in f"/{name}"}
    end = f"; expected {len(expected)} {what}, found {len(found)}"
    if missing := expected - found:
        lost = clips[clips[column].isin(missing)]
        where = "; ".join(f"{title} {_shares(lost[name], clips[name])}" for title, name in
                          {"folds": "fold", "classes": "category"}.items())
        raise DatasetError(f"{folder}: {len(missing)} missing: {_list(missing, 3)} ({where}){end}"
                           f"{_instead(folder, missing)}")
    if strange := found - expected:
        raise DatasetError(f"{folder}: {len(strange)} strange: {_list(strange, 3)}{end}")


def _shares(lost, whole):
    """Text such as ``dog: 3 of 40, rain: 1 of 40`` for the values of two Series."""
    all_of = whole.value_counts()
    texts = [f"{value}: {n} of {all_of[value]}"
             for value, n in lost.value_counts(sort=False).sort_index().items()]
    return ", ".join(texts[:10]) + (f" and {len(texts) - 10} more" if len(texts) > 10 else "")


def _instead(folder, missing):
    """What lies there in place of missing files, in words, and what to do about it."""
    wanted = {Path(name).stem: Path(name) for name in missing}
    found = sorted(path for path in folder.rglob("*") if path.stem in wanted and path.is_file())
    if not found:
        return ""
    first, right = found[0], wanted[found[0].stem]
    if first.name == right.name:
        return f"; {len(found)} lie in {first.parent}: move them to {(folder / right).parent}"
    advice = (f"rename them to {right.suffix}" if first.suffix.lower() == right.suffix else
              f"the data set's own {right.suffix} files are needed, others cannot be checked")
    return f"; {len(found)} are there as {first.suffix}: {advice}"


def _wrong(folder, expected):
    found = _list([path.name for path in folder.iterdir()], 4) or "nothing"
    hint = "; move esc50.csv to meta/esc50.csv" if (folder / "esc50.csv").is_file() else ""
    return DatasetError(f"{folder}: expected {expected}, found {found}{hint}")


def _files(folder, pattern):
    """Names of the files in a folder; a folder or a dead link of such a name is no sound."""
    return [path.name for path in folder.glob(pattern) if path.is_file()]


def _list(names, n):
    shown = [name if name.isprintable() else repr(name) for name in sorted(names)[:n]]
    return ", ".join(shown) + (", ..." if len(names) > n else "")


def _digests(paths):
    with ThreadPoolExecutor() as pool:  # hashing and reading release Python's lock
        return list(pool.map(file_hash, paths))


