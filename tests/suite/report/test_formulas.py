"""Formulas: every built-in loss has one in LaTeX that says what its text says; nothing of a stranger's runs in a page."""

import re
from xml.etree import ElementTree as ET

import pytest

from suite.losses.registry import BUILT_IN, DEFAULT, find_loss
from suite.report.formulas import FORMULAS, lines_of, mathml, typeset
from suite.settings.params import LossSettings

MATHML = "{http://www.w3.org/1998/Math/MathML}"
SYMBOLS = {
    "alpha",
    "beta",
    "gamma",
    "delta",
    "lambda",
    "sigma",
    "tau",
    "psi",
    "sum",
    "mean",
    "log",
    "exp",
    "max",
    "min",
}
"""Words of a text that LaTeX has as signs."""


def letters(text):
    """Names of a formula: words of three letters and more."""
    return set(re.findall(r"[A-Za-z]{3,}", text.replace("_", " ")))


def test_every_built_in_loss_has_lines_and_each_is_understood():
    assert FORMULAS.keys() == BUILT_IN.keys()
    for lines in FORMULAS.values():
        for line in lines:
            element = ET.fromstring(mathml(line, display=True))
            assert element.tag == f"{MATHML}math"
            assert not set("".join(element.itertext())) & set("\\&#;"), line  # what the library passed over or escaped


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_names_in_the_text_of_a_loss_are_in_its_lines_too(name):
    text = find_loss(name, LossSettings()).cls.formula
    left_out = {"over", "with", "less", "its", "floor"} if "Eq. 6" in text else set()
    lines = " ".join(FORMULAS[name]).replace(r"\_", "_")
    assert letters(text) - SYMBOLS - left_out - letters(lines) == set()


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_loss_is_as_often_bounded_summed_and_averaged_in_its_lines_as_in_its_text(name):
    """Words alone do not tell that a bound is missing."""
    text = find_loss(name, LossSettings()).cls.formula
    lines = " ".join(FORMULAS[name])
    sums_of_eq_6 = 2 * ("Eq. 6" in text and "sum" not in text)
    for operator, sign, spared in [
        ("exp", r"exp|e(?=\^)", 0),
        *((word, word, 0) for word in ("min", "max", "log", "mean", "sigmoid", "softmax")),
        ("sum", "sum", sums_of_eq_6),
    ]:
        counts = [
            len(re.findall(rf"(?<![A-Za-z])(?:{of})(?![A-Za-z])", where))
            for of, where in ((operator, text), (sign, lines))
        ]
        assert counts[0] + spared == counts[1], operator


def test_a_loss_is_known_by_its_class_and_not_by_its_name():
    assert lines_of(BUILT_IN["triplet"]) == FORMULAS["triplet"]
    assert lines_of("triplet.py:Triplet") == lines_of(None) == ()


def test_text_between_dollars_is_typeset_and_the_rest_is_text():
    shown = typeset("mine.py:Mine", "mean of $x^2$ where a < b")
    assert shown.startswith("mean of <math")
    assert shown.endswith("</math> where a &lt; b")
    (sum_of_squares,) = ET.fromstring(mathml(r"\sum x^2 < 1"))
    assert "".join(sum_of_squares.itertext()) == "∑x2<1"
    assert typeset("mine.py:Mine", "mean of x^2") is None
    assert typeset("mine.py:Mine", None) is None


@pytest.mark.parametrize(
    "formula",
    [r"$\text{<script>alert(1)</script>}$", r"$\href{javascript:alert(1)}{x}$", "$a < b$ <img src=x onerror=alert(1)>"],
)
def test_what_a_stranger_writes_stays_text(formula):
    shown = typeset("mine.py:Mine", formula)
    if shown is not None:
        tree = ET.fromstring(f"<p>{shown}</p>")
        assert {node.tag.removeprefix(MATHML) for node in tree.iter()} <= {
            "p",
            "math",
            "mrow",
            "mi",
            "mo",
            "mn",
            "mtext",
        }
        assert not {name for node in tree.iter() for name in node.attrib} & {"href", "src", "onerror", "onclick"}


def test_latex_that_is_not_understood_is_shown_as_the_loss_has_it():
    for latex in (r"$\frac{a}{$", r"$\left( a$", r"$a^b^c$"):
        assert typeset("mine.py:Mine", latex) is None


def test_default_losses_are_those_of_the_settings_as_they_come():
    from suite.settings.params import load_settings
    from tests.helpers.paths import ROOT

    assert tuple(load_settings(ROOT / "params.yaml").losses) == DEFAULT
