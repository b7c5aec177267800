"""Every check passes a sound loss and fails the one that is wrong in its way."""

import sys
from pathlib import Path

import pytest
import torch

from suite.errors import SuiteError
from suite.losses.checks import batches
from suite.losses.checks.cost import PeakMemory
from suite.losses.checks.run import CHECKS, RAISED, _run, run_checks
from suite.losses.checks.subject import Subject, find_subject
from suite.losses.registry import BUILT_IN, LossEntry, load_target
from tests.suite.losses.checks import broken, hidden

WRONG = {
    "scalar output": broken.Vector,
    "finite value and gradient": broken.NotFinite,
    "gradient on the embeddings": broken.Constant,
    "gradient on its parameters": broken.Unreached,
    "parameters of the constructor": broken.MakesLate,
    "known parameters": broken.Unregistered,
    "labels matter": broken.IgnoresLabels,
    "gradient not too small": broken.Tiny,
    "gradient not too large": broken.Huge,
    "mean over the batch": broken.Summed,
    "unit rows": broken.OnLengths,
    "positives are pulled": broken.OnlyPushes,
    "learns a toy set": broken.WrongSign,
    "order of the batch": broken.ByPlace,
    "numbers of the classes": broken.ByNumber,
    "rotation": broken.ByAxis,
    "float32 against float64": broken.Rounded,
    "gradient against slope": broken.PartlyDetached,
    "full batch": hidden.Turns,
    "one class only": broken.NeedsNegatives,
    "one image a class": broken.NeedsPositives,
    "batch of two": broken.NeedsThree,
    "equal embeddings": broken.RootAtZero,
    "absent classes": broken.AllClasses,
    "inputs unchanged": broken.InPlace,
    "repeatable": broken.OwnChance,
    "memory between runs": broken.Leaks,
    "random numbers": broken.Chance,
    "memory between batches": broken.Remembers,
    "memory in the state dict": broken.Remembers,
    "influence": broken.PushesPositives,
    "pairs at work": broken.Idle,
}
NOTED = {
    "gradient not too large",
    "mean over the batch",
    "rotation",
    "gradient against slope",
    "random numbers",
    "memory between batches",
    "memory in the state dict",
    "influence",
    "pairs at work",
}
"""What a sound loss may do."""
MORE = [
    ("gradient on the embeddings", broken.Detached, "is zero on all ordinary batches"),
    ("parameters of the constructor", broken.Lazy, "layer.weight, layer.bias is made in the first forward pass"),
    (
        "known parameters",
        broken.ListOfProxies,
        "own_proxies[0], own_proxies[1], own_proxies[2], ...: not among its parameters",
    ),
    ("known parameters", broken.HiddenModule, "inner['loss']: "),
    ("known parameters", broken.LearnableBuffer, "scale: "),
    ("scalar output", broken.FewEpochs, "on a typical batch in epoch 100 it raised IndexError"),
    ("unit rows", broken.ExactlyUnit, "it gives nan"),
    ("positives are pulled", broken.FarMargin, "positives are not pulled at any distance"),
    ("positives are pulled", broken.WrongSign, "positives are not pulled at any distance"),
    ("learns a toy set", broken.WrongSign, "where the loss is maximised: its sign is wrong"),
    ("learns a toy set", broken.IgnoresLabels, "labels make no difference"),
    ("learns a toy set", broken.Tiny, ""),
    ("mean over the batch", broken.SummedPairs, "a sum over pairs, not a mean"),
    ("mean over the batch", hidden.SummedMeans, "a sum over images, not a mean"),
    ("finite value and gradient", hidden.LateNotFinite, "on a typical batch in epoch 100 it gives nan"),
    ("full batch", hidden.Turns, "a batch of 126 images moves them against what 28 of them do: cosine -"),
    ("full batch", hidden.FixedSize, "on a batch of 126 images it raised RuntimeError: The size of tensor"),
    ("full batch", hidden.LargeNotFinite, "on a batch of 126 images it gives nan"),
    ("order of the batch", hidden.FirstOnes, "on a batch of 126 images the value changes from"),
    ("inputs unchanged", broken.InPlaceLabels, "it changes the labels in place"),
    ("inputs unchanged", hidden.InPlaceWhereOdd, "on a batch of one image a class it changes the labels in place"),
    ("inputs unchanged", hidden.InPlaceLate, "it changes the embeddings in place"),
    ("inputs unchanged", hidden.InPlaceIndices, "it changes the indices in place"),
    ("memory in the state dict", hidden.Fills, "after 64 batches a loss that went on gives "),
    ("memory in the state dict", hidden.Counts, "self.steps counts batches, the value follows it, and no state dict"),
    ("memory between runs", hidden.CountsTogether, "CountsTogether.steps counts what all losses of its kind have seen"),
    ("memory between runs", hidden.CountsInFile, "tests.suite.losses.checks.hidden._calls counts what all"),
    ("memory between runs", hidden.LeaksWhenLarge, " on a batch of 126 images, and "),
    ("repeatable", hidden.Seeds, "forward seeds torch with 0"),
    ("repeatable", hidden.SeedsAtOnce, "its constructor seeds torch with 0"),
    ("repeatable", hidden.ChanceOfPython, ": it draws from random, which no run seeds"),
    ("repeatable", hidden.ChanceOfNumpy, ": it draws from numpy.random, which no run seeds"),
    ("scalar output", broken.RowsForPlaces, "it raised IndexError"),
    ("inputs unchanged", broken.Leaves, "it changes the working folder to /"),
    ("inputs unchanged", broken.LeavesAtOnce, "it changes the working folder to /"),
    ("scalar output", broken.Complex, "of shape () and type torch.complex64"),
    (
        "scalar output",
        broken.WantsMore,
        "forward needs weights; allowed: embeddings, labels, and by these names epoch, indices",
    ),
]
SOUND = [
    ("ContrastiveLoss", None),
    ("TripletMarginLoss", None),
    ("MultiSimilarityLoss", None),
    ("MarginLoss", None),
    ("SupConLoss", None),
    ("ProxyNCALoss", None),
    ("SoftTripleLoss", None),
    ("SubCenterArcFaceLoss", None),
    ("CrossBatchMemory", "ContrastiveLoss"),
]
"""Of pytorch-metric-learning, each with what it wraps."""


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


