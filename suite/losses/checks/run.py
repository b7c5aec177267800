"""All checks, their order, and what a failure of each means in training."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from suite.errors import SuiteError, told
from suite.losses.apart import KilledError
from suite.losses.checks import cost, memory, numerics, scale, shape, symmetry, training, values
from suite.losses.checks.batches import typical
from suite.losses.checks.subject import Broken, Raised, Subject, check_arguments, raising, silent
from suite.losses.checks.symmetry import Incomparable

Status = Literal["pass", "fail", "note", "info"]


@dataclass(frozen=True, slots=True)
class Check:
    """A check.

    Attributes:
        name: what it looks at.
        run: describes what it found, or raises `Broken`.
        meaning: what a failure means in training.
        otherwise: status of a loss that does not pass: "fail", or "note" where a sound loss may differ.
    """

    name: str
    run: Callable[[Subject], str]
    meaning: str
    otherwise: Status = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; ``meaning`` is empty where it passed."""

    check: str
    status: Status
    found: str
    meaning: str = ""


CHECKS = (
    Check(
        "scalar output",
        values.gives_a_scalar,
        "training calls backward() on the value, which takes a real scalar, and gives nothing but what is offered",
    ),
    Check(
        "finite value and gradient",
        values.is_finite,
        "the run stops as failed at the first value that is not finite; such a gradient ruins all weights at once",
    ),
    Check(
        "gradient on the embeddings",
        values.moves_the_embeddings,
        "the embedding layer never changes: nothing is learned",
    ),
    Check(
        "gradient on its parameters",
        values.moves_its_parameters,
        "these parameters never learn: they keep their random start for the whole run",
    ),
    Check(
        "parameters of the constructor",
        values.makes_parameters_at_once,
        "the optimiser has gathered the parameters before: this one keeps its random start for the whole run",
    ),
    Check(
        "known parameters",
        values.registers_what_learns,
        "the optimiser never sees it: it keeps its start for the whole run, and no checkpoint has it",
    ),
    Check(
        "labels matter",
        symmetry.heeds_labels,
        "whatever the labels are, the same is learned",
    ),
    Check(
        "gradient not too small",
        scale.is_large_enough,
        "Adam adds 1e-8 to the size of a gradient before it divides by it: below that, steps vanish. Look for a factor",
    ),
    Check(
        "gradient not too large",
        scale.is_small_enough,
        "Adam divides by the size of the gradient; under SGD, clipping or a penalty on weights such a size decides. "
        "Look for a factor, or a sum",
        otherwise="note",
    ),
    Check(
        "mean over the batch",
        scale.is_a_mean,
        "the size of the batch sets that of the step, but under Adam, which divides by it; a short last batch counts less",
        otherwise="note",
    ),
    Check(
        "unit rows",
        scale.takes_almost_unit_rows,
        "rows have length 1 up to rounding, and the head divides by their length: what changes with it is not learned. "
        "Look for margins or formulas meant for vectors of other lengths",
    ),
    Check(
        "positives are pulled",
        shape.pulls_positives,
        "images of a class are not gathered: look for a wrong sign, a mask, or a margin that no pair reaches",
    ),
    Check(
        "learns a toy set",
        training.learns,
        "a run ends where it began, or below: look for a wrong sign, distances taken for similarities, a detach(), "
        "a margin that no pair reaches",
    ),
    Check(
        "order of the batch",
        symmetry.ignores_order,
        "the result depends on the random order of images in a batch",
    ),
    Check(
        "numbers of the classes",
        symmetry.ignores_class_numbers,
        "class numbers have no meaning; the loss gives them one, or takes proxies for those of other classes",
    ),
    Check(
        "rotation",
        symmetry.ignores_axes,
        "retrieval depends on distances only; this loss prefers some directions, which may be intended",
        otherwise="note",
    ),
    Check(
        "float32 against float64",
        numerics.agrees_in_double,
        "rounding decides the value or the gradient: look for differences of large numbers, and exp() without log-sum-exp",
    ),
    Check(
        "gradient against slope",
        numerics.gradient_is_the_slope,
        "training follows something other than the curves show; correct only if a detach() is intended",
        otherwise="note",
    ),
    Check(
        "full batch",
        values.bears_full_batches,
        "a batch of training has 120 images: look for numbers of images or classes that are written in the loss",
    ),
    Check(
        "one class only",
        values.survives_one_class,
        "a batch without negatives, as small data sets and strong noise give, ends the run",
    ),
    Check(
        "one image a class",
        values.survives_strangers,
        "a batch without positives, as small classes and label noise give, ends the run",
    ),
    Check("batch of two", values.survives_pairs, "a short last batch ends the run"),
    Check(
        "equal embeddings",
        values.survives_duplicates,
        "copies of an image, or a head that maps two images to one point, end the run: sqrt() has no derivative at zero",
    ),
    Check(
        "absent classes",
        values.survives_absent_classes,
        "a batch holds a few of the classes only; labels are numbers from 0 to num_classes - 1, not places in the batch",
    ),
    Check(
        "inputs unchanged",
        numerics.leaves_inputs_alone,
        "code that runs after the loss sees changed embeddings, labels or files elsewhere",
    ),
    Check(
        "repeatable",
        numerics.is_repeatable,
        "a run cannot be repeated, or all are alike: draw random numbers from torch, whose seed each run sets, and keep "
        "what is remembered in the instance",
    ),
    Check(
        "memory between runs",
        memory.keeps_runs_apart,
        "what one seed saw leaks into the next; keep a memory in buffers of the instance (register_buffer)",
    ),
    Check(
        "random numbers",
        memory.draws_nothing,
        "runs can be repeated, as the seed is set; but part of the spread over seeds is the loss's own",
        otherwise="note",
    ),
    Check(
        "memory between batches",
        memory.forgets_batches,
        "the loss keeps a state between batches; each run starts with a new one",
        otherwise="note",
    ),
    Check(
        "memory in the state dict",
        memory.goes_on_from_its_state,
        "a run that was interrupted goes on otherwise than one that was not; keep what is remembered in buffers "
        "(register_buffer, and not persistent=False)",
        otherwise="note",
    ),
    Check(
        "influence", shape.describe_influence, "some pairs are moved the wrong way at some distances", otherwise="note"
    ),
    Check(
        "pairs at work",
        values.has_pairs_at_work,
        "at these values hardly any pair is moved; look for another radius, margin or temperature",
        otherwise="note",
    ),
)
RAISED = "a run ends with this line"
"""What it means that a loss raises something, whatever the check looks for."""
_NEEDED = 2
"""Checks at the start without which there is nothing else to look at."""
_NEEDS = "they call backward() on the value of a typical batch"
INFORMATION = {"cost": cost.compare_cost}
"""Measured; what cannot be has failed."""


