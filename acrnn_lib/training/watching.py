"""Watch the predicted fold during training: clip accuracy after each epoch, in a file of its own.

Nothing in training reads the file, and its name says which fold it is about. That of a test fold is
unfit for choosing anything: it shows how much an accuracy gains if the epoch is chosen by the test.

Notebook: 07_result_tables
"""

from pathlib import Path

from ..device import LAYOUTS
from ..evaluation import results
from ..evaluation.results import ResultsError
from .testing import FoldTest

ABOUT = {
    "test": "accuracy on the test fold after each epoch; unfit for choosing anything",
    "inner": "accuracy on the validation fold after each epoch",
}


class Watch:
    """Predict the fold after each epoch, with the last and with the averaged weights.

    Parameters
    ----------
    trainer : loop.Trainer
        Only its networks are read.
    test : testing.FoldTest
        The fold to predict.
    folder : Path or str
        Run folder.
    protocol : test or inner
        Decides the name of the file, see ``results.WATCHED``.

    Raises
    ------
    ResultsError
        If the folder's checkpoint has epochs that were not watched.

    Notebook: 07_result_tables
    """

    def __init__(self, trainer, test: FoldTest, folder: Path | str, protocol: str = "test"):
        self.trainer, self.test, self.folder = trainer, test, folder
        self.name, self.about = results.WATCHED[protocol], ABOUT[protocol]
        seen = len(results.read_history(folder, self.name))
        if seen < trainer.epoch:
            raise ResultsError(f"{folder}: {trainer.epoch} epochs were trained and {seen} of them "
                               "watched; choose another output folder or remove this one")

    def after(self, epoch: int) -> None:
        """Add the epoch's accuracies to the file.

        Parameters
        ----------
        epoch : int
            Counted from 1; the trainer has just finished it.
        """
        networks = {"last": self.trainer.model}
        if self.trainer.average:
            networks["averaged"] = self.trainer.final_model()
        row = {"epoch": epoch, "clips": len(self.test.clips)}
        for weights, model in networks.items():
            table, _ = self.test.predict(model, self.trainer.autocast,
                                         LAYOUTS[self.trainer.layout], attention=False)
            named = table.filter(regex=r"^p_\d+$").to_numpy().argmax(axis=1)
            row[weights] = int((named == table["target"]).sum())
        results.append_history(self.folder, row, self.name)