@pytest.mark.parametrize(("name", "cls", "found"), MORE)
def test_a_check_fails_other_losses_that_are_wrong_in_its_way(name, cls, found):
    wrong = finding(name, cls)
    assert wrong.status == ("note" if name in NOTED else "fail"), wrong
    assert found in wrong.found


def test_what_the_suite_offers_may_be_asked_for():
    for name in ("scalar output", "learns a toy set", "order of the batch", "positives are pulled", "inputs unchanged"):
        assert finding(name, broken.Takes).status == "pass"


def test_an_image_keeps_its_row_in_another_order_and_in_each_epoch():
    for name in ("order of the batch", "learns a toy set", "memory between runs", "inputs unchanged"):
        assert finding(name, broken.PerImage).status == "pass"


def test_a_mean_whose_gradients_grow_with_other_images_is_no_sum():
    assert finding("mean over the batch", hidden.Prototypes).status == "pass"


def test_what_a_loss_counts_and_keeps_for_people_is_no_memory():
    for name in ("memory between runs", "memory between batches", "memory in the state dict"):
        assert finding(name, hidden.Logs).status == "pass"


def test_a_count_is_put_back_after_the_check():
    """Else one check would change what the next one finds."""
    before = hidden.CountsTogether.steps
    finding("memory between runs", hidden.CountsTogether)
    assert hidden.CountsTogether.steps < before + 100


@pytest.mark.parametrize("cls", [broken.Leaks, broken.OwnChance, hidden.ChanceOfPython])
def test_what_is_repeated_under_no_seed_is_not_blamed_for_anything_else(cls):
    noted = ("random numbers", "order of the batch", "numbers of the classes", "rotation", "float32 against float64")
    for name in (*noted, "memory between batches", "unit rows"):
        found = finding(name, cls)
        assert (found.status, found.meaning) == ("note", "this check says nothing about the loss")
        assert found.found == "two new losses differ under one seed, so that two evaluations differ anyway"
    assert finding("memory between runs", cls).status == "fail"


def test_one_draw_of_random_numbers_tells_no_direction():
    for name in ("positives are pulled", "influence"):
        assert finding(name, hidden.Drops).status in {"note", "pass"}
    assert finding("learns a toy set", hidden.Drops).status == "pass"


