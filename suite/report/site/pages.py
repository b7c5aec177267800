"""Templates to pages: everything that is shown is escaped, and nothing that is named may be missing.

The browser's libraries are taken from Python packages, so that pages need no network: Vega, Vega-Lite and Vega-Embed from
vl-convert-python, DataTables from itables. Both are classic scripts: a browser refuses modules from a file on disk.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from suite.files import write_text

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


class Pages:
    """Writes pages that share the same navigation.

    Args:
        folder: where pages go.
        navigation: (file name, text) of the pages that every page links to.
    """

    def __init__(self, folder: Path, navigation: list[tuple[str, str]]) -> None:
        self.folder = folder
        self._environment = Environment(
            loader=PackageLoader("suite.report.site"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
        self._environment.globals["navigation"] = navigation
        self._environment.filters["dataset_page"] = lambda name: f"dataset-{slug(name)}.html"

    def write(self, name: str, template: str, title: str, section: str = "", **values: Any) -> None:
        """Write one page; ``section`` is the page of the navigation that it belongs to."""
        page = self._environment.get_template(f"{template}.html.j2")
        write_text(self.folder / name, page.render(title=title, current=section or name, **values) + "\n")


_SCROLLING_TABLE = (
    '<div class="scroll" role="region" aria-label="Table {number} of the data sheet" tabindex="0"><table>\n'
)


def markdown(text: str) -> Markup:
    """A data sheet as HTML: headings one level lower, no raw HTML, tables and code that scroll by themselves.

    The sheet's own title is left out: the page has it.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    number = count(1)
    reader.add_render_rule("table_open", lambda *_: _SCROLLING_TABLE.format(number=next(number)))
    reader.add_render_rule("table_close", lambda *_: "</table></div>\n")
    body = re.sub(r"\A#[^\n]*\n", "", _COMMENT.sub("", text).lstrip())
    tokens = reader.parse(body)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    html = reader.renderer.render(tokens, reader.options, {})
    # A head without a word is no head; code that is cut off is reached by keyboard.
    html = html.replace("<th></th>", "<td></td>").replace("<pre>", '<pre tabindex="0">')
    return Markup(html)  # noqa: S704 - raw HTML is off


def slug(name: str) -> str:
    """A file name for a data set or loss: the name itself where settings allow it, else its safe part and a digest."""
    safe = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")
    return name if safe == name and name else f"{safe or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def charts_script(config: Mapping[str, Any]) -> str:
    """A script that sets ``window.vegaEmbed``, and ``window.chartConfig`` to what all charts share."""
    licence = (files("suite.report.site") / "static" / "vega.licence.txt").read_text(encoding="utf-8")
    return f"/*\n{licence}*/\n(() => {{\n{_vega_bundle()}\n}})();\nwindow.chartConfig = {script_value(config)};\n"


@cache
def _vega_bundle() -> str:
    """It is the same for all sites, and takes a second to make."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def tables_script() -> str:
    """A script that sets ``window.dataTables``, a promise of the DataTables class."""
    module = (files("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    source = json.dumps(module).replace("</", "<\\/")
    return (
        f"window.dataTables = import(URL.createObjectURL(new Blob([{source}], {{type: 'text/javascript'}})))"
        ".then((module) => module.default);\n"
    )


def script_value(value: Any) -> str:
    """A value as JSON that may stand in a script: nothing in it ends the script."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")


def library_versions() -> dict[str, str]:
    """What the pages are made with."""
    named = ("altair", "vl-convert-python", "itables", "Jinja2", "latex2mathml", "markdown-it-py")
    return {name: version(name) for name in named} | {"vega": vl_convert.get_vega_version()}
