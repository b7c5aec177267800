"""Trials are counted from recipes; "every loss" is said where it is true."""

import pandas as pd

from suite.evaluation.tables import to_table
from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.budgets import TRIALS, has_equal_budgets, of_trials, with_trials
from suite.report.outcomes import outcomes
from suite.report.tables import leaderboard_latex, leaderboard_page
from suite.settings.tuned_recipes import TunedRecipe, save_tuned, tuned_path
from tests.helpers.records import frozen, runs


def write_recipe(loss, trials, number=0, dataset="emoji", regime="frozen"):
    """A recipe in git that a search of so many trials found."""
    values = {
        "data_sha256": "d",
        "search_space": {},
        "folds": 2,
        "training": {},
        "best": {},
        "best_map_at_r": 0.5,
        "best_fold_map_at_r": [0.5, 0.5],
        "trial_quartiles": [0.5] * 3,
        "failed_trials": 0,
        "validation_epoch": 1,
        "seconds": 1.0,
        "trials": [{"values": {}, "fold_map_at_r": [0.5, 0.5]}] * trials,
    }
    save_tuned(
        TunedRecipe(dataset=dataset, loss=loss, number=number, regime=regime, **values),
        tuned_path(dataset, loss, "tuned", number, regime),
    )


def board(**options):
    records = runs(
        ("pfml", 0, [0.5, 0.52, 0.51]), ("triplet", 0, [0.4, 0.43, 0.41]), ("mine", 0, [0.6, 0.59, 0.61]), **options
    )
    backbone = frozen(dataset=options.get("dataset", "emoji"))
    return with_trials(leaderboard(to_table(records), backbone), records), to_table(records)


def counted(board):
    """The trials of each loss that has some."""
    known = board[board[TRIALS].notna()]
    return dict(zip(known["loss"], known[TRIALS], strict=True))


def test_equal_numbers_are_said_to_be_so(workplace):
    for loss in ("pfml", "triplet", "mine"):
        write_recipe(loss, 25)
    found, table = board()
    assert counted(found) == {"mine": 25, "pfml": 25, "triplet": 25}
    page = leaderboard_page(found, verdicts(table, ["mine"]))
    assert "the best of 25 trials for every loss, by MAP@R" in page
    assert "the best of 25 trials for every loss" in leaderboard_latex(found)
    (fared,) = outcomes(found, verdicts(table, ["mine"]))
    assert fared.extent.endswith("3 runs a loss, tuned with equal budgets on true labels")


def test_unequal_numbers_are_printed_and_no_equal_budget_is_claimed(workplace):
    for loss, trials in (("pfml", 25), ("triplet", 25), ("mine", 10)):
        write_recipe(loss, trials)
    found, table = board()
    told = "unequal numbers of trials (mine 10, pfml 25, triplet 25)"
    assert of_trials(found) == told
    page = leaderboard_page(found, verdicts(table, ["mine"]))
    assert f"the best of {told}" in page
    assert "every loss" not in page
    (fared,) = outcomes(found, verdicts(table, ["mine"]))
    assert "equal budgets" not in fared.extent


def test_the_fewest_trials_of_several_searches_count(workplace):
    for loss in ("pfml", "triplet"):
        write_recipe(loss, 25)
    for number, trials in enumerate((25, 5)):
        write_recipe("mine", trials, number)
    records = [
        record.model_copy(update={"search": record.seed % 2 if record.loss == "mine" else 0})
        for record in runs(("pfml", 0, [0.5, 0.52]), ("mine", 0, [0.6, 0.59]))
    ]
    assert counted(with_trials(leaderboard(to_table(records), frozen()), records)) == {"mine": 5, "pfml": 25}


def test_values_by_hand_and_recipes_that_are_gone(workplace):
    found, _ = board(hyperparameter_source="params.yaml")
    assert set(found[TRIALS].dropna()) == {0}
    assert of_trials(found) == "no trials: values set by hand or class defaults"
    found, _ = board()
    assert counted(found) == {}
    assert of_trials(found) == "an unknown number of trials"
    assert not has_equal_budgets(found)
    (fared,) = outcomes(found, verdicts(to_table(runs(("pfml", 0, [0.5]), ("triplet", 0, [0.4]))), []))
    assert fared.extent.endswith("values from an unknown number of trials")


def test_each_data_set_counts(workplace):
    """Those of one data set are equal or not; a loss that has more on one of them has no equal budget."""
    for dataset, trials in (("emoji", 25), ("furniture", 10)):
        for loss in ("pfml", "triplet", "mine"):
            write_recipe(loss, trials, dataset=dataset)
    both = pd.concat([board()[0], board(dataset="furniture")[0]], ignore_index=True)
    assert of_trials(both) == "10 to 25 trials, on one data set the same number for every loss"
    assert has_equal_budgets(both)
    write_recipe("mine", 200, dataset="furniture")
    both = pd.concat([board()[0], board(dataset="furniture")[0]], ignore_index=True)
    assert of_trials(both) == "unequal numbers of trials (mine 25 to 200, pfml 10 to 25, triplet 10 to 25)"
    assert not has_equal_budgets(both)
    tuned_path("furniture", "pfml", "tuned", 0, "frozen").unlink()
    both = pd.concat([board()[0], board(dataset="furniture")[0]], ignore_index=True)
    assert "pfml not known" in of_trials(both)


def test_each_regime_has_the_trials_of_its_own_searches(workplace):
    for loss in ("pfml", "triplet", "mine"):
        write_recipe(loss, 20)
        write_recipe(loss, 3 if loss == "mine" else 16, regime="finetuned")
    assert counted(board()[0]) == {"mine": 20, "pfml": 20, "triplet": 20}
    assert counted(board(regime="finetuned")[0]) == {"mine": 3, "pfml": 16, "triplet": 16}