@pytest.mark.parametrize("cls", [broken.NotFinite, hidden.NeedsEpoch])
def test_without_a_finite_value_on_a_typical_batch_nothing_else_is_looked_at(cls):
    statuses = [(each.check, each.status, each.found) for each in run_checks(subject(cls))]
    assert [each[:2] for each in statuses[:2]] == [("scalar output", "pass"), ("finite value and gradient", "fail")]
    assert statuses[2:] == [("all other checks", "note", "not run")]


def test_the_epoch_is_named_where_a_loss_asks_for_it():
    found = finding("finite value and gradient", hidden.NeedsEpoch)
    assert found.found == "on a typical batch in epoch 10 its value has no gradient, so that backward() raises"


def test_a_loss_that_cannot_be_measured_at_the_size_of_training_has_failed(quick):
    last = list(run_checks(subject(hidden.FixedClasses)))[-1]
    assert (last.check, last.status, last.meaning) == ("cost", "fail", RAISED)
    assert "cannot be measured: at that size it raised IndexError: Target " in last.found
    last = list(run_checks(subject(hidden.LargeNotFinite)))[-1]
    assert (last.status, last.found) == (
        "fail",
        "cannot be measured: on a batch of 120 images of 390 classes it gives nan",
    )


def test_a_fault_on_full_batches_is_told_once():
    for cls in (hidden.FixedSize, hidden.LargeNotFinite):
        for name in ("order of the batch", "inputs unchanged", "memory between runs"):
            assert finding(name, cls).status == "pass"


def test_a_line_of_the_suite_is_not_told():
    (first, _) = run_checks(subject(hidden.NoForward))
    assert first.found.endswith('Module [NoForward] is missing the required "forward" function')
    assert finding("learns a toy set", broken.KeepsGraph).found.endswith(
        "; detach() what it keeps from one batch to the next"
    )


def test_a_constructor_without_that_of_torch_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bare.py").write_text("from tests.suite.losses.checks.hidden import NoSuper\n")
    with pytest.raises(SuiteError, match=r"suite check bare\.py:NoSuper: its constructor does not call super"):
        find_subject("bare.py:NoSuper")


@pytest.mark.parametrize("cls", [broken.Vector, broken.Exits, broken.Complex, broken.WantsMore])
def test_without_a_scalar_nothing_else_is_looked_at(cls):
    """A loss that ends the process has not passed."""
    first, rest = run_checks(subject(cls))
    assert (first.check, first.status) == ("scalar output", "fail")
    assert (rest.status, rest.found) == ("note", "not run")


@pytest.mark.parametrize(
    ("name", "cls", "found"),
    [
        ("one class only", broken.IndexFails, "on a batch of one class it raised IndexError: index 0 is out of bounds"),
        ("batch of two", broken.IndexFails, "on two images of one class it raised IndexError: "),
        ("equal embeddings", broken.NeedsThree, None),
        ("learns a toy set", broken.KeepsGraph, "in step 2 of a training it raised RuntimeError: Trying to backward"),
        (
            "memory between batches",
            broken.KeepsGraph,
            "in backward() on a typical batch it raised RuntimeError: Trying to",
        ),
        ("scalar output", broken.Exits, "on a typical batch it raised SystemExit: 0 (broken.py, line "),
        ("influence", broken.Exits, "SystemExit"),
    ],
)
def test_an_exception_is_told_as_what_it_is(name, cls, found):
    result = finding(name, cls)
    if found is None:
        assert result.status == "pass"
        return
    assert (result.status, result.meaning) == ("fail", RAISED)
    assert found in result.found
    assert "(broken.py, line " in result.found or name in {"influence", "learns a toy set", "memory between batches"}
    assert "\n" not in result.found


def test_centres_in_buffers_are_moved_with_their_classes():
    for name in (
        "numbers of the classes",
        "rotation",
        "positives are pulled",
        "learns a toy set",
        "order of the batch",
    ):
        assert finding(name, broken.Centres).status == "pass"


def test_proxies_that_no_shape_tells_are_no_reason_to_fail():
    for name in ("numbers of the classes", "positives are pulled"):
        found = finding(name, broken.OneMore)
        assert found.status == "note"
        assert found.found == "proxies may hold proxies, of which classes is not clear: (C * M, D) would be"
    assert finding("learns a toy set", broken.OneMore).status == "pass"


