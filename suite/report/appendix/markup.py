"""Parts of a text, and their LaTeX and Markdown.

Plain strings are text: whatever is in them is shown as it is. What is more than text has a class of its own, so that no name
and no number can turn into markup.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from suite.report.text import markdown_table


@dataclass(frozen=True)
class Cite:
    """Keys of references."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """A name as it is typed."""

    text: str


@dataclass(frozen=True)
class Bold:
    """Text that stands out."""

    text: str


@dataclass(frozen=True)
class Label:
    """A reference to a table or figure."""

    name: str


Inline: TypeAlias = str | Cite | Code | Bold | Label
Text: TypeAlias = Inline | tuple[Inline, ...]


@dataclass(frozen=True)
class Heading:
    """Title of a section, or of a part of one."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: Text


@dataclass(frozen=True)
class Formula:
    """Lines of LaTeX, or plain text where there is no LaTeX."""

    lines: tuple[str, ...]
    plain: str


@dataclass(frozen=True)
class Table:
    """A table; the first ``left`` columns are aligned left, the others right."""

    label: str
    caption: Text
    heads: Sequence[Text]
    rows: Sequence[Sequence[Text]]
    left: int = 1


@dataclass(frozen=True)
class Picture:
    """A figure, as ``STEM.pdf`` for LaTeX and ``STEM.svg`` for Markdown beside the text."""

    label: str
    caption: Text
    stem: str


Block: TypeAlias = Heading | Paragraph | Formula | Table | Picture

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': "''",
        "±": r"$\pm$",
        "−": "$-$",
        "×": r"$\times$",
        "–": "--",
        "—": "---",
        "…": r"\ldots{}",
        "“": "``",
        "”": "''",
        "‘": "`",
        "’": "'",
    }
)
_MARKDOWN = re.compile(r"([\\`*<|]|\[(?![-+–\d]))")


def latex_text(text: str) -> str:
    """Text as LaTeX shows it."""
    return text.translate(_LATEX)


def markdown_text(text: str) -> str:
    """Text as Markdown shows it."""
    return _MARKDOWN.sub(r"\\\1", text)


def parts_of(text: Text) -> tuple[Inline, ...]:
    """The parts of a text."""
    return text if isinstance(text, tuple) else (text,)


def cited(blocks: Iterable[Block]) -> list[str]:
    """Keys of all references in a text, in their order, each once."""
    keys: dict[str, None] = {}
    for block in blocks:
        for text in _texts(block):
            for part in parts_of(text):
                keys |= dict.fromkeys(part.keys if isinstance(part, Cite) else ())
    return list(keys)


def _texts(block: Block) -> list[Text]:
    if isinstance(block, Table):
        return [block.caption, *block.heads, *(cell for row in block.rows for cell in row)]
    if isinstance(block, Picture):
        return [block.caption]
    return [block.text] if isinstance(block, Paragraph) else []


def to_latex(blocks: Iterable[Block]) -> str:
    r"""Blocks for ``\input`` in a paper that loads amsmath, booktabs and graphicx; figures lie in ``\appendixfolder``."""
    return "\n\n".join(map(_latex, blocks)) + "\n"


def _latex(block: Block) -> str:
    match block:
        case Heading():
            command = {1: "section", 2: "subsection"}.get(block.level, "subsubsection")
            first = "\n\\suppressfloats[t]" if block.level == 1 else ""  # no table above the appendix's own title
            return rf"\{command}{{{latex_text(block.text)}}}{first}"
        case Paragraph():
            return _latex_inline(block.text)
        case Formula():
            lines = " \\\\\n".join(f"  & {line}" for line in block.lines)
            return (
                f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"
                if block.lines
                else rf"\texttt{{{latex_text(block.plain)}}}"
            )
        case Table():
            return _latex_table(block)
        case Picture():
            image = rf"\includegraphics[width=\linewidth]{{\appendixfolder/{block.stem}.pdf}}"
            return _floating("figure", image, block.caption, block.label)


def _latex_inline(text: Text) -> str:
    shown = {
        Cite: lambda part: rf"\cite{{{','.join(part.keys)}}}",
        Code: lambda part: rf"\texttt{{{latex_text(part.text)}}}",
        Bold: lambda part: rf"\textbf{{{latex_text(part.text)}}}",
        Label: lambda part: rf"\ref{{{part.name}}}",
        str: latex_text,
    }
    return "".join(shown[type(part)](part) for part in parts_of(text))


def _latex_table(table: Table) -> str:
    columns = "l" * table.left + "r" * (len(table.heads) - table.left)
    lines = [" & ".join(map(_latex_inline, row)) + r" \\" for row in (table.heads, *table.rows)]
    body = "\n".join([r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"])
    tabular = (
        f"\\footnotesize\n\\setlength{{\\tabcolsep}}{{3pt}}\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}"
    )
    return _floating("table", tabular, table.caption, table.label)


def _floating(kind: str, content: str, caption: Text, label: str) -> str:
    return (
        f"\\begin{{{kind}}}[tp]\n\\centering\n\\caption{{{_latex_inline(caption)}}}\n\\label{{{label}}}\n{content}\n"
        f"\\end{{{kind}}}"
    )


def to_markdown(blocks: Sequence[Block]) -> str:
    """Blocks with references as pandoc has them; tables and figures are numbered in their order."""
    numbers: dict[str, str] = {}
    for kind, name in ((Table, "table"), (Picture, "figure")):
        numbers |= {block.label: f"{name} {n}" for n, block in enumerate((b for b in blocks if isinstance(b, kind)), 1)}
    return "\n\n".join(_markdown(block, numbers) for block in blocks) + "\n"


def _markdown(block: Block, numbers: dict[str, str]) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {markdown_text(block.text)}"
        case Paragraph():
            return _markdown_inline(block.text, numbers)
        case Formula():
            lines = " \\\\\n".join(f"& {line}" for line in block.lines)
            return f"$$\n\\begin{{aligned}}\n{lines}\n\\end{{aligned}}\n$$" if block.lines else f"    {block.plain}"
        case Table():
            alignment = ["---"] * block.left + ["---:"] * (len(block.heads) - block.left)
            heads, *rows = ([_markdown_inline(cell, numbers) for cell in row] for row in (block.heads, *block.rows))
            table = markdown_table(heads, rows, alignment).rstrip()
            return f"{_numbered(block.label, numbers)} {_markdown_inline(block.caption, numbers)}\n\n{table}"
        case Picture():
            caption = _markdown_inline(block.caption, numbers)
            return f"![{caption}]({block.stem}.svg)\n\n{_numbered(block.label, numbers)} {caption}"


def _numbered(label: str, numbers: dict[str, str]) -> str:
    return f"**{numbers[label].capitalize()}.**"


def _markdown_inline(text: Text, numbers: dict[str, str]) -> str:
    shown = {
        Cite: lambda part: f"[{'; '.join(f'@{key}' for key in part.keys)}]",
        Code: lambda part: f"`{part.text.replace('`', ' ')}`",
        Bold: lambda part: f"**{markdown_text(part.text)}**",
        Label: lambda part: numbers[part.name].partition(" ")[2],
        str: markdown_text,
    }
    return "".join(shown[type(part)](part) for part in parts_of(text))
