"""The first page in a real browser: findings, gains of two regimes, filters, links that keep them, saved files."""

import csv
import json
import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from suite.report.site.front import write_front
from suite.report.site.inputs import read_inputs
from suite.report.site.pages import Pages
from suite.settings.params import LossSettings
from tests.helpers.browser import violations
from tests.suite.report.site.project import FORMULA, settings, write_two_regimes


@pytest.fixture
def front(visit, two_regimes):
    return visit(of=two_regimes).open("index.html")


def shown(page):
    """Regime and track of the tables that are shown."""
    tables = page.locator("section.gains:visible")
    return [(each.get_attribute("data-regime"), each.get_attribute("data-track")) for each in tables.all()]


def losses(page):
    return [text.strip() for text in page.locator("section.gains:visible tbody th a:visible").all_inner_texts()]


def choose(page, name, value):
    page.locator(f"select[data-filter={name}]").select_option(value)


def saved(page, name):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name, exact=True).click()
    return waiting.value.suggested_filename, waiting.value.path().read_text(encoding="utf-8")


def test_what_was_found_stands_on_the_first_screen_for_each_regime(front):
    told = front.locator("[data-finding]")
    assert [each.get_attribute("data-finding") for each in told.all()] == ["frozen", "finetuned"]
    assert all(
        "CVPR 2025) does not win: it is ahead of the best baseline in 0 of 4" in text for text in told.all_inner_texts()
    )
    assert (
        "Other claims: 1 not found with fine-tuning on embedded data (on what the paper says)."
        in told.last.inner_text()
    )
    last = told.last.bounding_box()
    assert last["y"] + last["height"] < front.viewport_size["height"]


def test_each_regime_has_verdicts_of_its_own_on_a_users_loss(workplace):
    write_two_regimes()
    inputs = read_inputs(settings())
    mine = {"triplet": LossSettings(target="my_loss.py:MyLoss")}
    write_front(Pages(workplace, []), replace(inputs, declared={**inputs.declared, **mine}), {})
    told = re.findall(r'#verdicts">Verdicts</a> in (.*?: .*?: )', (workplace / "index.html").read_text())
    assert told == ["regime frozen: triplet in 4 tables: ", "regime finetuned: triplet in 4 tables: "]


def test_each_regime_has_a_table_and_filters_choose_among_them(front):
    assert shown(front) == [("frozen", "tuned"), ("finetuned", "tuned")]
    choose(front, "regime", "finetuned")
    assert shown(front) == [("finetuned", "tuned")]
    choose(front, "regime", "")
    choose(front, "track", "paper_values")
    assert shown(front) == [("frozen", "paper_values")]
    told = front.get_by_text("Regime finetuned has no results on tuning track paper_values; it has: tuned.")
    assert told.is_visible()
    choose(front, "regime", "frozen")
    assert not told.is_visible()


def test_default_and_extended_losses_are_told_apart_in_tables_and_charts(front):
    choose(front, "regime", "frozen")
    assert losses(front) == ["triplet", "smooth_ap", "pfml", FORMULA]
    figure = front.locator("figure[data-regime=frozen][data-dataset=emoji] svg .mark-symbol path")
    assert figure.count() == 8
    choose(front, "losses", "default")
    assert losses(front) == ["triplet", "pfml"]
    expect(figure).to_have_count(4)
    assert front.locator("label:visible", has_text="smooth_ap").count() == 0
    choose(front, "losses", "extended")
    assert losses(front) == ["smooth_ap"]


def test_a_row_that_was_handed_in_says_so_and_no_other_does(front):
    marked = front.locator("tr:has(.mark-handed)")
    assert marked.count() == 2  # on both tracks of one regime
    assert all(f"{FORMULA} handed in, not rerun" in text for text in marked.locator("th").all_inner_texts())


