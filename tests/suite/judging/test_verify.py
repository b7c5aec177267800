"""A rerun against committed records."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from suite.errors import SuiteError
from suite.evaluation.records import write_records
from suite.evaluation.tables import write_csv
from suite.judging.verify import RerunOutcome, as_rows, compare, conclusion
from tests.helpers.paths import ROOT
from tests.helpers.records import runs as runs_of
from tests.helpers.records import table as table_of


def table(level=0.2, **losses):
    """Records of losses, R@1 in percent by seed."""
    by_loss = {loss: [None if value is None else value / 100 for value in values] for loss, values in losses.items()}
    return table_of(*((loss, level, values) for loss, values in by_loss.items()))


def as_bytes(frame):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.csv"
        write_csv(frame, path)
        return path.read_bytes()


def computed(level=0.2, **losses):
    """Write the same as runs of this folder."""
    for loss, values in losses.items():
        path = Path(f"runs/emoji-{loss}/records.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_records(path, runs_of((loss, level, [value / 100 for value in values])))


BASE = np.array([50.0, 50.4, 49.7, 50.2, 50.1])
DRIFT = np.array([0.2, -0.1, 0.1, -0.2, 0.1])


@pytest.mark.parametrize(
    ("shift", "scatter", "outcome"),
    [
        (0.1, 1, RerunOutcome.REPRODUCED),
        (3.0, 1, RerunOutcome.NOT_REPRODUCED),
        (-3.0, 1, RerunOutcome.NOT_REPRODUCED),
        (0.5, 10, RerunOutcome.CANNOT_TELL),
    ],
)
def test_outcomes(shift, scatter, outcome):
    found = compare(as_bytes(table(pfml=BASE)), as_bytes(table(pfml=BASE + shift + scatter * DRIFT)))
    assert found.outcome == outcome
    assert not found.identical
    assert conclusion(found).startswith(f"{outcome}: of 1 conditions 1 {outcome}; margin 1 points")


def test_one_condition_that_differs_is_enough():
    first, second = table(pfml=BASE, cpml=BASE), table(pfml=BASE + DRIFT, cpml=BASE + 3 + DRIFT)
    found = compare(as_bytes(first), as_bytes(second))
    assert [each.outcome for each in found.conditions] == [RerunOutcome.REPRODUCED, RerunOutcome.NOT_REPRODUCED]
    assert found.outcome == RerunOutcome.NOT_REPRODUCED
    assert "largest difference +3.02 (frozen tuned emoji cpml symmetric 0.2)" in conclusion(found)


def test_identical_bytes_are_said_to_be_so():
    content = as_bytes(table(pfml=BASE))
    assert compare(content, content).outcome == RerunOutcome.REPRODUCED
    assert conclusion(compare(content, content)).endswith("identical: both files are the same bytes, 5 runs")


def test_conditions_not_run_leave_it_open():
    found = compare(as_bytes(table(pfml=BASE, cpml=BASE)), as_bytes(table(pfml=BASE + DRIFT)))
    assert found.outcome == RerunOutcome.CANNOT_TELL
    assert as_rows(found)[1][-1] == "not run"


def test_new_failures_are_no_reproduction():
    found = compare(as_bytes(table(pfml=BASE)), as_bytes(table(pfml=[None, *BASE[1:]])))
    assert found.outcome == RerunOutcome.NOT_REPRODUCED


def test_other_seeds_are_compared_unpaired():
    second = table(pfml=BASE + DRIFT).assign(seed=lambda rows: rows["seed"] + 10)
    (found,) = compare(as_bytes(table(pfml=BASE)), as_bytes(second)).conditions
    assert (found.outcome, found.remark) == (RerunOutcome.REPRODUCED, "other seeds: unpaired")
    assert float(found.estimate.degrees) > 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_sha256": "e"}, "fresh: data_sha256 of dataset emoji is not that in committed"),
        ({"noise_sha256": "n"}, "noise_sha256"),
        ({"seed": 0}, "fresh, line 3 holds a run twice: regime frozen"),
        ({"recall_at_1": 50.0}, "fresh, line 2: recall_at_1 = 50.0; allowed: shares"),
    ],
)
def test_bad_records(change, message):
    with pytest.raises(SuiteError) as caught:
        compare(as_bytes(table(pfml=BASE)), as_bytes(table(pfml=BASE).assign(**change)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "fresh is not valid CSV"), (b"a,b\n1,2\n", "fresh lacks column regime, track")]
)
def test_no_records(content, message):
    with pytest.raises(SuiteError, match=message):
        compare(as_bytes(table(pfml=BASE)), content)


def test_the_command_compares_with_head(workplace, command):
    path = workplace / "results/records.csv"
    path.parent.mkdir()
    path.write_bytes(as_bytes(table(pfml=BASE)))
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t"]):
        subprocess.run(["git", *words], check=True)
    status, _, err = command("verify")
    assert status == 2
    assert err.startswith(
        "error: runs/ holds no run, so nothing was recomputed; run: dvc repro; there is no params.yaml"
    )
    computed(pfml=BASE)
    status, out, _ = command("verify")
    assert status == 0
    assert "identical" in out
    moved = BASE + 5 + 0.01 * np.arange(len(BASE))
    computed(pfml=moved)  # the table is still git's: it stopped before the leaderboard
    status, out, _ = command("verify")
    assert status == 1
    assert "runs/ does not hold these runs; run: dvc repro" in out
    assert "cannot tell: of 1 conditions 1 not recomputed" in out
    path.write_bytes(as_bytes(table(pfml=moved)))
    status, out, _ = command("verify")
    assert status == 1
    assert "not reproduced: of 1 conditions" in out


def test_the_command_names_what_is_missing(workplace, command):
    status, _, err = command("verify", "a.csv", "b.csv")
    assert (status, err) == (
        2,
        "error: records file a.csv is missing; allowed: a records.csv as suite leaderboard writes it\n",
    )


def test_conditions_of_two_regimes_and_kinds_of_noise_are_told_apart():
    kinds = [{}, {"regime": "finetuned"}, {"noise_kind": "small_cluster"}]
    shifts = [0.0, 3.0, 0.1]
    committed = pd.concat([table(pfml=BASE).assign(**kind) for kind in kinds])
    fresh = pd.concat(
        [table(pfml=BASE + shift + DRIFT).assign(**kind) for kind, shift in zip(kinds, shifts, strict=True)]
    )
    found = compare(as_bytes(committed), as_bytes(fresh))
    assert [(each.name, each.outcome) for each in found.conditions] == [
        ("frozen tuned emoji pfml symmetric 0.2", RerunOutcome.REPRODUCED),
        ("finetuned tuned emoji pfml symmetric 0.2", RerunOutcome.NOT_REPRODUCED),
        ("frozen tuned emoji pfml small_cluster 0.2", RerunOutcome.REPRODUCED),
    ]


def test_a_finished_run_without_its_metric_is_refused():
    fresh = table(pfml=BASE)
    fresh.loc[1, "recall_at_1"] = float("nan")
    with pytest.raises(SuiteError, match=r"fresh, line 3: recall_at_1 = nan; allowed: shares from 0 to 1"):
        compare(as_bytes(table(pfml=BASE)), as_bytes(fresh))


def test_equal_differences_are_no_certainty():
    (found,) = compare(as_bytes(table(pfml=BASE[:2])), as_bytes(table(pfml=BASE[:2] + 2.78))).conditions
    assert found.outcome == RerunOutcome.CANNOT_TELL
    assert found.remark == "equal differences: their scatter is unknown"
    (same,) = compare(as_bytes(table(pfml=BASE)), as_bytes(table(pfml=BASE))).conditions
    assert (same.outcome, same.remark) == (RerunOutcome.REPRODUCED, "the same values")


def test_committed_records_reproduce_nothing():
    tuned, paper = table(pfml=BASE, cpml=BASE - 1), table_of(("pfml", 0.2, list(BASE / 100)), track="paper_values")
    first, second = (
        as_bytes(pd.concat([tuned, paper])),
        as_bytes(pd.concat([table(pfml=BASE + DRIFT, cpml=BASE), paper])),
    )
    found = compare(first, second, kept=[("paper_values", "emoji", "pfml")])
    assert [each.outcome for each in found.conditions][2] == RerunOutcome.NOT_RECOMPUTED
    assert len(found.recomputed) == 2
    assert "1 not recomputed" in conclusion(found)
    alone = compare(as_bytes(paper), as_bytes(paper), kept=[("paper_values", "emoji", "pfml")])
    assert alone.outcome == RerunOutcome.CANNOT_TELL
    found = compare(first, second, kept=[("extended", "emoji", "pfml")])
    outcomes = [each.outcome == RerunOutcome.NOT_RECOMPUTED for each in found.conditions]
    assert outcomes == [True, False, False]


def test_losses_that_the_grid_does_not_run_are_those_in_git(workplace, command):
    path = Path("results/records.csv")
    path.parent.mkdir()
    path.write_bytes(as_bytes(table(pfml=BASE, supcon=BASE - 1)))
    for loss in ("pfml", "supcon"):
        Path(f"results/studies/extended/emoji-{loss}.jsonl").parent.mkdir(parents=True, exist_ok=True)
        Path(f"results/studies/extended/emoji-{loss}.jsonl").write_text("of another kind of noise, or of this loss")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t"]):
        subprocess.run(["git", *words], check=True)
    computed(pfml=BASE, supcon=BASE - 1)  # the folder of one that was in the grid stays
    values = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"losses": {"pfml": {}}}
    Path("params.yaml").write_text(yaml.safe_dump(values))
    _, out, _ = command("verify")
    told = {line.split()[3]: line for line in out.splitlines() if line.startswith("frozen")}
    assert "not recomputed" in told["supcon"]
    assert "not recomputed" not in told["pfml"]


def test_what_this_folder_has_not_run_reproduces_nothing(workplace, command):
    """Runs of one loss alone: the others of the table are git's, even where it was written anew."""
    path = Path("results/records.csv")
    path.parent.mkdir()
    path.write_bytes(as_bytes(table(pfml=BASE, cpml=BASE - 1)))
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t"]):
        subprocess.run(["git", *words], check=True)
    computed(mine=BASE)
    status, out, _ = command("verify")
    assert (status, "cannot tell: of 2 conditions 2 not recomputed" in out) == (1, True)
    computed(cpml=BASE - 1)
    status, out, _ = command("verify")
    assert (status, "reproduced: of 2 conditions 1 reproduced, 1 not recomputed" in out) == (0, True)
    computed(pfml=[*BASE[:4]])
    assert "1 reproduced, 1 not recomputed" in command("verify")[1]


