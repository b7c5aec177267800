"""The browser's libraries, taken from Python packages, so that pages need no network.

Vega, Vega-Lite and Vega-Embed come with vl-convert-python, DataTables with itables. Both are written as classic scripts:
a browser refuses modules from a file on disk.
"""

import json
from importlib.metadata import version
from importlib.resources import files

import vl_convert


def charts_script() -> str:
    """A script that sets ``window.vegaEmbed``."""
    licence = (files("suite.report.site") / "static" / "vega.licence.txt").read_text(encoding="utf-8")
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"/*\n{licence}*/\n(() => {{\n{bundle}\n}})();\n"


def tables_script() -> str:
    """A script that sets ``window.dataTables``, a promise of the DataTables class."""
    module = (files("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    source = json.dumps(module).replace("</", "<\\/")
    return (
        f"window.dataTables = import(URL.createObjectURL(new Blob([{source}], {{type: 'text/javascript'}})))"
        ".then((module) => module.default);\n"
    )


def library_versions() -> dict[str, str]:
    """What the pages are made with."""
    named = ("altair", "vl-convert-python", "itables", "Jinja2", "markdown-it-py")
    return {name: version(name) for name in named} | {"vega": vl_convert.get_vega_version()}