def test_links_keep_the_filters(visit, two_regimes, front):
    choose(front, "regime", "frozen")
    choose(front, "losses", "default")
    front.locator("input[data-loss=triplet]").uncheck()
    kept = front.evaluate("location.hash")
    assert kept == "#regime=frozen&losses=default&without=triplet"
    other = visit(of=two_regimes).open("index.html", kept)
    assert (shown(other), losses(other)) == ([("frozen", "tuned")], ["pfml"])
    assert not other.locator("input[data-loss=triplet]").is_checked()
    assert other.locator("figure[data-regime=frozen][data-dataset=emoji] svg .mark-symbol path").count() == 2
    other.get_by_role("button", name="Reset").click()
    other.wait_for_function("location.hash === ''")
    assert len(shown(other)) == 2
    link = front.get_by_role("link", name="All metrics, ranks, drops and failures")
    link.click()
    front.wait_for_selector("html[data-ready=yes]")
    assert front.locator("select[data-filter=regime]").input_value() == "frozen"
    front.go_back()
    front.wait_for_selector("html[data-ready=yes]")
    assert losses(front) == ["pfml"]


def test_the_navigation_keeps_them_over_pages_that_cannot_choose(visit, two_regimes):
    page = visit(of=two_regimes).open("leaderboard.html", "#dataset=emoji&regime=finetuned&without=triplet")

    def follow(name):
        page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector("html[data-ready=yes]")
        return page

    assert follow("Results").locator("select[data-filter=regime]").input_value() == "finetuned"
    assert losses(page) == ["smooth_ap", "pfml", FORMULA]
    page.get_by_role("link", name="pfml", exact=True).first.click()
    page.wait_for_selector("html[data-ready=yes]")
    follow("Claims")
    assert follow("Leaderboard").locator("select[data-filter=dataset]").input_value() == "emoji"
    assert not page.locator("input[data-loss=triplet]").is_checked()
    page.locator("#board a", has_text="pfml").first.click()
    page.wait_for_url("**/loss-pfml.html#*without=triplet*")


def test_an_address_of_another_choice_or_of_nonsense_is_followed_as_far_as_it_goes(front):
    front.evaluate("location.hash = '#regime=finetuned&track=none&losses=%22%3E'")
    front.wait_for_function("document.querySelector('select[data-filter=regime]').value === 'finetuned'")
    assert shown(front) == [("finetuned", "tuned")]


def test_what_is_shown_can_be_saved(front):
    choose(front, "regime", "frozen")
    choose(front, "losses", "others")
    name, text = saved(front, "CSV")
    rows = list(csv.DictReader(text.splitlines()))
    assert name == "gains.csv"
    assert [(row["dataset"], row["noise_level"], row["loss"]) for row in rows if row["loss"] != "frozen backbone"] == [
        ("emoji", "0", f"'{FORMULA}"),  # a spreadsheet shows it and computes nothing
        ("emoji", "0.2", f"'{FORMULA}"),
        ("furniture", "0", f"'{FORMULA}"),
        ("furniture", "0.2", f"'{FORMULA}"),
    ]
    assert {row["regime"] for row in rows} == {"frozen"}
    assert rows[0]["handed_in"] == "not rerun"
    choose(front, "losses", "")
    front.locator("input[data-loss=triplet]").uncheck()
    name, text = saved(front, "JSON")
    rows = json.loads(text)
    assert name == "gains.json"
    assert {row["loss"] for row in rows} == {"pfml", "smooth_ap", FORMULA, "frozen backbone"}
    best = next(row for row in rows if row["loss"] == "smooth_ap")
    assert best["gain_over_frozen"] == pytest.approx(15.2)
    assert (best["recall_at_1_low"] + best["recall_at_1_high"]) / 2 == pytest.approx(55.2)


def test_a_loss_that_is_not_ticked_is_neither_shown_nor_saved(front):
    choose(front, "regime", "frozen")
    front.locator("input[data-loss=triplet]").uncheck()
    assert losses(front) == ["smooth_ap", "pfml", FORMULA]
    rows = list(csv.DictReader(saved(front, "CSV")[1].splitlines()))
    assert {row["loss"] for row in rows} == {"smooth_ap", "pfml", f"'{FORMULA}", "frozen backbone"}
    front.locator("input[data-loss=triplet]").check()
    choose(front, "losses", "extended")
    assert losses(front) == ["smooth_ap"]


