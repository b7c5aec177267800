"""Who is best under label noise, and where PFML stands."""

import pandas as pd

from suite.judging.leaderboard.table import leaderboard
from suite.report.under_noise import best_under_noise
from tests.helpers.records import frozen, table

OTHERS = "2 others above the frozen backbone are not shown to be worse"
SCATTER = {"pfml": [0, 0.001, 0.002], "cpml": [0.002, 0.001, 0], "triplet": [0.001, 0, 0.002]}


def board(*conditions, dataset="emoji", **options):
    """Rows of conditions (loss, level, mean R@1), with three runs each."""
    runs = [(loss, level, [mean + each for each in SCATTER[loss]]) for loss, level, mean in conditions]
    return leaderboard(table(*runs, dataset=dataset, **options), frozen(0.9, dataset))


def test_the_highest_level_counts_and_the_frozen_backbone_has_no_place():
    found = board(("pfml", 0.2, 0.6), ("cpml", 0.2, 0.3), ("pfml", 0.4, 0.3), ("cpml", 0.4, 0.5), ("triplet", 0.4, 0.2))
    assert best_under_noise(found) == (
        "With 40 % wrong labels the highest mean R@1 is that of cpml on emoji.",
        "There PFML has place 2 of 3 (shown to be worse) on emoji.",
    )


def test_losses_that_scatter_below_the_frozen_backbone_do_not_count():
    runs = table(
        ("pfml", 0.2, [0.40, 0.46, 0.41]),
        ("cpml", 0.2, [0.44, 0.40, 0.45]),
        ("triplet", 0.2, [0.41, 0.44, 0.42]),
    )
    (first, _) = best_under_noise(leaderboard(runs, frozen(0.4234)))
    assert first.endswith(" of cpml on emoji.")
    (first, _) = best_under_noise(leaderboard(runs, frozen(0.4233)))
    assert first.endswith(" of cpml (2 others above the frozen backbone are not shown to be worse) on emoji.")


def test_losses_that_may_be_the_best_as_well_are_counted():
    found = leaderboard(
        table(
            ("pfml", 0.2, [0.40, 0.46, 0.41]),
            ("cpml", 0.2, [0.44, 0.40, 0.45]),
            ("triplet", 0.2, [0.41, 0.44, 0.42]),
        ),
        frozen(0.3),
    )
    assert best_under_noise(found) == (
        f"With 20 % wrong labels the highest mean R@1 is that of cpml ({OTHERS}) on emoji.",
        "There PFML has place 2 of 3 on emoji.",
    )


def test_equal_means_are_both_the_highest():
    """Two losses with the same runs, in another order."""
    found = leaderboard(
        table(
            ("pfml", 0.2, [0.40, 0.46, 0.41]),
            ("cpml", 0.2, [0.44, 0.40, 0.45]),
            ("triplet", 0.2, [0.40, 0.45, 0.44]),
        ),
        frozen(0.3),
    )
    other = "1 other above the frozen backbone is not shown to be worse"
    assert best_under_noise(found) == (
        f"With 20 % wrong labels the highest mean R@1 is that of cpml and triplet ({other}) on emoji.",
        "There PFML has place 3 of 3 on emoji.",
    )


def test_each_data_set_and_track_is_told_and_what_is_alike_is_told_once():
    losses = ("pfml", 0.4, 0.6), ("cpml", 0.4, 0.5)
    other = ("pfml", 0.4, 0.4), ("cpml", 0.4, 0.5)
    found = pd.concat(
        [board(*losses), board(*losses, dataset="furniture"), board(*other, track="tuned_under_noise")],
        ignore_index=True,
    )
    assert best_under_noise(found) == (
        (
            "With 40 % wrong labels the highest mean R@1 is that of pfml on emoji and furniture; on track "
            "tuned_under_noise, cpml on emoji."
        ),
        (
            "There PFML has place 1 of 2 on emoji and furniture; on track tuned_under_noise, 2 of 2 (shown to "
            "be worse) on emoji."
        ),
    )


def test_nothing_is_said_without_noise_or_without_pfml():
    assert best_under_noise(board(("pfml", 0, 0.5), ("cpml", 0, 0.4))) == ()
    assert best_under_noise(board(("cpml", 0.4, 0.4), ("triplet", 0.4, 0.3))) == ()


def test_a_data_set_without_pfml_is_left_out():
    here = board(("pfml", 0.4, 0.3), ("cpml", 0.4, 0.5))
    absent = board(("cpml", 0.4, 0.5), ("triplet", 0.4, 0.4), dataset="furniture")
    assert best_under_noise(pd.concat([here, absent], ignore_index=True)) == best_under_noise(here)


def with_failures(pfml, cpml=(0.5, 0.51, 0.52)):
    """What is said of three losses, of which some runs failed."""
    found = table(("pfml", 0.4, pfml), ("cpml", 0.4, cpml), ("triplet", 0.4, [0.3, 0.33, 0.31]))
    return best_under_noise(leaderboard(found, frozen(0.4)))


def test_failed_runs_are_told_and_put_a_loss_behind_those_that_finished_all():
    leader = "With 40 % wrong labels the highest mean R@1 is that of cpml on emoji."
    assert with_failures([None] * 3) == (leader, "There PFML has place 3 of 3 (no run finished) on emoji.")
    assert with_failures([0.9, None, 0.9]) == (leader, "There PFML has place 3 of 3 (1 run failed) on emoji.")
    first, second = with_failures([0.9, None, 0.9], [None] * 3)
    assert "is that of triplet on emoji" in first
    assert "place 2 of 3 (1 run failed)" in second
    nothing = table(("pfml", 0.4, [None] * 3), ("cpml", 0.4, [None] * 3))
    assert best_under_noise(leaderboard(nothing, frozen(0.4))) == ()


def test_one_seed_shows_nobody_to_be_worse():
    found = leaderboard(table(("pfml", 0.4, [0.3]), ("cpml", 0.4, [0.5]), ("triplet", 0.4, [0.4])), frozen(0.2))
    assert best_under_noise(found) == (
        f"With 40 % wrong labels the highest mean R@1 is that of cpml ({OTHERS}) on emoji.",
        "There PFML has place 3 of 3 on emoji.",
    )