def test_a_working_folder_is_given_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in WRONG:
        finding(name, broken.Leaves)
    assert Path.cwd() == tmp_path


def test_what_a_loss_prints_is_dropped(capsys):
    class Loud(broken.Sound):
        def forward(self, embeddings, labels):
            sys.stdout.write("loud " * 1000)
            return super().forward(embeddings, labels)

    assert finding("learns a toy set", Loud).status == "pass"
    assert capsys.readouterr() == ("", "")


def test_a_loss_whose_dimension_is_a_hyperparameter_is_shown_such_embeddings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("fixed.py").write_text(FIXED)
    assert find_subject("fixed.py:Fixed").dim == 24
    assert find_subject("fixed.py:Fixed", "{dim: 40}").dim == 40
    found = find_subject("fixed.py:Fixed")
    for check in CHECKS[:4]:
        assert _run(check, found).status == "pass"
    assert find_subject("pfml").dim == batches.EMBEDDING_DIM


FIXED = """
import torch
from torch import nn
from torch.nn.functional import cross_entropy

class Fixed(nn.Module):
    def __init__(self, num_classes, hidden=5, dim=24):
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(num_classes, dim))

    def forward(self, embeddings, labels):
        return cross_entropy(embeddings @ self.proxies.T, labels)
"""


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("suite.losses.checks.subject.INFLUENCE_DISTANCES", (0.3, 1.3))
    monkeypatch.setattr("suite.losses.checks.shape.INFLUENCE_DISTANCES", (0.3, 1.3))
    monkeypatch.setattr("suite.losses.checks.cost._ROUNDS", 1)


@pytest.mark.parametrize(("name", "wraps"), SOUND)
def test_sound_losses_of_the_library_pass(name, wraps, quick):
    library = "pytorch_metric_learning.losses:"
    findings = list(run_checks(find_subject(library + name, wraps=wraps and library + wraps)))
    assert [each for each in findings if each.status == "fail"] == []
    notes = [each.check for each in findings if each.status == "note"]
    # Its place in the queue is in no buffer.
    assert notes == (["gradient against slope", "memory between batches", "memory in the state dict"] if wraps else [])


def test_a_finding_names_the_batch_and_the_value():
    assert finding("one class only", broken.NeedsNegatives).found == "on a batch of one class it gives nan"
    assert finding("gradient on its parameters", broken.Unreached).found == "no gradient reaches margins"


def test_chance_is_no_reason_to_fail_what_cannot_be_compared():
    for name in ("order of the batch", "numbers of the classes", "rotation", "float32 against float64"):
        assert finding(name, broken.Chance).status == "note"


def test_a_memory_whose_mean_one_batch_leaves_is_noted_too():
    noted = finding("memory between batches", broken.Averages)
    assert noted.status == "note"
    assert "the same batch, twice and after others, gives" in noted.found


FIELD = ["mean over the batch", "pairs at work"]
MEMORY = ["gradient against slope", "memory between batches"]
EXPECTED_NOTES = {
    "pfml": FIELD,  # Eq. 6 is a sum, and at its default radius no pair repels
    "pfml_constant_force": FIELD,
    "pfml_growing_force": FIELD,
    "pfml_two_radii": FIELD,
    "cpml": FIELD[:1],
    "hist": ["rotation"],  # its covariances are diagonal, and so have axes
    "prism": MEMORY,
    "cross_batch_memory": MEMORY,
    "circle": MEMORY[:1],  # no gradient runs through its weights
    "super_loss": MEMORY,  # a running average of the losses
}


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_built_in_losses_pass(name, quick):
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
    every = [*batches.ordinary(), batches.full(), batches.doubled()]
    for batch in [*every, *batches.odd()]:
        torch.testing.assert_close(batch.embeddings.norm(dim=1), torch.ones(len(batch.labels)))
        assert set(batch.labels.tolist()) <= set(range(batches.NUM_CLASSES))


def test_a_constructor_that_refuses_is_an_error():
    class Refusing(broken.Sound):
        def __init__(self, num_classes: int) -> None:
            raise ValueError("no")

    with pytest.raises(SuiteError, match="no"):
        subject(Refusing).build()
