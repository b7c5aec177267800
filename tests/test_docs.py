"""The pages name what exists: files, functions, commands, stages, links. The files that forges read are sound."""

import ast
import re
import tomllib
from functools import cache
from pathlib import PurePosixPath

import pytest
import typer
import yaml

from suite.hashing import code_files
from suite.losses.registry import BUILT_IN
from suite.settings.benchmarks import BenchmarkSettings
from suite.settings.paper_recipes import find_paper_recipe
from suite.settings.params import DatasetSettings, LossSettings
from tests.helpers.paths import ROOT

ARCHITECTURE = "docs/architecture.md"
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "*/README.md", "results/*/README.md", "pfml/*/README.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it names what there was
)
SOURCES = ("suite", "pfml", "baselines", "tests", "docs", "claims", "recipes", "pipelines", "my_losses", "user")
"""Folders of what people write: a path that begins with one of them must exist."""
PIPELINES = ("dvc.yaml", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pipelines/*/dvc.yaml")))
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def inline(text):
    """Inline code outside fenced blocks."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def named(text):
    """(path, name) of all that a text names in inline code; the name is None where a path stands alone.

    The convention: ``path.py: name``; a path below a folder of sources, with capitals for any name; ``package.module.name``.
    """
    for code in inline(text):
        path, colon, name = code.partition(": ")
        if colon and path.endswith(".py"):
            yield path, name
        elif re.fullmatch(r"(suite|pfml|baselines)(\.\w+)+", code):
            yield dotted(code)
        elif "/" in code and " " not in code and PurePosixPath(code).parts[0] in SOURCES:
            yield code, None


def dotted(code):
    """``suite.hashing.code_files`` as path and name: the longest part that is a module, and the rest."""
    parts = code.split(".")
    for end in range(len(parts), 0, -1):
        path = "/".join(parts[:end])
        for file in (f"{path}.py", f"{path}/__init__.py"):
            if (ROOT / file).is_file():
                return file, ".".join(parts[end:]) or None
    return code, None


@cache
def definitions(path):
    """Names that a module defines, and those of its classes as ``Class.name``."""
    found = set()
    for node in ast.parse(text_of(path)).body:
        found |= set(defined(node, passed_on=path.endswith("__init__.py")))
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for inner in node.body for name in defined(inner)}
    return found


def defined(node, *, passed_on=False):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.ImportFrom) and passed_on:
        yield from (alias.asname or alias.name for alias in node.names)


def missing(text):
    """What a text names that does not exist."""
    return [
        path if name is None else f"{path}: {name}"
        for path, name in named(text)
        if not list(ROOT.glob(re.sub(r"[A-Z][A-Z_]+(?![a-z])", "*", path).rstrip("/")))
        or (name is not None and name not in definitions(path))
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_name_on_a_page_exists(page):
    assert missing(text_of(page)) == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("suite/training/stage.py: trane", "suite/training/stage.py: trane"),
        ("suite/training/stages.py: train", "suite/training/stages.py: train"),
        ("suite/training/stage.py: StageView.train", "suite/training/stage.py: StageView.train"),
        ("suite/training/stage.py: Features", "suite/training/stage.py: Features"),  # imported there, not defined
        ("suite/trainings/", "suite/trainings/"),
        ("claims/NO_CLAIM_HAS_THIS.yml", "claims/NO_CLAIM_HAS_THIS.yml"),
        ("suite.hashing.code_filez", "suite/hashing.py: code_filez"),
        ("suite.hash", "suite/__init__.py: hash"),
    ],
)
def test_a_made_up_name_is_found_out(code, told):
    assert missing(f"Then `{code}` does the rest.") == [told]


def test_the_architecture_names_enough_to_be_worth_its_test():
    names = {name for _, name in named(text_of(ARCHITECTURE)) if name is not None}
    assert len(names) > 50


def test_the_picture_shows_all_rooms_and_the_whole_base():
    picture = FENCE.search(text_of(ARCHITECTURE)).group(2)
    folders = {path.parent.name for path in ROOT.glob("suite/*/__init__.py")}
    modules = {path.name for path in ROOT.glob("suite/*.py")} - {"__init__.py"}
    assert set(re.findall(r"(\w+)/ ", picture)) == folders
    assert set(re.findall(r"\w+\.py", picture)) == modules


def test_rooms_import_only_what_is_drawn_below_them():
    picture = FENCE.search(text_of(ARCHITECTURE)).group(2)
    rooms = re.findall(r"(\w+)/ ", picture)
    wrong = []
    for place, room in enumerate(rooms):
        for path in (ROOT / "suite" / room).rglob("*.py"):
            found = set(re.findall(r"^\s*(?:from|import) suite\.(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
            wrong += [f"{path.relative_to(ROOT)} imports {other}" for other in rooms[:place] if other in found]
    assert wrong == []


def test_the_page_lists_the_code_that_decides_an_outcome():
    (listed,) = [text.split() for head, text in FENCE.findall(text_of(ARCHITECTURE)) if "covered" in head]
    found = [path.relative_to(ROOT).as_posix() for path in code_files(ROOT / "suite/training/run/frozen.py")]
    assert listed == [path for path in found if not path.endswith("__init__.py")]


def commands(text):
    """What a text runs by ``suite`` or ``dvc repro``, as words: in inline code, fenced blocks and indented lines."""
    fenced = [line.strip() for _, body in FENCE.findall(text) for line in body.splitlines()]
    indented = [line.strip() for line in FENCE.sub("", text).splitlines() if line.startswith("    ")]
    lines = [part.strip() for code in (*inline(text), *fenced, *indented) for part in re.split("&&|;", code)]
    return [line.partition("#")[0].split() for line in lines if re.match(r"(suite|dvc repro)(?!\S)", line)]


def check_suite(words):
    """What of a command the command line does not have: a name, an option, a place for an argument."""
    from suite.cli.main import app

    group, words = typer.main.get_command(app), words[1:]
    while words and hasattr(group, "commands") and not words[0].startswith("--"):
        if words[0] not in group.commands:
            return [words[0]]
        group, words = group.commands[words[0]], words[1:]
    options = {name: option for option in group.params for name in (*option.opts, *option.secondary_opts)}
    wrong, arguments, place = [], 0, 0
    while place < len(words):
        word = words[place]
        if word.startswith("--") and word not in options and word != "--help":
            wrong.append(word)
        elif word.startswith("--"):
            place += not getattr(options.get(word), "is_flag", True)  # an option's value
        else:
            arguments += 1
        place += 1
    places = [parameter.nargs for parameter in group.params if parameter.param_type_name == "argument"]
    too_many = -1 not in places and arguments > len(places)
    return wrong + [f"{arguments} arguments"] * too_many


@cache
def stages(path):
    return set(yaml.safe_load(text_of(path))["stages"])


def check_stages(words):
    """Targets of ``dvc repro`` that no pipeline has."""
    wrong = []
    for word in (word.rstrip(".,;:") for word in words[2:]):
        if word.startswith("-"):
            continue
        file, _, stage = word.rpartition(":") if ".yaml:" in word else ("dvc.yaml", "", word)
        file, stage = (stage, None) if stage.endswith(".yaml") else (file, stage.partition("@")[0])
        if file not in PIPELINES or (stage is not None and stage not in stages(file)):
            wrong.append(word)
    return wrong


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("docs/dev/")])
def test_every_command_on_a_page_exists(page):  # those in docs/dev were run in their day
    found = commands(text_of(page))
    wrong = [(words, check_suite(words) if words[0] == "suite" else check_stages(words)) for words in found]
    assert [(" ".join(words), names) for words, names in wrong if names] == []


@pytest.mark.parametrize(
    "line", ["suite trane emoji pfml", "suite train emoji pfml --ahead", "suite train emoji pfml 0.2", "suite data buy"]
)
def test_a_made_up_command_is_found_out(line):
    (words,) = commands(f"Run `{line}`.")
    assert check_suite(words)


@pytest.mark.parametrize("target", ["trane@emoji-pfml", "pipelines/tuning/dvc.yaml:serch", "pipelines/no/dvc.yaml"])
def test_a_made_up_stage_is_found_out(target):
    words, _ = commands(f"    dvc repro {target} && suite promote   # and so on\n")
    assert check_stages(words) == [target]


@pytest.mark.parametrize("page", PAGES)
def test_every_stage_that_a_page_speaks_of_exists(page):
    spoken = {code.partition("@")[0] for code in inline(text_of(page)) if re.fullmatch(r"[\w-]+@[\w-]+", code)}
    assert spoken - set.union(*map(stages, PIPELINES)) == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page):
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page))]
    inside = [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]
    assert [target for target in inside if not ((ROOT / page).parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted((ROOT / "results").rglob("*.md")), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_of_results_lead_somewhere(page):
    test_links_between_pages_lead_somewhere(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES)
def test_links_to_a_part_of_a_page_find_its_head(page):
    wrong = []
    for target, part in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", text_of(page)):
        if "://" not in target:
            text = ((ROOT / page).parent / target).read_text(encoding="utf-8") if target else text_of(page)
            heads = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
            found = {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}
            wrong += [f"{target}#{part}"] * (part not in found)
    assert wrong == []


@pytest.mark.parametrize(
    ("page", "settings"), [("docs/adding-data.md", DatasetSettings), ("docs/adding-a-loss.md", LossSettings)]
)
def test_a_page_explains_every_setting(page, settings):
    cells = re.findall(r"^\| (`[^|]+`) \|", text_of(page), re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(settings.model_fields)


def test_the_page_of_losses_lists_all_and_says_what_runs_them():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (yes|no.*) \|$", text_of("docs/losses.md"), re.MULTILINE))
    assert rows.keys() == BUILT_IN.keys()
    settings = yaml.safe_load(text_of("params.yaml"))
    assert {name for name, run in rows.items() if run == "yes"} == set(settings["losses"])
    for study in ("extended", "geometry"):
        named = {name for name, run in rows.items() if run == f"no; study `{study}`"}
        assert named == settings[study]["losses"].keys() - settings["losses"].keys()


def test_the_example_of_benchmarks_is_valid():
    ((_, text),) = [(head, text) for head, text in FENCE.findall(text_of("docs/whole-network.md")) if head == "yaml"]
    rest = yaml.safe_load(text_of("pipelines/benchmarks/params.yaml"))
    for rows in BenchmarkSettings.model_validate(rest | yaml.safe_load(text)).benchmarks.values():
        for row in rows.values():
            find_paper_recipe(row.recipe)


def test_all_pages_are_linked_from_somewhere():
    linked = {
        ((ROOT / page).parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page))
        if "://" not in target
    }
    pages = [page for page in PAGES if page.startswith("docs/") and not page.startswith("docs/data/")]
    assert [page for page in pages if (ROOT / page).resolve() not in linked] == []


def test_the_citation_has_what_readers_of_it_need():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors", "version", "date-released", "license"}
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == "Apache-2.0"
    for entry in (citation, *citation["references"]):
        assert entry["title"]
        assert all("name" in author or "family-names" in author for author in entry["authors"])
    (paper,) = citation["references"]
    assert paper["type"] == "conference-paper"
    assert paper["year"] == 2025
    assert "2405.18560" in str(paper["identifiers"])


def test_version_and_date_are_told_once():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    released = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)$", text_of("CHANGELOG.md"), re.MULTILINE)
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    assert released[0] == (str(citation["version"]), str(citation["date-released"]))
    assert version == citation["version"]


def test_issue_templates_are_what_a_forge_reads():
    templates = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.md"))
    assert len(templates) == 4
    for path in templates:
        _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
        fields = yaml.safe_load(head)
        assert fields["name"]
        assert fields["about"]
        assert body.strip()


def test_pre_commit_checks_style_and_types():
    repositories = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    hooks = {hook["id"]: hook for repository in repositories for hook in repository["hooks"]}
    assert hooks.keys() == {"ruff-check", "ruff-format", "mypy"}
    assert hooks["mypy"]["entry"] == "mypy"
    assert hooks["mypy"]["pass_filenames"] is False
