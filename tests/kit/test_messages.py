"""Wrong answers that learners gave: the message names the mistake, and the right answer passes."""

import ast
import inspect
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from acrnn_lib.features.frontend import delta
from acrnn_lib.kit.checks import nb00, nb01, nb02, nb03, nb04, nb05, nb06
from acrnn_lib.kit.exercises import Exercise, NotRight, check, used
from acrnn_lib.models.acrnn import ACRNN

FOUR = pd.DataFrame({"category": ["rain", "clock_tick", "rooster", "helicopter"]})


def refused(words, asked, answer, *given):
    with pytest.raises(NotRight, match=words):
        check(asked, answer, *given)


def said(capsys, asked, answer, *given):
    check(asked, answer, *given)
    return capsys.readouterr().out


def test_a_class_may_be_written_with_a_space_and_an_unknown_one_is_named(capsys):
    names = dict(zip("ABCD", ["rain", "Clock tick", "rooster", "helicopter"], strict=True))
    assert "Right" in said(capsys, nb01.read_four_pictures, names, FOUR)
    refused("'thunder' is not one of the four classes: clock_tick, helicopter",
            nb01.read_four_pictures, {**names, "A": "thunder"}, FOUR)
    refused("2 of 4 are correct", nb01.read_four_pictures,
            {**names, "A": "rooster", "C": "rain"}, FOUR)


def test_the_standard_deviation_is_no_root_mean_square(capsys):
    def crest(level):
        return lambda wave: 20 * np.log10(np.abs(wave).max() / level(wave))

    refused("subtracts the mean", nb01.crest_factor, crest(np.std))
    assert "Right" in said(capsys, nb01.crest_factor, crest(lambda w: np.sqrt(np.mean(w**2))))


def test_the_parameter_b_is_no_bandwidth(capsys):
    refused("The width is ERB itself", nb02.band_of_200_hertz, (200 / 1.019 - 24.7) * 9.26449)
    assert "Right" in said(capsys, nb02.band_of_200_hertz, (200 - 24.7) * 9.26449)


@pytest.mark.parametrize(("hertz", "words"), [
    (3672, "upwards"), (2450, "do not cut off"), (2450.9, "Round to the nearest"),
    (2125, "multiply a frequency"), (3000, "to the power")])
def test_each_wrong_shift_is_named(hertz, words):
    refused(f"^{hertz} Hz: .*{words}", nb03.shifted_beep, hertz)


def test_the_shift_is_measured_finer_than_it_is_exact(capsys):
    text = said(capsys, nb03.shifted_beep, 2451)
    assert "Right, 2450.9 Hz" in text
    measured = float(text.split("pitch_shift: ")[1].split(" Hz")[0])
    assert 0 < abs(measured - 3000 * 2 ** (-3.5 / 12)) <= 0.7 and measured != round(measured)


class Mine(ACRNN):  # the right network, with an order of the axes and a last layer to get wrong
    axes, last = (0, 3, 1, 2), nn.Identity()

    def __init__(self, n_classes):
        super().__init__(n_classes=n_classes)

    def forward(self, x):
        for layer in self.cnn.values():
            x = layer(x)
        hidden = self.dropout(self.l9(x.permute(*self.axes).flatten(2)))
        summed, weights = self.attention(self.dropout(self.l10(hidden)))
        return self.last(self.classifier(summed)), weights


def test_swapped_axes_and_a_softmax_in_the_network_are_named(capsys):
    x = torch.randn(2, 2, 128, 128, generator=torch.Generator().manual_seed(0))
    assert "Right" in said(capsys, nb04.network, Mine, x)
    refused("channels before the bands", nb04.network,
            type("Swapped", (Mine,), {"axes": (0, 3, 2, 1)}), x)
    refused("passed a softmax", nb04.network, type("Sure", (Mine,), {"last": nn.Softmax(1)}), x)
    refused("differ by up to", nb04.network, type("Odd", (Mine,), {"last": nn.Tanh()}), x)


def test_a_softmax_over_the_batch_and_a_fixed_number_of_classes_are_named():
    refused("over the segments of the batch", nb04.frame_attention,
            lambda features: nb04._AcrossSegments(features, "softmax"))
    refused("for 50 classes", nb04.network, lambda classes: Mine(10),
            torch.zeros(2, 2, 128, 128))


@pytest.mark.parametrize("asked", [nb04.conv_block, nb04.recurrent_layer, nb04.frame_attention,
                                   nb06.draw, nb06.normalise, nb06.step, nb06.epoch])
def test_an_untouched_exercise_is_replaced_and_a_wrong_one_is_named(asked):
    assert used(asked, lambda *given: None, "the library's") == "the library's"
    with pytest.raises(NotRight):
        used(asked, lambda *given: undefined, "the library's")  # noqa: F821


def test_a_padding_given_as_a_word_is_refused_where_it_is_written():
    refused("padding as numbers", nb04.conv_block, lambda channels, filters, kernel, pool:
            nn.Sequential(nn.Conv2d(channels, filters, kernel, padding="same", bias=False),
                          nn.BatchNorm2d(filters), nn.ReLU(), *[nn.MaxPool2d(pool)] * bool(pool)))


def test_the_function_that_is_to_be_written_is_no_answer():
    for answer in (F.cross_entropy, lambda logits, targets: F.cross_entropy(logits, targets)):
        refused(r"^That (is|calls) F\.cross_entropy", nb06.cross_entropy, answer)
    refused("These are the gates", nb05.sigmoid_scaling, torch.sigmoid)


