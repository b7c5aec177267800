"""The folder of the site: complete, small, the same bytes twice, and honest about what was not run."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.losses.influence.curve import as_curves
from suite.report.site.pages import slug
from suite.report.site.provenance import _date
from suite.report.site.write import write_site
from suite.settings.params import LossSettings
from suite.settings.paths import FIGURES_FOLDER, INFLUENCE_CURVES, INFLUENCE_REASONS
from tests.helpers.paths import ROOT
from tests.suite.report.site.project import (
    HOSTILE,
    settings,
    write_board,
    write_claims,
    write_data,
    write_project,
    write_verdicts,
)


class References(HTMLParser):
    """Targets of links, images, scripts and styles, and the ids that links may point to."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.targets += [found[name] for name in ("href", "src") if name in found]
        self.ids |= {found["id"]} if "id" in found else set()


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_link_leads_somewhere_in_the_site(site):
    pages = {path.name: References(path.read_text()) for path in site.glob("*.html")}
    assert len(pages) >= 10
    for name, page in pages.items():
        for target in page.targets:
            if target.startswith(("data:", "mailto:")):
                continue
            path, _, fragment = target.partition("#")
            assert (site / path).is_file() or not path, (name, target)
            assert not fragment or fragment in pages[path or name].ids, (name, target)


def test_no_page_names_an_address_that_a_browser_would_fetch(site):
    for path in site.glob("*.html"):
        assert not re.search(r"(src|href)=\"(https?:)?//", path.read_text()), path.name


def test_a_hostile_name_stands_in_no_page_as_markup(site):
    for path in site.glob("*.html"):
        assert HOSTILE not in path.read_text(), path.name
    assert "&lt;script&gt;alert(1)" in (site / "losses.html").read_text()


def test_markup_in_a_data_sheet_is_text(site):
    assert "Plain &lt;b&gt;colours&lt;/b&gt;" in (site / "dataset-shapes.html").read_text()


def test_images_without_a_data_sheet_get_one(workplace):
    write_data()
    page = write_site(settings()).with_name("dataset-shapes.html").read_text()
    assert "<td>6</td>\n<td>24</td>\n<td>4 / 4 / 4</td>" in page
    assert "from images, a table of image files and labels. Licence: unknown." in page
    assert "2 images more than once in a &lt;b&gt;class" in page
    assert "12 classes, 48 images" in page


def test_each_loss_has_its_verdicts(site):
    page = (site / "loss-pfml.html").read_text()
    assert "pfml in 2 tables: against the best baseline" in page
    assert "triplet (best baseline)" in page
    assert "in 2 tables: against pfml" in (site / f"loss-{slug(HOSTILE)}.html").read_text()


def test_each_loss_has_its_values_seconds_and_provenance(site):
    page = (site / "loss-pfml.html").read_text()
    assert '<th scope="col">shapes, tuned</th>' in page
    assert "<td>4</td><td>4.5</td><td>18</td>" in page
    assert "code of triplet" in (site / "provenance.html").read_text()


def test_the_first_page_tells_the_verdicts_on_user_losses(workplace):
    write_board()
    write_verdicts()
    mine = settings().losses | {"triplet": LossSettings(target="pytorch_metric_learning.losses:ContrastiveLoss")}
    page = write_site(settings().model_copy(update={"losses": mine})).read_text()
    assert 'href="loss-triplet.html#verdicts">Verdicts</a> in regime frozen: triplet in 2 tables: against pfml' in page
    assert "on pfml in" not in page


def test_losses_have_the_influence_that_was_measured(workplace):
    """Of the figures in git where a loss stands there as it is run, else of the stage; without either the page says why."""
    shutil.copytree(ROOT / FIGURES_FOLDER, FIGURES_FOLDER)
    target = "pytorch_metric_learning.losses:ContrastiveLoss"
    own = {name: LossSettings(target=target) for name in ("mine", "lost", "new")}
    losses = settings().losses | own | {"cpml": LossSettings(params={"proxies_per_class": 2})}
    chosen = settings().model_copy(update={"losses": losses})
    measured = as_curves("mine", {"positive": [1.0, 2.0], "negative": [0.5, 0.0]}, (0.1, 1.0))
    INFLUENCE_CURVES.parent.mkdir()
    measured.to_csv(INFLUENCE_CURVES, index=False)
    INFLUENCE_REASONS.write_text(json.dumps({"lost": "it cannot be built"}))
    folder = write_site(chosen).parent
    for name in ("mine", "pfml"):
        page = (folder / f"loss-{name}.html").read_text()
        assert 'id="influence-positive"' in page
        assert 'id="influence-negative"' in page
    for name, reason in (
        ("lost", "it cannot be built"),
        ("new", "Run: dvc repro influence"),
        ("cpml", "Run: dvc repro"),
    ):
        page = (folder / f"loss-{name}.html").read_text()
        assert f"Not measured.</strong> {reason}" in page
        assert 'id="influence-positive"' not in page


def test_notices_go_with_the_images(site):
    assert (site / "shapes.notice.txt").read_text() == "made here\n"
    for path in site.glob("*.croissant.json"):
        assert (site / json.loads(path.read_text())["url"]).is_file()
    assert (site / "shapes.croissant.json").read_text() == '{"url":"shapes.md"}'


def test_every_claim_is_shown_run_or_not(site):
    page = (site / "claims.html").read_text()
    assert "<caption>Verdicts by question</caption>" in page
    assert '<td class="text">1 supported, 1 not found on frozen features, 1 not run</td>' in page
    assert all(f"Statement of {name}." in page for name in ("one", "two", "three"))
    assert "+1.50 [+1.00, +2.00]" in page


