"""Checks of notebook 11.

Notebook: 11_six_systems
"""

import numpy as np
import torch

from ... import config, experiments
from ...features import frontend
from ..exercises import FUNCTION, NUMBERS, TEXT, WHOLE, NotRight, exercise


@exercise(NUMBERS, "frontend.rgb(torch.tensor(level)) gives three numbers.")
def colour_of_the_middle(colour):
    """Red, green and blue of level 0.5."""
    right = frontend.rgb(torch.tensor(0.5)).tolist()
    if colour.shape != (3,):
        raise NotRight("Give three numbers, such as [0, 0.2, 1].")
    if np.allclose(colour, right, atol=1e-3):
        return "Right: the middle of the range is full green, with half red and half blue."
    if np.allclose(sorted(colour), sorted(right), atol=1e-3):
        raise NotRight("The numbers are right, but the order is wrong: red, green, blue.")
    raise NotRight(f"{colour.tolist()} is not the colour of level 0.5.")


@exercise(WHOLE, "frontend.mfcc(tilt, 20) with a tilt of shape (128, 1).")
def coefficient_of_a_tilt(number):
    """The cepstral coefficient that holds nearly all energy of a tilted spectrum."""
    tilt = torch.linspace(-1, 1, 128, dtype=torch.float64)[:, None]
    share = frontend.mfcc(tilt, 128)[:, 0].square() / tilt.square().sum()
    if number not in range(len(share)):
        raise NotRight(f"{number} is not a coefficient: they have the numbers 0 to 127.")
    if number == 0:
        raise NotRight("Coefficient 0 is the mean level, which is zero for a tilt.")
    if number != int(share[1:].argmax()) + 1:
        raise NotRight(f"Coefficient {number} holds only {share[number]:.2%} of the energy.")
    return f"Right: that coefficient holds {share[number]:.1%} of the energy."


@exercise(TEXT, "config.as_dict(experiments.experiment('acrnn').train) is a dict.")
def setting_to_keep_equal(name):
    """The setting of the training that decides how weights are updated."""
    a, b = (config.as_dict(experiments.experiment(each).train)
            for each in ("attention-rnn", "acrnn"))
    different = {key for key in a if a[key] != b[key]}
    if name == "optimizer":
        return (f"Right. Their training settings differ in {', '.join(sorted(different))}. Their "
                "initial weights are also drawn differently (model.init_std).")
    if name in different:
        raise NotRight(f"{name} also differs, but another setting decides how weights are updated.")
    raise NotRight(f"{name!r} does not differ between the two.")


@exercise(FUNCTION, "compute the log density of each component and frame, shape (k, n); "
          "np.logaddexp.reduce adds the components.")
def mixture_score(my_score):
    """The mean log likelihood of frames under a Gaussian mixture with diagonal covariances."""
    from sklearn.mixture import GaussianMixture

    draw = np.random.default_rng(0)
    mixture = GaussianMixture(3, covariance_type="diag", random_state=0).fit(
        draw.normal(size=(300, 5)) * [1, 2, 3, 1, 1] + draw.integers(0, 2, (300, 1)) * 4)
    given = mixture.weights_, mixture.means_, mixture.covariances_
    near, far = mixture.sample(50)[0], np.full((2, 5), 200.0)
    with np.errstate(all="ignore"):
        mine, away = (float(my_score(frames, *given)) for frames in (near, far))
    right, there = mixture.score(near), mixture.score(far)
    one_by_one = [mixture.score(frame[None]) for frame in near]
    if np.isclose(mine, np.log(np.mean(np.exp(one_by_one)))):
        raise NotRight("You averaged densities, so one frame with a high density decides the "
                       "score. Average their logarithms.")
    if np.isclose(mine, right * len(near)):
        raise NotRight("That is the sum over the frames. Take the mean over the frames.")
    if not np.isclose(mine, right):
        raise NotRight(f"Found {mine:.3f}, expected {right:.3f}. Did you multiply each component "
                       "by its weight?")
    if not np.isclose(away, there):
        raise NotRight(f"For frames far from every component the result is {away}: a density "
                       "became 0 before its logarithm was taken. Add logarithms instead.")
    return f"Right: {mine:.3f}, as in scikit-learn, and {there:,.0f} for frames far away."
