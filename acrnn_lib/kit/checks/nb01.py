"""Checks of notebook 01.

Notebook: 01_listen_and_look
"""

import numpy as np

from ..exercises import FUNCTION, NAMES, TEXT, NotRight, Untouched, exercise


@exercise(NAMES, "thin vertical lines at equal distances; a pitch that glides; a texture that "
          "never changes; a dense, regular beat. Do not use backgrounds, pauses or silence.")
def read_four_pictures(names, clips):
    """The classes of four pictures, A to D, of a table of clips."""
    truth = dict(zip("ABCD", clips.category, strict=True))
    if names.keys() != truth.keys():
        raise NotRight(f"Found the letters {', '.join(map(str, names))}, expected A, B, C and D.")
    names = {letter: name and name.strip().lower().replace(" ", "_")
             for letter, name in names.items()}
    if unknown := {name for name in names.values() if name} - set(truth.values()):
        raise NotRight(f"{min(unknown)!r} is not one of the four classes: "
                       f"{', '.join(sorted(truth.values()))}.")
    wrong = [letter for letter in truth if names[letter] not in (None, truth[letter])]
    if None in names.values() and not wrong:
        raise Untouched
    if wrong:
        raise NotRight(f"{4 - len(wrong)} of 4 are correct. Look again at {', '.join(wrong)}.")
    return "Right: all four are correct."


@exercise(TEXT, "table.source.value_counts() sorts recordings by their number of clips.")
def several_clips(source, table):
    """A recording from which at least two clips of the table were cut."""
    found = table[table.source == source]
    if not len(found):
        raise NotRight(f"There is no recording {source!r}; a source is the middle of a clip_id.")
    if len(found) < 2:
        raise NotRight(f"Only one clip was cut from recording {source}.")
    return f"Right: {', '.join(found.clip_id)}, all in fold {found.fold.iloc[0]}."


@exercise(FUNCTION, "np.abs(wave).max() and np.sqrt(np.mean(wave**2)).")
def crest_factor(my_crest):
    """The largest absolute value over the root mean square, in dB."""
    at = np.arange(4410)
    clicks = np.where(at % 441 < 20, 1.0, 0.0)
    for name, wave in {"a sine": np.sin(2 * np.pi * at / 441), "clicks": clicks,
                       "clicks, half as loud": clicks / 2, "clicks downwards": -clicks,
                       "a square wave": np.sign(np.sin(2 * np.pi * (at + 0.5) / 441))}.items():
        with np.errstate(all="ignore"):
            mine = float(my_crest(wave))
        peak = np.abs(wave).max()
        right = 20 * np.log10(peak / np.sqrt(np.mean(wave**2)))
        if np.isclose(mine, right, atol=0.01):
            continue
        if np.isclose(mine, right / 2, atol=0.01):
            raise NotRight(f"{name}: {mine:.2f} dB is half of the right value: "
                           "amplitudes take 20 log10, not 10.")
        if np.isclose(mine, 20 * np.log10(peak / wave.std()), atol=0.01):
            raise NotRight(f"{name}: found {mine:.2f} dB, expected {right:.2f} dB. The standard "
                           "deviation subtracts the mean first; the root mean square does not.")
        raise NotRight(f"{name}: found {mine:.2f} dB, expected {right:.2f} dB.")
    return "Right. It does not depend on the level, only on the shape of the wave."