def test_a_late_loss_a_half_rate_and_a_count_from_zero_are_named():
    refused("the loss after the step", nb06.step, lambda model, optimizer, x, targets:
            nb06.textbook_step(model, optimizer, x, targets, late=True))
    refused("not by 2", nb06.schedule, lambda first, progress:
            first * 0.5 ** min(int(progress * 3), 2))

    def late(values, decay):
        average = values[0]
        for n, now in enumerate(values[1:]):
            kept = min(decay, (1 + n) / (10 + n))
            average = kept * average + (1 - kept) * now
        return average
    refused("n = 1, not 0", nb06.average, late)


def test_a_padding_given_as_a_word_is_named_where_the_stride_does_not_allow_it():
    block = nn.Sequential(nn.Conv2d(2, 32, (3, 5), padding="same", stride=1))
    block[0].stride = (2, 3)
    refused(r"Give numbers in exercise 2: padding=\(kernel", nb04.pretrained,
            lambda tensors: block.eval(), {}, torch.zeros(1, 2, 128, 128), None)


def test_the_scores_of_the_notebook_are_those_that_are_judged(capsys):
    assert "Right: 9" in said(capsys, nb05.sharpness, 9)
    assert "Right: 3" in said(capsys, nb05.sharpness, 3, torch.tensor([[0.0, 1.0]]))
    refused("below 0.9", nb05.sharpness, 2, torch.tensor([[0.0, 1.0]]))


@pytest.mark.parametrize("limits", [(0.33, 0.66), (0.33, 2 / 3), (1 / 3, 0.67), (0.333, 0.666),
                                    (0.34, 0.67)])
def test_thirds_are_not_rounded(limits):
    refused("the thirds end at 1/3 and 2/3", nb06.schedule,
            lambda first, progress: first * 0.1 ** sum(progress >= limit for limit in limits))


def test_thirds_may_be_compared_with_fractions(capsys):
    assert "Right" in said(capsys, nb06.schedule, lambda first, progress: (
        first if progress < 1 / 3 else first / 10 if progress < 2 / 3 else first / 100))


def step(number=lambda loss: loss.item(), logits=lambda output: output):
    def my_step(model, optimizer, x, targets):
        optimizer.zero_grad()
        loss = F.cross_entropy(logits(model(x)), targets)
        loss.backward()
        optimizer.step()
        return number(loss)
    return my_step


@pytest.mark.filterwarnings("error")
def test_a_step_returns_a_number_and_its_model_logits_alone(capsys):
    assert "Right" in said(capsys, nb06.step, step())
    refused(r"Return the number in it, loss\.item\(\)", nb06.step, step(lambda loss: loss))
    refused("returns the logits alone", nb06.step, step(logits=lambda output: output[0]))
    refused("raised TypeError", nb06.step, step(logits=lambda output: output("x")))


def test_an_epoch_calls_its_argument(capsys):
    mine = step()

    def epoch(take):
        def my_epoch(model, optimizer, batches, step):
            model.train()
            total = sum(take(step)(model, optimizer, x, t) * len(x) for x, t in batches)
            return total / sum(len(x) for x, _ in batches)
        return my_epoch

    assert "Right" in said(capsys, nb06.epoch, epoch(lambda given: given))
    refused("'zero_grad'. Call the argument `step`", nb06.epoch, epoch(lambda given: mine))
    refused("Call the argument `step` for each batch", nb06.epoch,
            epoch(lambda given: lambda *_: 1.0))


@pytest.mark.parametrize(("words", "mix"), [
    ("r is the share of the first", lambda a, b, r: np.logaddexp(
        b + 2 * np.log(r), a + 2 * np.log(1 - r))),
    ("take the logarithm", lambda a, b, r: r**2 * np.exp(a) + (1 - r)**2 * np.exp(b)),
    ("mixed the logarithms", lambda a, b, r: r * a + (1 - r) * b),
    ("take their squares", lambda a, b, r: np.log(r * np.exp(a) + (1 - r) * np.exp(b))),
    (r"off by up to .* their weights r\*\*2", lambda a, b, r: np.logaddexp(a, b))])
def test_each_wrong_mix_is_named(words, mix):
    refused(words, nb03.mixed_sounds, mix)


def test_a_useful_answer_for_a_sound_of_no_class_is_named_where_there_are_probabilities(capsys):
    def network(*classes):
        found = {"seconds": 1.0, "note": None, "classes": classes}
        return SimpleNamespace(file=lambda _: found)

    found = said(capsys, nb00.own_sound, "kettle.wav", network({"name": "dog", "probability": 0.7}))
    assert "70.0%  dog" in found and "none of these" in found
    assert "none of these" not in said(capsys, nb00.own_sound, "silence.wav", network())


@pytest.mark.parametrize("module", [nb00, nb01, nb02, nb03, nb05], ids=lambda m: m.__name__[-4:])
def test_what_show_prints_needs_no_other_part_of_the_file(module):
    """These notebooks say that the printed check holds the answer."""
    tree = ast.parse(inspect.getsource(module)).body
    own = {node.name for node in tree if isinstance(node, ast.FunctionDef)} | {
        target.id for node in tree if isinstance(node, ast.Assign) for target in node.targets}
    for asked in (value for value in vars(module).values() if isinstance(value, Exercise)):
        assert not own & set(asked.judge.__code__.co_names), asked.judge.__name__


def test_the_checks_of_the_delta_and_of_the_scores_print_their_answers(capsys):
    nb02.own_delta.show()
    assert "(padded[:, 2:] - padded[:, :-2]) / 2" in capsys.readouterr().out
    nb05.sharpness.show()
    assert "0.5, 0.2, 0.1, 1.0, 0.7, 0.3, 0.1" in capsys.readouterr().out
    check(nb02.own_delta, lambda x: delta(torch.from_numpy(x), 3).numpy())  # the library's own
