"""A small network in NumPy, of which the leakage laboratory trains hundreds.

Notebook: 12_leakage_laboratory
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import softmax
from sklearn.preprocessing import StandardScaler


class SmallNetwork:
    """A multilayer perceptron: one hidden layer, ReLU, Adam, batches of 64, standardised inputs.

    Written in NumPy: at this size most of a library's time is call overhead, and hundreds of these
    are trained.

    Parameters
    ----------
    seed : int
    hidden : int
        Hidden units.
    n_epochs : int
        Epochs of ``fit``.
    learning_rate : float

    References
    ----------
    Kingma and Ba 2015 (Adam).

    Notebook: 12_leakage_laboratory
    """

    def __init__(self, seed: int = 0, hidden: int = 64, n_epochs: int = 40,
                 learning_rate: float = 3e-3):
        self.seed, self.hidden, self.n_epochs = seed, hidden, n_epochs
        self.learning_rate = learning_rate

    def fit(self, inputs: np.ndarray, targets: np.ndarray) -> "SmallNetwork":
        """Train anew for ``n_epochs`` epochs.

        Parameters
        ----------
        inputs : np.ndarray, shape (n, d)
        targets : np.ndarray, shape (n,)

        Returns
        -------
        SmallNetwork
            Itself.
        """
        for _ in self.epochs(inputs, targets, self.n_epochs):
            pass
        return self

    def epochs(self, inputs: np.ndarray, targets: np.ndarray,
               n_epochs: int) -> Iterator["SmallNetwork"]:
        """Train anew, one epoch per step of the iterator.

        Parameters
        ----------
        inputs : np.ndarray, shape (n, d)
        targets : np.ndarray, shape (n,)
        n_epochs : int

        Yields
        ------
        SmallNetwork
            Itself, after each epoch.
        """
        self.scaler = StandardScaler().fit(inputs)
        self.classes_, index = np.unique(targets, return_inverse=True)
        x, one_hot = self._scaled(inputs), np.eye(len(self.classes_), dtype=np.float32)[index]
        rng = np.random.default_rng(self.seed)
        shapes = ((x.shape[1], self.hidden), (self.hidden, len(self.classes_)))
        self.weights = [(rng.normal(0, 1, shape) / shape[0] ** 0.5).astype(np.float32)
                        for shape in shapes]
        self.biases = [np.zeros(shape[1], np.float32) for shape in shapes]
        parameters = [*self.weights, *self.biases]
        first, second = ([np.zeros_like(p) for p in parameters] for _ in range(2))  # moments
        step = 0
        for _ in range(n_epochs):
            order = rng.permutation(len(x))
            for batch in np.array_split(order, -(-len(order) // 64)):
                step += 1
                gradients = self._gradients(x[batch], one_hot[batch])
                for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
                    m += 0.1 * (g - m)
                    v += 0.001 * (g * g - v)
                    p -= (self.learning_rate / (1 - 0.9**step)) * m / (
                        np.sqrt(v / (1 - 0.999**step)) + 1e-8)
            yield self

    def _gradients(self, x, one_hot):
        """Of the mean cross-entropy with respect to the weights and biases, in their order."""
        hidden, probabilities = self._forward(x)
        error = (probabilities - one_hot) / len(x)
        back = (error @ self.weights[1].T) * (hidden > 0)
        return x.T @ back, hidden.T @ error, back.sum(0), error.sum(0)

    def _scaled(self, inputs):
        return self.scaler.transform(inputs).astype(np.float32)

    def _forward(self, x):
        hidden = np.maximum(x @ self.weights[0] + self.biases[0], 0)
        return hidden, softmax(hidden @ self.weights[1] + self.biases[1], axis=1)

    def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
        """Class probabilities (n, C), float32, of inputs (n, d)."""
        return self._forward(self._scaled(inputs))[1]

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Most probable class (n,) of inputs (n, d)."""
        return self.classes_[self.predict_proba(inputs).argmax(axis=1)]
