"""Whether a folder holds the files of its data set and no others, and in words what is wrong.

Notebook: 00_start_here
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from ..files import DatasetError, file_hash


def must_hold(folder: Path, clips: pd.DataFrame, column: str, found: Iterable[str],
              what: str) -> None:
    """Refuse a folder with missing or strange files.

    Parameters
    ----------
    folder : Path
    clips : pd.DataFrame
        Clip table of all that there should be.
    column : str
        Of the table, which names the files.
    found : iterable of str
        Names of the files that are there; hidden ones are not counted.
    what : str
        What is expected, in words, after its number.

    Raises
    ------
    DatasetError
        Names the first files, their folds and classes, and what lies there in their place.
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


def other_layout(folder: Path, expected: str) -> DatasetError:
    """The error of a folder that is laid out otherwise; says what is in it."""
    found = _list([path.name for path in folder.iterdir()], 4) or "nothing"
    hint = "; move esc50.csv to meta/esc50.csv" if (folder / "esc50.csv").is_file() else ""
    return DatasetError(f"{folder}: expected {expected}, found {found}{hint}")


def file_names(folder: Path, pattern: str) -> list[str]:
    """Names of the files in a folder; a folder or a dead link of such a name is no sound."""
    return [path.name for path in folder.glob(pattern) if path.is_file()]


def digests(paths: Iterable[str]) -> list[str]:
    """SHA-256 (hex) of each file."""
    with ThreadPoolExecutor() as pool:  # hashing and reading release Python's lock
        return list(pool.map(file_hash, paths))


def _list(names, n):
    shown = [name if name.isprintable() else repr(name) for name in sorted(names)[:n]]
    return ", ".join(shown) + (", ..." if len(names) > n else "")