def test_the_leaderboard_leaves_it_out_as_well(visit, two_regimes):
    page = visit(of=two_regimes).open("leaderboard.html", "#without=triplet")
    assert "triplet" not in page.locator("#board tbody").inner_text()
    assert "pfml" in page.locator("#board tbody").inner_text()
    page.locator("input[data-loss=triplet]").check()
    assert "triplet" in page.locator("#board tbody").inner_text()


def test_a_cell_with_a_name_that_javascript_knows_is_shown_as_it_is(visit, two_regimes):
    page = visit(of=two_regimes).open("leaderboard.html")
    names = ["constructor", "toString", "__proto__"]
    assert page.evaluate("(names) => names.map((name) => boardCell(name, {}, 'display'))", names) == names


def test_charts_name_their_metric(visit, two_regimes):
    page = visit(of=two_regimes).open("index.html")
    charts = page.locator("figure[data-chart], figure.chart:visible")
    assert all("test R@1, %" in text for text in charts.all_text_contents())
    board = visit(of=two_regimes).open("leaderboard.html")
    choose(board, "metric", "map_at_r")
    expect(board.locator("figure.chart:visible svg text", has_text=": MAP@R").first).to_be_visible()


def test_the_leaderboard_saves_the_columns_of_the_metric(visit, two_regimes):
    page = visit(of=two_regimes).open("leaderboard.html", "#dataset=emoji&noise=symmetric+0.2&metric=map_at_r")
    assert page.locator("select[data-filter=noise]").input_value() == "symmetric 0.2"
    rows = json.loads(saved(page, "JSON")[1])
    assert {(row["dataset"], row["noise_level"]) for row in rows} == {("emoji", 0.2)}
    assert "map_at_r" in rows[0]
    assert not {"recall_at_1", "rank_low"} & rows[0].keys()
    assert "handed in, not rerun" in page.locator("#board tr", has_text=FORMULA).inner_text()


def test_filters_work_by_keyboard(front):
    front.locator("select[data-filter=regime]").focus()
    front.keyboard.press("ArrowDown")
    assert shown(front) == [("frozen", "tuned")]
    front.keyboard.press("Tab")
    assert front.evaluate("document.activeElement.name") == "track"
    region = front.get_by_role("region", name="Gains, regime frozen, tuning track tuned")
    region.focus()
    expect(region).to_be_focused()


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1600, "dark")])
def test_it_fits_and_passes_axe_in_the_other_colours_too(visit, two_regimes, width, scheme):
    page = visit(width, scheme, of=two_regimes).open("index.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == ""


def test_figures_of_two_regimes_stand_beside_each_other(two_regimes):
    shown = {path.name: path.read_text() for path in (two_regimes / "figures").iterdir()}
    assert "<title>frozen" in shown["noise.svg"]
    assert "<title>finetuned" in shown["finetuned-noise.svg"]
    page = (two_regimes / "figures.html").read_text()
    assert "R@1 against label noise, finetuned" in page


def test_the_claims_of_each_regime_have_a_page(two_regimes):
    pages = {name: (two_regimes / name).read_text() for name in ("claims.html", "claims-finetuned.html")}
    assert "not found on frozen features" in pages["claims.html"]
    assert "not found with fine-tuning on embedded data" not in pages["claims.html"]
    assert "not found with fine-tuning on embedded data" in pages["claims-finetuned.html"]
    assert 'Claims judged elsewhere: <a href="claims-finetuned.html">regime finetuned</a>.' in pages["claims.html"]
    assert 'Claims judged elsewhere: <a href="claims.html">those of dvc repro</a>.' in pages["claims-finetuned.html"]