def test_pages_are_the_same_bytes_twice_but_for_their_provenance(workplace, monkeypatch):
    write_data()
    write_board()
    made = []
    for date in ("0", "86400"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
        write_site(settings())
        made.append(contents(Path("results/site")))
    assert made[0].keys() == made[1].keys()
    differing = {name for name in made[0] if made[0][name] != made[1][name]}
    assert differing == {"provenance.html"}
    assert b"1970-01-02" in made[1]["provenance.html"]


def test_without_results_the_site_says_that_nothing_was_run(workplace):
    index = write_site(settings())
    assert "Not run." in index.read_text()
    for name in ("claims", "loss-pfml", "figures", "provenance"):
        assert "Not run." in (index.parent / f"{name}.html").read_text(), name
    assert "Not there." in (index.parent / "dataset-shapes.html").read_text()


@pytest.mark.parametrize("value", ["x", "9" * 30, "1.5"])
def test_a_date_that_is_none(monkeypatch, value):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(SuiteError, match=r"SOURCE_DATE_EPOCH = '.*'; allowed: seconds since 1970"):
        _date()


def test_a_damaged_input_leaves_the_old_site(workplace):
    write_board()
    write_site(settings())
    before = contents(Path("results/site"))
    Path("results/claims.json").write_text('{"claims": [{}]}')
    with pytest.raises(
        SuiteError, match=r"results/claims.json: claim \? lacks family, .*lines; make it anew: suite claims"
    ):
        write_site(settings())
    Path("results/claims.json").write_text("{")
    with pytest.raises(SuiteError, match=r"results/claims.json is not valid JSON"):
        write_site(settings())
    assert contents(Path("results/site")) == before
    assert {path.name for path in Path("results").iterdir()} == {"site", "leaderboard.json", "claims.json"}


def test_the_pages_are_made_without_the_library_of_the_backbone():
    """It takes as long to load as torch."""
    code = "import sys, suite.report.site.write; print('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_what_lies_in_the_folder_besides_the_site_stays(workplace):
    write_site(settings())
    mine = Path("results/site/images/mine.txt")
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    Path("results/site/claims.html").write_text("old")
    write_site(settings())
    assert mine.read_text() == "mine"
    assert Path("results/site/claims.html").read_text() != "old"


def test_a_site_that_was_killed_between_its_renamings_comes_back(workplace):
    write_site(settings())
    Path("results/site/mine.txt").write_text("mine")
    before = contents(Path("results/site"))
    Path("results/site").rename("results/.site.old")
    Path("results/.site.tmp").mkdir()
    Path("results/times.csv").write_text("")
    with pytest.raises(SuiteError, match=r"times\.csv"):
        write_site(settings())
    assert contents(Path("results/site")) == before
    Path("results/times.csv").unlink()
    write_site(settings())
    after = contents(Path("results/site"))
    del before["provenance.html"], after["provenance.html"]
    assert after == before
    assert [path.name for path in Path("results").iterdir()] == ["site"]


def test_a_folder_that_is_no_site_is_left_alone(workplace):
    Path("results/site").mkdir(parents=True)
    Path("results/site/mine.txt").write_text("mine")
    with pytest.raises(SuiteError, match="results/site is in the way and was not written by the suite"):
        write_site(settings())
    assert contents(Path("results")) == {"site/mine.txt": b"mine"}


def test_the_first_page_counts_the_claims_that_were_judged_on_the_data_shown(workplace):
    Path("results").mkdir()
    write_claims()
    page = write_site(settings()).read_text()
    told = page[page.index("Claims judged on these data") :].partition("</p>")[0]
    assert [" ".join(text.split()[1:]) for text in re.findall(r"</span>([^<]+)</a>", told)] == [
        "supported",
        "not found on frozen features",
    ]
    assert re.findall(r"(\d+) supported", told) == ["2"]
    others = settings().model_copy(update={"datasets": {"mine": settings().datasets["shapes"]}})
    page = write_site(others).read_text()
    assert "Claims judged on these data" not in page
    assert 'No <a href="claims.html">claim</a> of the paper was judged on these data.' in page


def test_without_runs_pages_say_that_git_holds_none_and_not_that_nothing_was_run(workplace):
    """As in a fresh clone: the leaderboard is there, and what runs leave besides is not."""
    write_project()
    shutil.rmtree("runs/shapes-pfml")
    part = write_site(settings()).parent
    told = "lie in <code>runs/</code>, which git does not hold"
    assert (
        "Rows of the tuned track of pfml on shapes are missing: their records " + told
        in (part / "tuning.html").read_text()
    )
    assert told not in (part / "loss-triplet.html").read_text()
    assert told not in (part / "dataset-shapes.html").read_text()
    shutil.rmtree("runs")
    site = write_site(settings()).parent
    pages = {
        name: (site / f"{name}.html").read_text() for name in ("tuning", "loss-pfml", "dataset-shapes", "provenance")
    }
    assert f"Rows of the tuned track of every loss of the grid are missing: their records {told}" in pages["tuning"]
    assert f"Values of the tuned track on shapes are missing: records of these runs {told}" in pages["loss-pfml"]
    assert f"Curves of the runs on shapes {told}" in pages["loss-pfml"]
    assert f"Test embeddings, which nearest neighbours and maps need, {told}" in pages["dataset-shapes"]
    assert f"Records of the tuned track, 2 of 2 pairs of data set and loss of the grid, {told}" in pages["provenance"]
    assert "Not run." not in pages["provenance"]
    assert "To make training curves, run" not in pages["loss-pfml"]
    assert "No run of this loss has a record" not in pages["loss-pfml"]
