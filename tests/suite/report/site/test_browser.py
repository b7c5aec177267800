"""The pages in a real browser: sorting, filters, legend, keyboard, widths, colours, accessibility."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from suite.report.site.write import write_site
from tests.helpers.browser import violations
from tests.suite.report.site.project import HOSTILE, settings, write_project

PAGES = (
    "index.html",
    "leaderboard.html",
    "claims.html",
    "losses.html",
    "loss-pfml.html",
    "datasets.html",
    "dataset-shapes.html",
    "retrieval-shapes.html",
    "tuning.html",
    "figures.html",
    "provenance.html",
)


def column(page, head):
    """Texts of a column that is shown, top to bottom."""
    heads = [text.strip() for text in page.locator("#board thead th").all_inner_texts()]
    place = next(n for n, text in enumerate(heads, 1) if text.startswith(head))
    return [text.strip() for text in page.locator(f"#board tbody td:nth-child({place})").all_inner_texts()]


def choose(page, name, value):
    page.locator(f"select[data-filter={name}]").select_option(value)


def test_the_first_view_is_sorted_by_data_set_and_recall_and_shows_one_level_and_track(visit):
    page = visit().open("leaderboard.html")
    assert column(page, "data set") == ["other"] * 2 + ["shapes"] * 4
    assert [float(text.split()[0]) for text in column(page, "R@1")] == [30, 20, 60, 50, 40, 20]


def test_a_click_on_a_head_sorts_by_numbers(visit):
    page = visit().open("leaderboard.html")
    head = page.locator("#board thead th", has_text="R@1")
    head.click()
    expect(head).to_have_attribute("aria-sort", "ascending")  # the table sorts in a task of its own
    rising = [float(text.split()[0]) for text in column(page, "R@1")]
    head.click()
    expect(head).to_have_attribute("aria-sort", "descending")
    falling = [float(text.split()[0]) for text in column(page, "R@1")]
    assert rising == [20, 20, 30, 40, 50, 60]
    assert falling == rising[::-1]


def test_the_keyboard_sorts_too(visit):
    page = visit().open("leaderboard.html")
    page.locator("#board thead th", has_text="loss").locator(".dt-column-order").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#board thead th", has_text="loss")).to_have_attribute("aria-sort", "ascending")
    names = column(page, "loss")
    assert names == sorted(names)


def test_filters_choose_rows(visit):
    page = visit().open("leaderboard.html")
    choose(page, "dataset", "other")
    assert column(page, "loss") == ["pfml", "frozen backbone"]
    choose(page, "noise", "symmetric 0.2")
    assert column(page, "R@1")[0].startswith("25.00")
    choose(page, "track", "paper_values")
    assert column(page, "R@1")[0].startswith("20.00")
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("document.querySelectorAll('#board tbody tr').length === 6")


def test_all_rows_come_back_with_all(visit):
    page = visit().open("leaderboard.html")
    for name in ("dataset", "noise", "regime", "track"):
        choose(page, name, "")
    assert len(column(page, "track")) == 24


def test_a_metric_shows_its_column_alone(visit):
    page = visit().open("leaderboard.html")
    choose(page, "metric", "map_at_r")
    assert column(page, "MAP@R")[2].startswith("32.00")
    assert page.locator("#board thead th", has_text="R@1").count() == 0
    page.wait_for_function("document.querySelectorAll('.plot svg').length === 2")
    points = page.locator("figure[data-dataset=shapes] svg").inner_html()
    assert "32.00" in points
    assert "60.00" not in points


def test_a_data_set_hides_the_other_charts(visit):
    page = visit().open("leaderboard.html")
    choose(page, "dataset", "shapes")
    assert page.locator("figure[data-dataset=shapes]").is_visible()
    assert page.locator("figure[data-dataset=other]").is_hidden()


def test_the_tie_group_is_marked_in_words(visit):
    page = visit().open("leaderboard.html")
    assert page.locator("#board tr.ties").count() == 2
    assert all("tie group" in text for text in page.locator("#board tr.ties").all_inner_texts())


def test_the_legend_takes_a_loss_out_and_back(visit):
    page = visit().open("leaderboard.html")
    marks = page.locator("figure[data-dataset=shapes] svg .mark-symbol path")
    assert marks.count() == 6
    box = page.locator("input[data-loss=triplet]")
    box.focus()
    page.keyboard.press("Space")
    page.wait_for_function(
        "document.querySelectorAll('figure[data-dataset=shapes] svg .mark-symbol path').length === 4"
    )
    page.keyboard.press("Space")
    page.wait_for_function(
        "document.querySelectorAll('figure[data-dataset=shapes] svg .mark-symbol path').length === 6"
    )


def test_a_point_tells_its_numbers_on_hover(visit):
    page = visit().open("leaderboard.html")
    page.locator("figure[data-dataset=shapes] svg .mark-symbol path").first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "interval" in page.locator("#vg-tooltip-element").inner_text()


def test_a_hostile_name_is_text(visit):
    visitor = visit()
    page = visitor.open("leaderboard.html")
    link = page.locator("#board a", has_text=HOSTILE)
    assert link.count() == 1
    link.click()
    page.wait_for_selector("html[data-ready=yes]")
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator("script", has_text=re.compile("^alert")).count() == 0


def test_a_map_shows_the_image_on_hover_and_brings_a_class_out(visit):
    page = visit().open("retrieval-shapes.html")
    marks = page.locator("figure svg .mark-symbol path")
    assert marks.count() == 48
    marks.first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible img")
    page.wait_for_function("document.querySelector('#vg-tooltip-element img').naturalWidth > 0")
    page.locator("select[data-signal=chosen]").select_option("class 7")
    bright = "[...document.querySelectorAll('figure svg .mark-symbol path')]"
    bright += ".filter((p) => p.getAttribute('opacity') === '0.9')"
    page.wait_for_function(f"{bright}.length === 8")


def test_galleries_ask_the_same_queries_of_every_loss(visit):
    page = visit().open("retrieval-shapes.html")
    queries = page.locator("article.query")
    assert queries.count() == 6
    for number in range(queries.count()):
        losses = queries.nth(number).locator(".answer-loss").all_inner_texts()
        assert [text.strip() for text in losses] == ["pfml", "triplet"]
        alts = [image.get_attribute("alt") for image in queries.nth(number).locator("li img").all()]
        right = [
            ("right" in alt) == ("hit" in item.get_attribute("class"))
            for alt, item in zip(alts, queries.nth(number).locator("li").all(), strict=True)
        ]
        assert len(right) == 10
        assert all(right)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1600, "light")])
def test_pages_fit_load_all_images_and_pass_axe(visit, name, width, scheme):
    page = visit(width, scheme).open(name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].filter((image) => !image.naturalWidth).length") == 0
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert violations(page) == ""


def test_charts_without_intervals_pass_axe(visit, workplace):
    """As of one seed: nothing is drawn for them, and an empty group of marks has no text."""
    write_project()
    board = Path("results/leaderboard.json")
    rows = [
        {column: None if column.endswith(("_low", "_high")) else value for column, value in row.items()}
        for row in json.loads(board.read_text())
    ]
    board.write_text(json.dumps(rows))
    site = (workplace / write_site(settings())).parent
    for name in ("index.html", "leaderboard.html"):
        page = visit(of=site).open(name)
        assert page.locator("svg g.mark-symbol path").count()
        assert violations(page) == "", name


def test_the_first_stop_of_the_keyboard_skips_the_navigation(visit):
    page = visit().open("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_claims_use_the_width_of_a_large_screen(visit):
    """Statements and their plots stand side by side, and together take the width of the page."""
    page = visit(1600).open("claims.html")
    main = page.locator("main").bounding_box()
    part = page.locator(".claim", has=page.locator(".forest")).first
    left, right = part.locator(".statements").bounding_box(), part.locator(".forests").bounding_box()
    assert right["x"] >= left["x"] + left["width"]
    assert abs(right["y"] - left["y"]) < 40
    assert left["width"] + right["width"] > 0.9 * main["width"]
    first, *_, last = [each.bounding_box() for each in page.locator(".notes").last.locator("p").all()]
    assert last["x"] + last["width"] - first["x"] > 0.9 * main["width"]
    assert "…" not in page.locator(".claim svg").last.inner_html()
    assert "M = 2, the rest" in page.locator(".claim svg").last.inner_html()
    narrow = visit(400).open("claims.html").locator(".claim", has_text="Statement of one")
    assert narrow.locator(".forests").bounding_box()["y"] > narrow.locator(".statements").bounding_box()["y"] + 20


def test_formulas_are_drawn_by_the_browser(visit):
    page = visit().open("loss-pfml.html")
    math = page.locator(".formula math")
    assert math.count() == 2
    assert math.first.bounding_box()["height"] > 30  # sums are taller than a line
    assert "psi_att" not in page.locator(".formula").inner_text()


def test_every_page_becomes_ready_without_a_complaint(visit, site):
    """Whatever its links are: the sheet of the data set names an address of mail."""
    visitor = visit()
    pages = sorted(path.name for path in site.glob("*.html"))
    assert "mailto:maker@example.org" in (site / "dataset-shapes.html").read_text()
    for name in pages:
        visitor.open(name, "#losses=none")
    assert len(pages) > 10
