"""Every check passes a sound loss and fails the one that is wrong in its way."""

import pytest
import torch

from suite.errors import SuiteError
from suite.losses.checks import batches
from suite.losses.checks.cost import PeakMemory
from suite.losses.checks.run import CHECKS, _run, run_checks
from suite.losses.checks.subject import Subject
from suite.losses.registry import BUILT_IN, LossEntry, load_target
from tests.suite.losses.checks import broken

WRONG = {
    "scalar output": broken.Vector,
    "finite value and gradient": broken.NotFinite,
    "gradient on the embeddings": broken.Constant,
    "gradient on its parameters": broken.Unreached,
    "descent gathers classes": broken.WrongSign,
    "order of the batch": broken.ByPlace,
    "numbers of the classes": broken.ByNumber,
    "rotation": broken.ByAxis,
    "float32 against float64": broken.Rounded,
    "gradient against slope": broken.Detached,
    "one class only": broken.NeedsNegatives,
    "one image a class": broken.NeedsPositives,
    "batch of two": broken.NeedsThree,
    "equal embeddings": broken.RootAtZero,
    "absent classes": broken.AllClasses,
    "inputs unchanged": broken.InPlace,
    "repeatable": broken.OwnChance,
    "random numbers": broken.Chance,
    "memory between batches": broken.Remembers,
    "influence": broken.PushesPositives,
}
NOTED = {"rotation", "gradient against slope", "random numbers", "memory between batches", "influence"}
"""What a sound loss may do."""


def subject(cls):
    return Subject(LossEntry("own", "own.py:Own", cls, "0"))


def finding(name, cls):
    (check,) = [check for check in CHECKS if check.name == name]
    return _run(check, subject(cls))


def test_there_is_a_wrong_loss_for_every_check():
    assert [check.name for check in CHECKS] == list(WRONG)


@pytest.mark.parametrize("name", list(WRONG))
def test_a_check_fails_the_loss_that_is_wrong_in_its_way_and_passes_a_sound_one(name):
    wrong = finding(name, WRONG[name])
    assert wrong.status == ("note" if name in NOTED else "fail"), wrong
    assert wrong.meaning
    sound = finding(name, broken.Sound)
    assert (sound.status, sound.meaning) == ("pass", ""), sound


@pytest.mark.parametrize("cls", [broken.Vector, broken.Exits])
def test_without_a_scalar_nothing_else_is_looked_at(cls):
    """A loss that ends the process has not passed."""
    first, rest = run_checks(subject(cls))
    assert (first.check, first.status) == ("scalar output", "fail")
    assert (rest.status, rest.found) == ("note", "not run")


def test_changed_labels_are_seen_too():
    assert finding("inputs unchanged", broken.InPlaceLabels).found == "it changes the labels in place"


def test_a_finding_names_the_batch_and_the_value():
    assert finding("one class only", broken.NeedsNegatives).found == "on a batch of one class it gives nan"
    assert finding("gradient on its parameters", broken.Unreached).found == "no gradient reaches margins"


def test_chance_is_no_reason_to_fail_what_cannot_be_compared():
    for name in ("order of the batch", "numbers of the classes", "rotation", "float32 against float64"):
        assert finding(name, broken.Chance).status == "note"


EXPECTED_NOTES = {"hist": ["rotation"]}  # its covariances are diagonal, and so have axes


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_built_in_losses_pass(name, monkeypatch):
    monkeypatch.setattr("suite.losses.checks.shape.DISTANCES", (0.3, 1.3))
    monkeypatch.setattr("suite.losses.checks.cost._ROUNDS", 1)
    findings = list(run_checks(Subject(load_target(name, BUILT_IN[name]))))
    assert [each for each in findings if each.status == "fail"] == []
    assert [each.check for each in findings if each.status == "note"] == EXPECTED_NOTES.get(name, [])
    assert findings[-1].check == "cost"
    assert "times proxy_anchor" in findings[-1].found


def test_memory_counts_what_is_alive_at_once():
    with PeakMemory() as memory:
        for _ in range(3):
            torch.zeros(1000)  # 4,000 bytes, given back each time
        kept = [torch.zeros(1000), torch.zeros(500)]
        kept[0].view(10, 100)  # a view has no memory of its own
    assert memory.peak == 6000


def test_batches_are_unit_vectors_with_labels_of_the_classes():
    every = [batches.typical(), batches.crowded(), batches.separated(), batches.one_class(), batches.strangers()]
    for batch in [*every, *batches.pairs(), *batches.duplicated(), batches.few_classes()]:
        torch.testing.assert_close(batch.embeddings.norm(dim=1), torch.ones(len(batch.labels)))
        assert set(batch.labels.tolist()) <= set(range(batches.NUM_CLASSES))


def test_a_constructor_that_refuses_is_an_error():
    class Refusing(broken.Sound):
        def __init__(self, num_classes: int) -> None:
            raise ValueError("no")

    with pytest.raises(SuiteError, match="no"):
        subject(Refusing).build()
