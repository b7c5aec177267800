"""The page of tuning: budget curves with bands over searches, and the table of scatter."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from suite.errors import SuiteError
from suite.judging.scatter import Scatter
from suite.report.site.tuning import Budget, as_asked, budget_points, scatter_cells, searches_in_git
from suite.report.site.write import write_site
from suite.settings.params import DatasetSettings
from suite.settings.tuned_recipes import load_tuned
from tests.helpers.paths import ROOT
from tests.suite.report.site.project import settings, write_board

RECIPE = ROOT / "recipes/tuned/emoji/pfml-0.yaml"
BUDGET = "20 trials on 4 folds, epochs searched: one of 8, 15, 30"


def recipe(number, scores):
    found = load_tuned(RECIPE)
    trials = [found.trials[0].model_copy(update={"fold_map_at_r": [] if s is None else [s]}) for s in scores]
    return found.model_copy(update={"number": number, "trials": trials})


def write_recipe(path, **place):
    path.write_text(yaml.safe_dump(yaml.safe_load(RECIPE.read_text()) | place))


def test_curves_have_the_range_over_searches_up_to_the_shortest():
    points = budget_points({"pfml": [recipe(0, [0.2, 0.4]), recipe(1, [0.1, None, 0.3])], "cpml": [recipe(0, [0.5])]})
    shown = [(point["loss"], point["trials"], point["searches"]) for point in points]
    assert shown == [("pfml", 1, 2), ("pfml", 2, 2), ("cpml", 1, 1)]
    first, second, _ = points
    # Means of one: 30 and 40 / 3; of two: (20 + 3 * 40) / 4, and 30 * 5/9 + 10 * 3/9.
    assert (first["low"], first["high"]) == pytest.approx((40 / 3, 30))
    assert (second["low"], second["high"], second["value"]) == pytest.approx((20, 35, 27.5))


def test_searches_come_by_number_from_the_folder_of_their_track(workplace):
    folder = workplace / "recipes/tuned_under_noise/emoji"
    folder.mkdir(parents=True)
    for number in (10, 2):
        write_recipe(folder / f"pfml-{number}.yaml", track="tuned_under_noise", number=number)
    shutil.copy(ROOT / "recipes/tuned/emoji/cpml-0.yaml", folder)
    assert [each.number for each in searches_in_git("tuned_under_noise", "emoji", "pfml")] == [2, 10]
    assert searches_in_git("tuned", "emoji", "pfml") == []


def test_the_page_has_a_chart_for_each_data_set_and_track_that_was_searched(workplace):
    write_board()
    folder = workplace / "recipes/tuned/shapes"
    folder.mkdir(parents=True)
    write_recipe(folder / "pfml-0.yaml", dataset="shapes")
    page = write_site(settings()).with_name("tuning.html").read_text()
    assert f"shapes, tuned: {BUDGET}; one search each, so no bands." in page
    assert "Every loss gets the same number" not in page
    assert page.count('class="plot"') == 1
    assert page.count('class="legend-item"') == 1
    (folder / "pfml-0.yaml").rename(folder / "pfml-1.yaml")
    write_recipe(folder / "pfml-1.yaml", dataset="shapes", number=1, folds=8, held_out=4)
    page = write_site(settings()).with_name("tuning.html").read_text()
    assert "shapes, tuned: no search in recipes/ is one that params.yaml asks for." in page
    assert (
        f"Left out, since params.yaml asks for numbers 0 to 4 of {BUDGET}: searches pfml 1 (20 trials on 4 of 8 folds,"
        in page
    )
    assert page.count('class="plot"') == 0
    (folder / "pfml-1.yaml").write_text("loss: [")
    with pytest.raises(SuiteError, match=r"recipes/tuned/shapes/pfml-1\.yaml is not valid YAML"):
        write_site(settings())


def test_the_page_tells_how_many_trials_failed(workplace):
    write_board()
    folder = workplace / "recipes/tuned/shapes"
    folder.mkdir(parents=True)
    trials = yaml.safe_load(RECIPE.read_text())["trials"]
    worst = min(range(len(trials)), key=lambda number: np.mean(trials[number]["fold_map_at_r"]))
    trials[worst]["fold_map_at_r"] = []
    left = [np.mean(trial["fold_map_at_r"]) for trial in trials if trial["fold_map_at_r"]]
    quartiles = np.percentile(left, [25, 50, 75]).tolist()
    write_recipe(folder / "pfml-0.yaml", dataset="shapes", trials=trials, failed_trials=1, trial_quartiles=quartiles)
    write_recipe(folder / "pfml-1.yaml", dataset="shapes", number=1)
    page = write_site(settings()).with_name("tuning.html").read_text()
    told = "best of them. Trials in which training failed, each spent like any other: pfml 1 of 40."
    assert told in " ".join(page.split())


def test_searches_in_which_the_network_learns_have_charts_of_their_own(workplace):
    write_board()
    file = Path("pipelines/finetuned/params.yaml")
    file.parent.mkdir(parents=True)
    shutil.copy(ROOT / file, file)
    tuning = yaml.safe_load(file.read_text())["tuning"]
    folder = workplace / "recipes/finetuned/tuned/shapes"
    folder.mkdir(parents=True)
    space = {"learning_rate": {"low": 0.1, "high": 1.0}}
    place = {"regime": "finetuned", "dataset": "shapes", "search_space": space, "folds": tuning["folds"]}
    write_recipe(folder / "pfml-0.yaml", **place, held_out=4)
    page = write_site(settings()).with_name("tuning.html").read_text()
    asked = f"{tuning['trials']} trials on {tuning['held_out']} of {tuning['folds']} folds"
    assert (
        "shapes, tuned, finetuned: no search in recipes/ is one that pipelines/finetuned/params.yaml asks for." in page
    )
    assert (
        f"Left out, since pipelines/finetuned/params.yaml asks for numbers 0 to {tuning['searches'] - 1} of {asked}"
        in page
    )
    wanted = yaml.safe_load(file.read_text())
    wanted["tuning"] |= {"trials": 20, "held_out": 4}
    file.write_text(yaml.safe_dump(wanted))
    page = write_site(settings()).with_name("tuning.html").read_text()
    assert f"shapes, tuned, finetuned: 20 trials on 4 of {tuning['folds']} folds; one search each, so no bands." in page
    assert page.count('class="plot"') == 1
    assert "where the network learns <code>pipelines/finetuned/params.yaml</code>." in " ".join(page.split())
    front = write_site(settings()).read_text()
    assert "over searches where there are several, else over seeds" in front
    board = Path("results/site/leaderboard.html").read_text()
    assert "over searches where a loss has several, else over seeds" in board


def test_only_searches_that_the_settings_ask_for_are_averaged():
    """One too many, other trials, other folds, other epochs and another track are left out; each loss keeps its own."""
    values = settings()
    one = values.model_copy(update={"tuning": values.tuning.model_copy(update={"searches": 1})})
    two = values.model_copy(update={"tuning": values.tuning.model_copy(update={"searches": 2})})
    scores = [0.5] * two.tuning.trials
    right = [recipe(0, scores), recipe(1, scores)]
    epochs = {"epochs": {"values": [8, 15]}}
    wrong = [
        recipe(2, scores),
        recipe(0, scores[1:]),
        recipe(1, scores).model_copy(update={"folds": 2}),
        recipe(1, scores).model_copy(update={"search_space": epochs}),
    ]
    asked, others = as_asked({"pfml": [*right, *wrong], "cpml": right[:1], "triplet": wrong}, two, "tuned", "emoji")
    assert asked == {"pfml": right, "cpml": right[:1]}
    assert others == [*wrong, *wrong]
    assert as_asked({"pfml": right}, two, "tuned_with_noisy_validation", "emoji") == ({}, right)
    assert as_asked({"pfml": right}, one, "tuned", "emoji") == ({"pfml": right[:1]}, right[1:])
    assert str(Budget.of(wrong[3])) == "20 trials on 4 folds, epochs searched: one of 8, 15"


def test_epochs_are_compared_within_the_limits_of_the_data_set():
    values = settings()
    tuning = values.tuning.model_copy(update={"space": {"epochs": {"values": [8, 15, 30]}}})
    limited = DatasetSettings.model_validate({"limits": {"epochs": {"high": 15}}})
    values = values.model_copy(update={"tuning": tuning, "datasets": {"emoji": limited}})
    assert Budget.asked(values, "emoji").epochs == {"values": [8, 15]}
    assert Budget.asked(values, "another").epochs == {"values": [8, 15, 30]}


def test_without_searches_it_says_how_to_make_them(workplace):
    page = write_site(settings()).with_name("tuning.html").read_text()
    assert "suite search" in page
    assert not Path("recipes").exists()


def test_scatter_is_shown_in_points_and_an_estimate_below_zero_as_such():
    place = ("frozen", "tuned", "emoji", "pfml", "symmetric", 0.2)
    cells = scatter_cells(Scatter(place, 20, {"search": 4.0, "seed": -1.0}, "a remark"))
    assert cells[:6] == ["frozen", "tuned", "emoji", "pfml", "symmetric 0.2", "20"]
    assert cells[6:] == ["–", "2.00", "–", "0 (estimate below 0)", "a remark"]