def run_checks(subject: Subject) -> Iterator[Finding]:
    """Run all checks; one that raises something unforeseen has failed. Without a finite value no others are run."""
    for number, check in enumerate(CHECKS):
        found = _run(check, subject)
        yield found
        if found.status == "fail" and number < _NEEDED and not _bears_a_typical_batch(subject):
            yield Finding("all other checks", "note", "not run", _NEEDS)
            return
    for name, measure in INFORMATION.items():
        try:
            with silent(), contextlib.chdir(Path.cwd()), raising("at that size"):
                found = Finding(name, "info", measure(subject))
        except Broken as error:
            found = Finding(name, "fail", f"cannot be measured: {error}", RAISED)
        yield found


def _bears_a_typical_batch(subject: Subject) -> bool:
    with silent(), contextlib.chdir(Path.cwd()), contextlib.suppress(Broken, SuiteError):
        check_arguments(subject.build())
        subject.evaluate(typical(subject.dim))
        return True
    return False


def until_killed(found: Iterator[str | Finding]) -> Iterator[str | Finding]:
    """What was found, and where a loss kills the process that it is tested in, that as the last finding."""
    names = ["import and constructor", *(check.name for check in CHECKS), *INFORMATION, "search space"]
    count = 0
    try:
        for each in found:
            count += 1
            yield each
    except KilledError as error:
        yield Finding(names[min(count, len(names) - 1)], "fail", str(error), RAISED)


def _run(check: Check, subject: Subject) -> Finding:
    try:
        with silent(), contextlib.chdir(Path.cwd()):
            return Finding(check.name, "pass", check.run(subject))
    except Incomparable as error:
        return Finding(check.name, "note", str(error), "this check says nothing about the loss")
    except Raised as error:
        return Finding(check.name, "fail", str(error), RAISED)
    except (Broken, SuiteError) as error:
        return Finding(check.name, check.otherwise, str(error), check.meaning)
    except Exception as error:  # of a check itself
        return Finding(check.name, "fail", f"it raises {told(error)}", RAISED)
