"""Losses: the generic tests of one, the list of all, and a file to start from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from suite.cli.shared import AsJson, note_place, show
from suite.errors import SuiteError, counted_noun
from suite.settings.paths import PARAMS_FILE

if TYPE_CHECKING:
    from suite.losses.checks.run import Finding
    from suite.losses.checks.subject import Subject

_COLOURS = {"pass": "green", "fail": "bold red", "note": "yellow", "info": "cyan"}


def check(
    target: Annotated[
        str,
        typer.Argument(help="my_loss.py:MyLoss, module:Class, a built-in loss, or the name of a loss in params.yaml."),
    ],
    params: Annotated[
        str | None,
        typer.Option(
            help="Hyper-parameters as in params.yaml, e.g. '{margin: 0.2}'; those of the miner begin with miner_."
        ),
    ] = None,
    miner: Annotated[str | None, typer.Option(help="A miner in front of it: module:Class.")] = None,
    wraps: Annotated[str | None, typer.Option(help="The loss that it wraps: module:Class.")] = None,
) -> None:
    """Test a loss in about ten seconds; exit status 1 if a check fails.

    Gradients, odd batches, symmetries, sizes, a short training, cost, influence.
    """
    from suite.losses.apart import apart
    from suite.losses.checks.run import until_killed

    console = Console(soft_wrap=True, highlight=False)
    counts = dict.fromkeys(_COLOURS, 0)
    for finding in until_killed(apart(f"suite check {target}", lambda: _findings(target, params, miner, wraps))):
        if isinstance(finding, str):
            console.print(finding)
            continue
        counts[finding.status] += 1
        console.print(f"[{_COLOURS[finding.status]}]{finding.status}[/]  {finding.check}: {escape(finding.found)}")
        if finding.meaning:
            console.print(f"      in training: {escape(finding.meaning)}")
    console.print(f"{counts['pass']} passed, {counts['fail']} failed, {counted_noun(counts['note'], 'note')}")
    raise typer.Exit(1 if counts["fail"] else 0)


def _findings(target: str, params: str | None, miner: str | None, wraps: str | None) -> "Iterator[str | Finding]":
    """What is tested, and then what each check found."""
    from suite.losses.checks.run import run_checks
    from suite.losses.checks.subject import find_subject

    subject = find_subject(target, params, miner, wraps)
    yield f"[bold]{escape(subject.entry.target)}[/]{_shown(subject.values)}, embeddings of {subject.dim} dimensions"
    yield from run_checks(subject)
    yield from _space(subject)


def _space(subject: "Subject") -> "Iterator[Finding]":
    """Whether the loss can be built and asked at the ends of the search space that it declares, if it declares one."""
    from suite.losses.build import TRAINING_SETTINGS, WRAPPED_PREFIX
    from suite.losses.checks.batches import NUM_CLASSES
    from suite.losses.checks.run import Finding
    from suite.losses.checks.subject import silent
    from suite.settings.params import LossSettings

    entry = subject.entry
    if not entry.search_space:
        return
    from suite.training.search_space import check_ends, declared_space

    try:
        with silent():
            declared = declared_space(entry, LossSettings(), {})
            check_ends(entry, subject.values, declared, NUM_CLASSES, subject.dim)
        yield Finding("search space", "pass", f"the loss can be built and asked at the ends of {', '.join(declared)}")
    except SuiteError as error:
        found = str(error).replace(f"{PARAMS_FILE}: losses.{entry.name}.search", "search_space")
        yield Finding("search space", "fail", found, "trials of a search fail there")
    learn = ["learning_rate"] + ["proxy_learning_rate"] * any(True for _ in subject.build().parameters())
    inner = [
        f"{WRAPPED_PREFIX}{name}"
        for name in getattr(entry.wrapped, "search_space", {})
        if name not in TRAINING_SETTINGS
    ]
    if still := [name for name in (*learn, *inner) if name not in {*entry.search_space, *subject.values}]:
        told = "other losses have them searched, by budgets of as many trials"
        yield Finding(
            "what is searched", "note", f"search_space lacks {', '.join(still)}, which stay as they are", told
        )


def _shown(values: dict[str, object]) -> str:
    return escape("".join(f", {name} {value}" for name, value in values.items()))


def losses(*, as_json: AsJson = False) -> None:
    """List all losses, built-in and of params.yaml: source, formula, hyper-parameters with defaults, search space."""
    from suite.losses.listing import list_losses

    show("losses", list_losses(), ("name", "in params.yaml", "hyper-parameters", "source"), as_json=as_json)


def new_loss(
    name: Annotated[str, typer.Argument(help="Name of the loss: letters, digits and _, e.g. my_loss.")],
) -> None:
    """Write NAME.py, a documented loss that passes suite check, and print its entry of params.yaml."""
    from suite.losses.build import OFFERED
    from suite.losses.template import write_template

    path, class_name = write_template(name)
    typer.echo(f"wrote {path}; test it with: suite check {path}:{class_name}")
    typer.echo(
        f"its forward is given embeddings and labels, and by these names {', '.join(sorted(OFFERED))} if it asks"
    )
    typer.echo("then add it to params.yaml:\n")
    typer.echo(f"losses:\n  {name}: {{target: {path}:{class_name}}}")
    note_place("the file is written here; a project takes losses that lie in it")