def test_verdicts_against_losses_that_are_no_baselines_do_not_change():
    first, second = (table(pfml=BASE, supcon=BASE + gain * (1 + DRIFT)) for gain in (3, -3))
    compared = as_bytes(first), as_bytes(second)
    assert "pfml against best baseline: behind, now ahead" in conclusion(compare(*compared))
    assert "pfml against best baseline" not in conclusion(compare(*compared, users=["supcon"]))


def test_ties_ranks_and_verdicts_that_change_are_told():
    wide = 10 * DRIFT
    first = table(pfml=BASE + 3, cpml=BASE + DRIFT)
    told = conclusion(compare(as_bytes(first), as_bytes(table(pfml=BASE + 3 + wide, cpml=BASE + 2.5 - wide))))
    place = "frozen tuned emoji symmetric 0.2"
    assert "ties, ranks or verdicts are others:" in told
    assert f"{place} cpml: joins the tie group of the best" in told
    assert f"{place} pfml: ranks 1 to 1, now 1 to 2" in told
    assert f"{place} pfml against best baseline: ahead, now not told apart" in told
    assert "no tie, rank or verdict is another" in conclusion(compare(as_bytes(first), as_bytes(first)))


def test_words_that_would_say_nothing_are_refused(workplace, command):
    """A draw without a sample; records of a rerun beside a sample, which is run anew."""
    status, _, err = command("verify", "--draw", "7")
    assert (status, err) == (2, "error: suite verify: --draw 7 draws a sample; allowed: with --sample\n")
    status, _, err = command("verify", "a.csv", "b.csv", "--regime", "finetuned", "--sample", "3")
    assert status == 2
    assert err.startswith(
        "error: suite verify: b.csv cannot be compared with a sample, which is run here; leave it out"
    )
