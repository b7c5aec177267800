"""``suite compare`` from the command line."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from suite.cli.main import app
from suite.errors import SuiteError
from suite.evaluation.tables import write_csv
from tests.helpers.paths import ROOT
from tests.helpers.records import table


@pytest.fixture
def records(workplace):
    conditions = (
        ("a", 0, [0.5, 0.52, 0.54]),
        ("b", 0, [0.4, 0.421, 0.44]),
        ("a", 0.2, [0.3, 0.3, 0.31]),
        ("b", 0.2, [0.3] * 3),
    )
    write_csv(table(*conditions), Path("results/records.csv"))


def compare(*arguments):
    return CliRunner().invoke(app, ["compare", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("records")
def test_it_prints_a_table_and_a_sentence():
    done = compare("a", "b")
    assert done.exit_code == 0
    head, *rows = (line.split() for line in done.stdout.splitlines()[:3])
    assert head[0] == "regime"
    assert [(row[0], row[3]) for row in rows] == [("frozen", "0"), ("frozen", "0.2")]
    assert "In 2 comparisons by R@1, a against b is ahead in 1, not told apart in 1" in done.stdout
    assert (
        "a is ahead of b on emoji at noise 0 (frozen, tuned): +9.97 points" in compare("a", "b", "--noise", "0").stdout
    )
    assert "by MAP@R" in compare("a", "b", "--metric", "map_at_r").stdout


@pytest.mark.usefixtures("records")
def test_one_regime_may_be_chosen():
    assert compare("a", "b", "--regime", "frozen").stdout == compare("a", "b").stdout
    with pytest.raises(SuiteError, match=r"regime 'published' is not in the records; allowed: frozen"):
        compare("a", "b", "--regime", "published")
    again = r"results/finetuned/records\.csv is missing; run: dvc repro pipelines/finetuned/dvc\.yaml:leaderboard"
    with pytest.raises(SuiteError, match=again):
        compare("a", "b", "--regime", "finetuned")


@pytest.mark.usefixtures("records")
def test_the_regime_in_which_the_network_learns_has_records_of_its_own():
    """There b is ahead of a."""
    conditions = (("a", 0, [0.5, 0.52, 0.54]), ("b", 0, [0.6, 0.621, 0.64]))
    write_csv(table(*conditions, regime="finetuned"), Path("results/finetuned/records.csv"))
    mine = compare("a", "b", "--regime", "finetuned").stdout
    assert "a is behind b on emoji at noise 0 (finetuned, tuned): -10.03 points" in mine
    assert "a is ahead of b on emoji" in compare("a", "b", "--regime", "frozen", "--noise", "0").stdout
    both = compare("a", "b", "--noise", "0").stdout
    assert "In 2 comparisons by R@1, a against b is ahead in 1, behind in 1" in both
    Path("results/records.csv").unlink()
    assert compare("a", "b").stdout == mine


@pytest.mark.usefixtures("records")
def test_an_unknown_loss_is_told():
    with pytest.raises(SuiteError, match="loss 'c' is not in the records; allowed: a, b"):
        compare("a", "c")


@pytest.mark.usefixtures("workplace")
def test_records_that_are_missing_are_told():
    with pytest.raises(SuiteError, match=r"results/records\.csv is missing; run: dvc repro leaderboard"):
        compare("a", "b")


@pytest.mark.usefixtures("records")
def test_one_loss_is_compared_with_pfml_and_the_best_baseline():
    """Of the two, a is pfml's like: a loss of the user's own."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings |= {"losses": {"a": {"target": "a.py:A"}, "b": {}}, "paper_values": {}, "geometry": {}, "ablation": {}}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    done = compare("a")
    assert done.exit_code == 0
    assert "b (best baseline)" in done.stdout
    assert "a in 2 tables: against the best baseline ahead in 1, not told apart in 1." in done.stdout
    assert "a in 1 table:" in compare("a", "--noise", "0").stdout
    assert "points of MAP@R" in compare("a", "--metric", "map_at_r").stdout
    with pytest.raises(SuiteError, match="loss 'c' is not in the records; allowed: a, b"):
        compare("c")
    with pytest.raises(SuiteError, match="b shares no table with pfml or a baseline"):
        compare("b")
