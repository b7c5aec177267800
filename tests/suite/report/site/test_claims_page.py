"""The page of claims: one word for a verdict in tables and plots, headings that differ, marks of premises not met."""

import re

import pytest

from suite.report.site.claims import write_claims_pages
from suite.report.site.pages import Pages
from tests.suite.report.site.project import claim

LONG = "closer-proxies-soft_triple-w2_relative"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a few claims: frozen, without training, and two whose premise is not met, one of them the suite's."""
    folder = tmp_path_factory.mktemp("claims")
    untrained = claim("four", "contradicted", -1.0) | {"regime": None, "family": "decay-of-influence"}
    claims = [claim("one", "contradicted", -1.5), untrained]
    for family, identifier, speaker in (
        ("corollary-1-nearest", "near", "paper"),
        ("corollary-1-w2_relative", LONG, "paper"),
        ("corollary-1-w2_relative", "own", "suite"),
    ):
        made = claim(identifier, "premise not met", 0.0) | {"family": family, "said_by": speaker}
        met = made["lines"][0] | dict.fromkeys(("effect", "low", "high", "n", "p")) | {"part": "M = 2"}
        rest = claim(identifier, "contradicted", 0.1)["lines"][0] | {"part": "M = 2, the rest", "counts": False}
        made["source"] = {"section": "Corollary 1", "table": "none"}
        claims.append(made | {"lines": [met, rest]})
    report = {"claims_sha256": "ab" * 32, "claims": claims}
    write_claims_pages(Pages(folder, [("claims.html", "Claims")]), {"": report})
    return (folder / "claims.html").read_text()


def charts(page):
    return dict(re.findall(r'<script type="application/json" id="(forest-[^"]*)">(.*?)</script>', page, re.DOTALL))


def test_plots_and_their_legend_say_what_the_tables_say(page):
    legend = re.findall(r'<span class="legend-item">.*?</svg> (.*?)</span>', page)
    assert legend == ["contradicted", "not found on frozen features", "premise not met"]
    drawn = charts(page)
    assert "not found on frozen features" in drawn["forest-above-points"].split('"values"')[1]
    assert ",contradicted," in drawn["forest-decay-of-influence-points"]


def test_a_result_whose_premise_is_not_met_is_marked_so_and_stands_in_parentheses(page):
    for name, chart in charts(page).items():
        if "corollary" in name:
            rows = set(re.findall(r'the rest\\",(.*?)\\n', chart))
            assert rows
            assert all(",premise not met," in row for row in rows)
    assert page.count("(not found on frozen features)") == 3
    assert "A verdict in parentheses does not count" in page


def test_no_two_headings_are_the_same(page):
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert len(set(heads)) == len(heads)
    asked = [head for head in heads if "proxies lie closer" in head]
    assert [head.partition("? ")[2] for head in asked] == [
        "(corollary-1-nearest, what the paper says)",
        "(corollary-1-w2_relative, what the paper says)",
        "(corollary-1-w2_relative, what the suite has carried on)",
    ]


def test_badges_say_what_they_count_and_a_source_has_no_table_none(page):
    assert "Results, a claim on a data set each: <span" in page
    assert "Source: Corollary 1." in page
    assert "none" not in re.findall(r"Source: ([^.]*)", page)[-1]
