"""The leaderboard as Markdown."""

from suite.leaderboard.render import to_markdown
from suite.leaderboard.table import FROZEN, leaderboard
from tests.suite.leaderboard.records import frozen, table


def markdown(*cells, **options):
    return to_markdown(leaderboard(table(*cells, **options), frozen(0.4)))


def lines(text):
    """Cells of the table's rows by loss."""
    split = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in split}


def test_one_row_a_loss_and_one_column_a_noise_level():
    text = markdown(("pfml", 0, [0.5, 0.52]), ("pfml", 0.2, [0.45, 0.47]))
    found = lines(text)
    assert found["loss"] == [
        "noise 0: R@1 (95 % interval)",
        "noise 0.2: R@1 (95 % interval)",
        "drop at 0.2",
        "MAP@R at 0",
        "failed runs",
    ]
    # Half width t(1 df) * 1.414 / sqrt(2) = 12.706.
    assert found["pfml"] == ["51.00 ± 12.71", "46.00 ± 12.71", "5.00", "51.00", "0 of 4"]
    assert found[FROZEN] == ["40.00", "40.00", "–", "40.00", "–"]
    assert text.startswith("# Leaderboard\n\n## emoji\n")


def test_every_row_has_the_width_of_the_head():
    text = markdown(("a", 0, [0.5, 0.5]), ("b", 0, [0.6, 0.4]), ("a", 0.2, [0.5, None]), ("b", 0.2, [None, None]))
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_names_are_escaped():
    text = markdown(("a|b<script>", 0, [0.3, 0.3]), tuned=False)
    assert "| a\\|b&lt;script> | " in text
    assert "a\\|b&lt;script> does not beat" in text
    assert "class defaults: a\\|b&lt;script>." in text
    assert "<script" not in text


def test_a_loss_that_does_not_beat_the_frozen_backbone_is_remarked():
    text = markdown(("good", 0, [0.5, 0.5]), ("bad", 0, [0.39, 0.38]), ("equal", 0, [0.4, 0.4]))
    assert "\nbad does not beat the frozen backbone without noise (-1.50 points).\n" in text
    assert "\nequal does not beat the frozen backbone without noise (+0.00 points).\n" in text
    assert "good does not" not in text
    assert f"{FROZEN} does not" not in text


def test_failed_runs_are_counted():
    text = markdown(("frail", 0, [0.5, None, 0.6]), ("dead", 0, [None, None, None]))
    found = lines(text)
    assert found["frail"][-1] == "1 of 3"
    assert found["dead"] == ["–", "–", "3 of 3"]
    assert "\ndead finished no run without noise.\n" in text
    assert "nan" not in text


def test_losses_without_a_tuned_recipe_are_named():
    assert "\nNot tuned, class defaults: a, b.\n" in markdown(("b", 0, [0.5]), ("a", 0, [0.5]), tuned=False)
    assert "Not tuned" not in markdown(("b", 0, [0.5]))


def test_without_clean_runs_there_is_no_drop_column():
    assert "drop" not in markdown(("a", 0.2, [0.5]), ("a", 0.4, [0.5]))
