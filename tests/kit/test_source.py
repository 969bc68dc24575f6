"""Code shown in notebooks: every line of it but the docstrings."""

import ast
import inspect
import textwrap

import pytest

from acrnn_lib.attention import explain
from acrnn_lib.inference import attention_curve
from acrnn_lib.kit import leakage, source
from acrnn_lib.models import acrnn


@pytest.mark.parametrize("part", [acrnn.FrameAttention, acrnn.scale_scores, explain.curves,
                                  attention_curve, leakage.describe])
def test_what_is_shown_is_the_code_without_its_docstrings(part, capsys):
    source.show(part)
    shown = capsys.readouterr().out
    assert '"""' not in shown
    tree = ast.parse(textwrap.dedent(inspect.getsource(part)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    assert ast.dump(ast.parse(shown)) == ast.dump(tree)


def test_several_parts_stand_apart(capsys):
    source.show(acrnn.scale_scores, acrnn.FrameAttention)
    shown = capsys.readouterr().out
    assert "\n\nclass FrameAttention" in shown and shown.startswith("def scale_scores")
