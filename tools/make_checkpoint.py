"""Make the checkpoint that comes with the kit from a finished run: float16, with a model card.

python tools/make_checkpoint.py results/esc10/lite/acrnn-plus/seed0/fold1
"""

import json
import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save

from acrnn_lib.evaluation import metrics, results
from acrnn_lib.evaluation.outside import FILE
from acrnn_lib.files import write_bytes

TARGET = Path("acrnn_lib/assets/acrnn.safetensors")
CARD = """# Model card: acrnn.safetensors

| what | value |
|---|---|
| what it is | the network of experiment `{experiment}`, profile `{profile}`, seed {seed}: {parameters:,} parameters, stored as float16 |
| what it hears | 10 classes: {classes} |
| trained on | folds {train_folds} of ESC-10 (Piczak 2015, CC BY 3.0), {clips} clips, {epochs} epochs, {minutes:.0f} min on {device} |
| tested on | fold {fold}, which it never saw: {correct} of {tested} clips right, {accuracy:.1%}, 95 % interval over recordings {lo:.1%} to {hi:.1%} |
| evidence | `{folder}` |
| made by commit | `{commit}` |

**Meant for** trying the notebooks and `python -m acrnn_lib predict` without training first.

**Not meant for** decisions of any kind. It knows ten classes and nothing else: a sound of any
other class also gets one of these ten. Its training clips come from one website, are 5 s long
and mostly clean. Rooms and microphones that differ from these change its answers, and so may
the choice of test fold: `results/esc10` has this recipe's runs on all of them.

Made by `tools/make_checkpoint.py`; no number here is typed.
"""


def main(folder):
    run = results.Run.at(folder)
    manifest, predictions = run.manifest, results.predictions([run])
    with safe_open(Path(folder) / "model.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        metadata = file.metadata()
    halves = {key: t.half() if t.is_floating_point() else t for key, t in tensors.items()}
    write_bytes(TARGET, save(halves, metadata))
    accuracy, lo, hi = metrics.accuracy_interval(predictions.correct, predictions.source)
    card = CARD.format(
        **run.key, folder=Path(folder).as_posix(), parameters=manifest["parameters"],
        classes=", ".join(json.loads(metadata["acrnn"])["classes"]),
        train_folds=", ".join(map(str, manifest["train_folds"])),
        clips=len(manifest["train_folds"]) * len(predictions),
        epochs=manifest["config"]["train"]["epochs"], minutes=manifest["wall_seconds"] / 60,
        device=manifest["device"], correct=int(predictions.correct.sum()),
        tested=len(predictions), accuracy=accuracy, lo=lo, hi=hi, commit=manifest["git_commit"])
    write_bytes(TARGET.with_name("MODEL_CARD.md"), card.encode())
    TARGET.with_name(FILE).unlink(missing_ok=True)  # of the network that was here before
    print(f"{TARGET}: {TARGET.stat().st_size / 1e6:.2f} MB; next: tools/outside_evidence.py limits, "
          "levels and card")


if __name__ == "__main__":
    main(sys.argv[1])
