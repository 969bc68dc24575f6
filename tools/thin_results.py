"""Keep committed evidence small: attention stays with seed 0 on fold 1, and with generated sounds.

python tools/thin_results.py

Pictures and weights are most of a run's bytes, and the notebooks read those of one run of each
experiment. What is left out stays in the manifest, under `left_out`, with its SHA-256.
"""

import json
from pathlib import Path

from acrnn_lib.evaluation import results
from acrnn_lib.files import write_bytes


def main(root="results"):
    for manifest in sorted(Path(root).rglob(results.MANIFEST)):
        run = results.Run.at(manifest.parent)
        shown = (run.dataset == "synth" or (run.seed, run.fold) == (0, 1))
        if not (shown and run.folder.is_relative_to(Path(root, run.dataset))) and leave_out(run):
            print(run.folder)


def leave_out(run):
    """Remove a run's attention and say so in its manifest; False where it kept none."""
    noted = dict(run.manifest)
    digests = dict(noted["sha256"])
    path = run.folder / results.ATTENTION
    if results.ATTENTION not in digests:
        if results.ATTENTION in noted.get("left_out", {}):
            path.unlink(missing_ok=True)  # a kill came between the two writes
        return False
    if path.exists():
        run.attention  # noqa: B018 (read, since a damaged one is to be looked at, not removed)
    noted["left_out"] = {results.ATTENTION: digests.pop(results.ATTENTION)}
    noted["sha256"] = digests
    # the manifest first: a kill in between leaves a file that nothing names, and the next call ends
    text = json.dumps(noted, indent=1) + "\n"
    write_bytes(run.folder / results.MANIFEST, text.encode())
    path.unlink(missing_ok=True)
    return True


if __name__ == "__main__":
    main()
