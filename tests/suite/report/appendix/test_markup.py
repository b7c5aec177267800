"""Parts of a text in LaTeX and Markdown: what is text stays text, and references and labels are resolved."""

import re

import pytest
from markdown_it import MarkdownIt

from suite.report.appendix.markup import (
    Bold,
    Cite,
    Code,
    Formula,
    Heading,
    Label,
    Paragraph,
    Picture,
    Table,
    cited,
    latex_text,
    markdown_text,
    to_latex,
    to_markdown,
)

HOSTILE = r"50 % of $x_1$ & {a} #1 \input{/etc/passwd} ~^ <b>"
TABLE = Table("tab:one", ("Of ", Code("a_b"), "."), ["loss", "R@1"], [["pfml", Bold("1.00 ± 0.10")], ["a_b", "–"]])
BLOCKS = [
    Heading("Results & more"),
    Paragraph(("See table ", Label("tab:one"), " and figure ", Label("fig:one"), " ", Cite(("b", "a")), ".")),
    TABLE,
    Formula((r"x^2", r"{} + y"), "x^2 + y"),
    Formula((), "x_2 + y"),
    Picture("fig:one", ("As in ", Cite(("a", "c"))), "noise"),
]


def test_every_special_character_of_latex_is_shown_as_it_is():
    shown = latex_text(HOSTILE)
    assert r"50 \% of \$x\_1\$ \& \{a\} \#1" in shown
    commands = set(re.findall(r"\\([a-z]+)", shown))
    assert commands == {"textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater"}
    left = re.sub(r"\\(text\w+\{\}|[%$&#_{}])", "", shown)
    assert not set(left) & set("%$&#_{}~^\\<>")


@pytest.mark.parametrize("text", ["*a* `b`", "[x](http://y)", "<img src=x>", "a | b", r"\* c", "[@key]"])
def test_text_is_text_in_markdown_too(text):
    shown = MarkdownIt("commonmark").enable("table").render(markdown_text(text))
    plain = re.sub(r"</?p>", "", shown).strip().replace("&lt;", "<").replace("&gt;", ">")
    assert plain == text
    assert not re.search(r"(?<!\\)\[@", markdown_text(text))


def test_intervals_stay_readable_in_markdown():
    assert markdown_text("+1.00 [+0.50, +1.50]") == "+1.00 [+0.50, +1.50]"


def test_latex_has_environments_labels_and_references():
    text = to_latex(BLOCKS)
    assert r"\subsection{Results \& more}" in text
    assert r"See table \ref{tab:one} and figure \ref{fig:one} \cite{b,a}." in text
    assert "loss & R@1 \\\\\n\\midrule\npfml & \\textbf{1.00 $\\pm$ 0.10} \\\\\na\\_b & -- \\\\" in text
    assert "\\begin{align*}\n  & x^2 \\\\\n  & {} + y\n\\end{align*}" in text
    assert r"\texttt{x\_2 + y}" in text
    assert r"\includegraphics[width=\linewidth]{\appendixfolder/noise.pdf}" in text
    assert r"\begin{tabular}{lr}" in text


def test_markdown_numbers_tables_and_figures():
    text = to_markdown(BLOCKS)
    assert "See table 1 and figure 1 [@b; @a]." in text
    assert "**Table 1.** Of `a_b`.\n\n| loss | R@1 |\n|---|---:|\n| pfml | **1.00 ± 0.10** |" in text
    assert "![As in [@a; @c]](noise.svg)" in text
    assert "    x_2 + y" in text


def test_references_are_listed_once_in_their_order():
    assert cited(BLOCKS) == ["b", "a", "c"]
