"""Draw the README's picture from a committed run: a spectrogram and the attention paid to it.

python tools/make_picture.py results/esc10/lite/acrnn-plus/seed0/fold1 dog
"""

import sys
from pathlib import Path

from acrnn_lib import viz
from acrnn_lib.config import FeatureConfig
from acrnn_lib.data import esc
from acrnn_lib.evaluation import results
from acrnn_lib.features.segments import audible, segment_starts

TARGET = Path("book/images/attention.png")


def main(folder, category):
    run = results.Run.at(folder)
    maps = run.attention
    k = run.manifest["classes"].index(category)
    clip_id = str(maps["clip_id"][k])
    low, high = maps["log_range"]
    static = maps["log_gammatone"][k] / 255 * (high - low) + low
    config = FeatureConfig()
    heard = audible(static, config).numpy()[segment_starts(static.shape[1], config)]
    fig, _ = viz.attention_map(
        static, maps["attention"][k][heard], maps["segment_starts"][heard],
        title=f"Where does it listen? {category} {clip_id}, ESC-10 test fold {run.fold}, "
              f"{run.experiment} ({run.profile})")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(TARGET, dpi=110)
    credits = esc.esc10_clips().set_index("clip_id").loc[clip_id]
    print(f"{TARGET}: {clip_id}, {credits.author}, {credits.licence}, {credits.url}")


if __name__ == "__main__":
    main(*sys.argv[1:])
