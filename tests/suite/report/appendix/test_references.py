"""References: one for every loss and data set, well-formed, each used; a stranger's words stay text."""

import re

import pytest

from suite.data.catalog import EMBEDDED
from suite.losses.registry import BUILT_IN, find_loss
from suite.report.appendix import references
from suite.report.appendix.references import bibliography, dataset_entries, entries, loss_entries
from suite.settings.params import LossSettings

NEEDED = {
    "inproceedings": {"author", "title", "booktitle", "year"},
    "article": {"author", "title", "journal", "volume", "pages", "year"},
    "techreport": {"author", "title", "institution", "year"},
    "misc": {"title"},
}


def fields(entry):
    return dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.MULTILINE))


def every_entry():
    found = dict(entries())
    for name in EMBEDDED:
        found |= dataset_entries(name)
    return found | loss_entries("mine", "mine.py:Mine", "50 % {odd} & #1")


def test_entries_have_what_their_kind_needs_and_balanced_braces():
    for key, entry in every_entry().items():
        kind, named = re.match(r"@(\w+)\{([^,]+),", entry).groups()
        assert named == key
        assert NEEDED[kind] <= fields(entry).keys(), key
        depths = [entry[:n].count("{") - entry[:n].count("}") for n in range(1, len(entry))]
        plain = re.sub(r"\\[{}]", "", entry)
        assert plain.count("{") == plain.count("}"), key
        assert min(depths[len(f"@{kind}") :]) > 0, key
        assert re.fullmatch(r"[a-z0-9-]+", key)


def test_every_entry_is_used_and_every_key_is_there():
    used = {
        key for keys in (*references.LOSSES.values(), *references.BENCHMARKS.values(), references.SPLIT) for key in keys
    }
    used |= {*references.LIBRARIES.values(), references.SEARCH, references.OPTIMISER, references.HOLM}
    used |= {references.METRICS, references.BACKBONE, references.PAPER}
    assert used == entries().keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_references_of_a_loss_are_those_that_its_class_declares(name):
    """First author, year, and the title's first word or the conference, as ``source`` has them."""
    source = find_loss(name, LossSettings()).cls.source
    entry = fields(next(iter(loss_entries(name, BUILT_IN[name], source).values())))
    first = entry["author"].partition(",")[0]
    assert first in source
    assert entry["year"] in source
    acronym = re.search(r"\((\w+)\)", entry.get("booktitle", ""))
    assert acronym is None or acronym[1] in source


def test_a_loss_of_a_users_own_is_cited_by_its_source_and_one_without_is_not_cited():
    found = loss_entries("triplet", "my.py:Triplet", "Me & you, 2026")
    assert found == {
        "loss-triplet": "@misc{loss-triplet,\n  key = {triplet},\n  title = {{triplet}},\n  note = {Me \\& you, 2026}\n}"
    }
    assert loss_entries("mine", "my.py:Mine", None) == {}
    assert loss_entries("handed", None, None) == {}


def test_data_sets_are_cited_by_what_they_are_made_of():
    emoji = dataset_entries("emoji")
    assert len(emoji) == 9
    assert "licence CC-BY-SA-4.0" in emoji["emoji-openmoji"]
    (fonts,) = dataset_entries("typefaces").values()
    assert "160 packages, from abel to" in fonts
    assert dataset_entries("cub").keys() == {"wah2011cub"}
    assert "Licence: mine" in dataset_entries("birds", "mine")["data-birds"]


def test_a_bibliography_holds_the_keys_in_their_order():
    own = {"mine": "@misc{mine,\n  title = {{x}}\n}"}
    text = bibliography(["mine", "dvc"], own)
    assert re.findall(r"^@\w+\{(.*),$", text, re.MULTILINE) == ["mine", "dvc"]
