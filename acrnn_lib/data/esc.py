"""ESC-10, ESC-50 and their 16 kHz, 8-bit copies in a folder, each clip checked.

Notebook: 01_listen_and_look
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ..files import DatasetError, separator
from . import fingerprint
from .contents import digests, file_names, must_hold, other_layout

ASSETS = Path(__file__).parents[1] / "assets"
RECORD = "download.json"  # beside sounds that were fetched
CLIPS = ASSETS / "clips"
PER_CLASS = 2  # of the bundled clips
ESC50_CLIPS, ESC50_FORMAT = 2000, (44100, 1, 220500)  # Hz, channels, samples per channel
ESC50_LICENCE = "CC BY-NC 3.0 (collection)"
COPY_FORMAT = (16000, 1, 80000)
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


def esc10_clips() -> pd.DataFrame:
    """Return ESC-10's clips without paths, but with title, file and sha256; needs no data."""
    table = ASSETS / "esc10.csv"
    return pd.read_csv(table, dtype={"source": str}, keep_default_na=False)


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


def family(category: str) -> str:
    """Return the family of ESC-50 that a class belongs to, a key of FAMILIES; "" for other classes.

    Notebook: 08_confusion_matrices
    """
    return _FAMILY_OF.get(category, "")


def esc10(folder: Path, find: Callable[..., pd.DataFrame] | None = None) -> pd.DataFrame:
    """Read ESC-10 in its original folders, or inside an ESC-50 folder, whose clips ``find`` reads.

    Parameters
    ----------
    folder : Path
    find : callable, optional
        ``esc50_copy`` for the 16 kHz copy, by default ``esc50``.

    Returns
    -------
    pd.DataFrame
        Columns of ``datasets.load`` and more.

    Raises
    ------
    DatasetError
        For missing, strange and changed files.
    """
    clips = esc10_clips()
    if find or (folder / "meta" / "esc50.csv").is_file():
        found = (find or esc50)(folder, only_esc10=True).set_index("clip_id")["path"]
        must_hold(folder, clips, "clip_id", found.index,
                  "clips with esc10 == True in meta/esc50.csv")
        clips["path"] = clips["clip_id"].map(found)
        if find:  # the copy, whose files were checked one by one, has its collection's licence
            return clips.assign(licence=ESC50_LICENCE)
        _same_recordings(clips)
        return clips
    classes = sorted({Path(file).parent.name for file in clips["file"]})
    if not any((folder / name).is_dir() for name in classes):
        raise other_layout(folder, f"the folders {classes[0]!r} to {classes[-1]!r}, or "
                                   "meta/esc50.csv")
    found = [f"{name}/{file}" for name in classes for file in file_names(folder / name, "*.ogg")]
    must_hold(folder, clips, "file", found, "files named fold-id-take.ogg")
    clips["path"] = [str(folder / file) for file in clips["file"]]
    return _unchanged(clips)


def bundled(folder: Path) -> pd.DataFrame:
    """Read ESC-10's clips that come with the package, all in one folder."""
    clips = bundled_clips()
    clips["file"] = clips["clip_id"] + ".ogg"
    must_hold(folder, clips, "file", file_names(folder, "*"), "files of the package")
    clips["path"] = [str(folder / file) for file in clips["file"]]
    return _unchanged(clips)


def _unchanged(clips):
    """Clips of ESC-10 with their original files' bytes."""
    changed = clips[digests(clips["path"]) != clips["sha256"]]
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


def esc50(folder: Path, only_esc10: bool = False) -> pd.DataFrame:
    """Read ESC-50: ``audio/*.wav`` and ``meta/esc50.csv``.

    With ``only_esc10`` its clips alone, the only ones that then have to be there.
    """
    clips = _layout(folder, only_esc10)
    for path in clips["path"]:
        _check_wav(path, ESC50_FORMAT)
    if sums := record(folder).get("files"):
        changed = clips["path"][[sums.get(file) != digest for file, digest in
                                 zip(clips["filename"], digests(clips["path"]), strict=True)]]
        if len(changed):
            raise DatasetError(f"{changed.iloc[0]}: changed since it was fetched ({len(changed)} "
                               f"of {len(clips)} files differ); without {folder} it is fetched "
                               "again")
    return clips


def esc50_copy(folder: Path, only_esc10: bool = False) -> pd.DataFrame:
    """Read the 16 kHz, 8-bit copy of ESC-50, in the same layout; every clip by its SHA-256."""
    clips = _layout(folder, only_esc10)
    sums = pd.read_csv(ASSETS / "esc50_16k.csv", index_col="filename")
    expected = clips["filename"].map(sums["sha256"])
    if len(changed := clips[digests(clips["path"]) != expected]):
        _check_wav(changed["path"].iloc[0], COPY_FORMAT)
        raise DatasetError(f"{changed['path'].iloc[0]}: is not the copy's: another SHA-256; "
                           f"{len(changed)} of {len(clips)} files differ")
    return clips


def _layout(folder, only_esc10):
    """The clips of an ESC-50 folder by their names; nothing is opened."""
    meta = folder / "meta" / "esc50.csv"
    if not meta.is_file():
        raise other_layout(folder, "meta/esc50.csv and audio/")
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
    found = set(file_names(folder / "audio", "*.wav"))
    if only_esc10:
        clips = clips[clips["esc10"]]
        found &= set(clips["filename"])
    must_hold(folder / "audio", clips, "filename", found, "files listed in meta/esc50.csv")
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


def record(folder: Path) -> dict:
    """Read what a download left beside the sounds.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        sha256 : of the archive (hex)
        files : of ESC-50, the SHA-256 of each file by name
        Empty where there was no download.

    Raises
    ------
    DatasetError
        For a damaged record.
    """
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        archive, files = kept["sha256"], kept.get("files", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DatasetError(f"{path}: not the record of a download ({error})") from error
    if not isinstance(archive, str) or not re.fullmatch("[0-9a-f]{64}", archive):
        raise DatasetError(f"{path}: sha256 is {archive!r:.80}, expected 64 hex digits")
    if not isinstance(files, dict):
        raise DatasetError(f"{path}: files is {files!r:.80}, expected names and their SHA-256")
    return {"sha256": archive, "files": files}
