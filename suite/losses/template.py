"""The loss that ``suite new-loss`` writes: short, sound, and with every declaration that the suite reads."""

import importlib.util
import keyword
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from suite.errors import SuiteError
from suite.files import write_text
from suite.losses.registry import BUILT_IN
from suite.settings.reading import Name

TEMPLATE = Path(__file__).parent / "template.py.txt"


def write_template(name: str) -> tuple[Path, str]:
    """Write ``NAME.py`` into the current folder.

    Returns:
        The file and the name of the class in it.

    Raises:
        SuiteError: the name is taken or unfit, or the file exists.
    """
    setting = f"suite new-loss {name}"
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise SuiteError(f"{setting}: allowed are up to 64 letters, digits and _, a letter first") from error
    path = Path(f"{name}.py")
    if path.exists():
        raise SuiteError(f"{setting}: {path} exists; remove it first, or choose another name")
    if name in BUILT_IN or importlib.util.find_spec(name) is not None:
        taken = "a built-in loss" if name in BUILT_IN else "a Python module, which a file of that name would hide"
        raise SuiteError(f"{setting}: {name} is {taken}; allowed: any other name")
    class_name = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    if keyword.iskeyword(class_name) or yaml.safe_load(name) != name:
        raise SuiteError(f"{setting}: {name} means something else in Python or YAML; allowed: any other name")
    write_text(path, TEMPLATE.read_text(encoding="utf-8").replace("CLASS_NAME", class_name))
    return path, class_name
