"""What to do with results: compare losses, verify a rerun, renew figures and the README."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from suite.cli.shared import Regime, RegimeOption, console, errors
from suite.errors import SuiteError
from suite.settings.paths import (
    APPENDIX_FOLDER,
    EXTENDED,
    FINETUNED_RESULTS,
    PAPER_VALUES,
    PARAMS_FILE,
    RECORDS_FILE,
    RECORDS_NAME,
    RUNS_FOLDER,
    STUDIES_FOLDER,
)

if TYPE_CHECKING:
    import pandas as pd

    from suite.settings.params import Settings


def compare(
    first: Annotated[str, typer.Argument(help="Name of a loss on the leaderboard.")],
    second: Annotated[
        str | None, typer.Argument(help="Name of the loss it is compared with; pfml and the best baseline if left out.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="One data set; all if left out.")] = None,
    noise: Annotated[float | None, typer.Option(help="One noise level; all if left out.")] = None,
    regime: Annotated[str | None, typer.Option(help="One regime; all if left out.")] = None,
    track: Annotated[str, typer.Option(help="A tuning track, or paper_values.")] = "tuned",
    metric: Annotated[str, typer.Option(help="What to compare by, e.g. map_at_r.")] = "recall_at_1",
) -> None:
    """Paired difference of two losses for each data set and noise level: interval, p and one sentence."""
    from suite.evaluation.retrieval import METRICS
    from suite.evaluation.tables import HANDED_IN
    from suite.judging.leaderboard import contrast, verdicts
    from suite.settings.params import load_settings

    records = _records_of(regime)
    where = contrast.Where(regime=regime, dataset=dataset, noise_level=noise, track=track)
    if second is None:
        mine = contrast.within(records, metric, **where)
        found = verdicts.verdicts_on(first, mine, verdicts.no_baselines(load_settings()), metric)
        text = [
            verdicts.as_text(found),
            verdicts.sentence(found),
            verdicts.EXPLAINED.format(metric=METRICS[metric].label),
        ]
    else:
        losses = (first, second)
        found = contrast.contrast(contrast.select(records, losses, metric, **where), losses, metric)
        text = [contrast.as_text(found, losses), contrast.sentence(found, losses, metric)]
    theirs = records[records["loss"].isin([first, second]) & (records[HANDED_IN] != "")]
    for row in theirs.drop_duplicates(["loss", "regime", "track"]).to_dict("records"):
        text.append(f"{row['loss']} was handed in ({row['regime']}, {row['track']}): {row[HANDED_IN]}.")
    wide = Console(soft_wrap=True)
    for part in text:
        wide.print(part, markup=False, highlight=False)


def ablation_tables(*, regime: RegimeOption = Regime.frozen) -> None:
    """Write results/ablations.{csv,md}, R@1 and MAP@R at each value, and results/geometry.{csv,md}, where proxies lie."""
    from suite.report.ablations import write_ablations
    from suite.report.geometry import write_geometry
    from suite.settings.plans import studies_of

    told = len(write_ablations(regime.value).groupby(["dataset", "axis"]))
    folder = studies_of(regime.value).parent
    console.print(f"wrote {folder}/ablations.csv and ablations.md: {told} ablations", markup=False, highlight=False)
    models = len(write_geometry(regime.value))
    console.print(f"wrote {folder}/geometry.csv and geometry.md: {models} rows", markup=False, highlight=False)


def verify(
    committed: Annotated[
        Path | None, typer.Argument(help="Reference; default: results/records.csv of git's HEAD.")
    ] = None,
    fresh: Annotated[
        Path | None, typer.Argument(help=f"Records of your rerun; default: {RECORDS_FILE}.", show_default=False)
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0.01, max=100, help="Points of R@1 up to which two means count as the same.")
    ] = 1.0,
    regime: RegimeOption = Regime.frozen,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Compute so many runs of the records anew, and compare these; finetuned only."),
    ] = None,
    draw: Annotated[
        int | None, typer.Option(min=0, help="Which runs a sample draws: each number draws others; 0 as it comes.")
    ] = None,
) -> None:
    """Say whether fresh records reproduce the committed ones, condition by condition; exit status 0 if they do, else 1."""
    if sample is not None or regime == Regime.finetuned:
        if fresh is not None:
            raise SuiteError(f"suite verify: {fresh} cannot be compared with a sample, which is run here; leave it out")
        _spot_check(committed, margin, regime, sample, draw or 0)
    if draw is not None:
        raise SuiteError(f"suite verify: --draw {draw} draws a sample; allowed: with --sample")
    fresh = fresh or RECORDS_FILE
    from rich.table import Table

    from suite.evaluation.tables import read_csv
    from suite.judging.leaderboard.verdicts import no_baselines
    from suite.judging.recomputed import recomputed
    from suite.judging.verify import CURE, RerunOutcome, as_rows, compare, conclusion
    from suite.settings.params import load_settings

    names = (str(committed) if committed else f"HEAD:{RECORDS_FILE}", str(fresh))
    reference = _read(committed) if committed else _of_head()
    if not committed and fresh == RECORDS_FILE and not any(RUNS_FOLDER.glob(f"*/{RECORDS_NAME}")):
        raise SuiteError(f"{RUNS_FOLDER}/ holds no run, so nothing was recomputed; run: dvc repro")
    settings = load_settings() if PARAMS_FILE.is_file() else None
    kept = () if committed else _kept_in_git(settings)
    users = no_baselines(settings) if settings else ()
    content = _read(fresh)
    here = recomputed(read_csv(content, str(fresh), CURE)) if not committed and fresh == RECORDS_FILE else None
    found = compare(reference, content, margin, names, kept, users, here)
    heads = ("condition", "fresh - committed [90 % interval]", "n", "p (TOST)", "verdict", "remark")
    if console.is_terminal:
        table = Table(*heads, box=None, pad_edge=False)
        for row in as_rows(found):
            table.add_row(*(cell.replace("[", "\\[") for cell in row))
        console.print(table)
    else:
        for row in (heads, *as_rows(found)):
            console.print("\t".join(row).rstrip(), markup=False, highlight=False)
    console.print(conclusion(found), markup=False, highlight=False)
    raise typer.Exit(0 if found.outcome == RerunOutcome.REPRODUCED else 1)


def _spot_check(committed: Path | None, margin: float, regime: Regime, sample: int | None, seed: int) -> NoReturn:
    from suite.evaluation.tables import own_runs, read_csv
    from suite.judging.spot_check import draw, judge_reruns
    from suite.judging.verify import RerunOutcome
    from suite.settings.finetuned import load_finetuned
    from suite.settings.params import load_settings
    from suite.training.finetuned.planner import write_finetuned_plans
    from suite.training.finetuned.rerun import rerun, wanted_of

    if sample is None or regime != Regime.finetuned:
        raise SuiteError(
            "suite verify: --regime finetuned and --sample go together; without both, all records are compared"
        )
    path = FINETUNED_RESULTS / RECORDS_FILE.name
    content = _read(committed) if committed else _of_head(path)
    records = own_runs(read_csv(content, str(committed or f"HEAD:{path}")))
    settings, finetuned = load_settings(), load_finetuned()
    write_finetuned_plans(settings, finetuned)
    chosen = draw(records, sample, seed)
    console.print(f"sample of {len(chosen)} of {len(records)} runs, drawn by --draw {seed}")
    outcome, told = judge_reruns(
        chosen, rerun(wanted_of(chosen.to_dict("records")), finetuned.within(settings), console), margin
    )
    console.print(f"{outcome}: {told}", markup=False, highlight=False)
    raise typer.Exit(0 if outcome == RerunOutcome.REPRODUCED else 1)


def report(
    loss: Annotated[str, typer.Argument(help="Name of a loss on the leaderboard.")],
    folder: Annotated[Path | None, typer.Option(help="Where the files go; default: appendix/LOSS.")] = None,
) -> None:
    """Write a paper's appendix on a loss: protocol, tables, figures, digests, BibTeX; in LaTeX and Markdown."""
    from suite.report.appendix.write import write_appendix
    from suite.report.site.pages import slug
    from suite.settings.params import load_settings

    for path in write_appendix(loss, load_settings(), folder or APPENDIX_FOLDER / slug(loss)):
        console.print(f"wrote {path}", markup=False, highlight=False)


def readme() -> None:
    """Put the tables and sentences of the results into README.md."""
    from suite.report.readme import update_readme
    from suite.settings.paths import RESULTS_FOLDER

    update_readme(RESULTS_FOLDER)


def figures() -> None:
    """Write docs/figures: each loss's influence by distance, and a class field in the plane; print their numbers."""
    from suite.report.figures.write import write_figures
    from suite.settings.params import load_settings

    console.print(write_figures(load_settings(), errors), markup=False, highlight=False)


def schemas() -> None:
    """Write docs/schemas: JSON schemas of a record, of the leaderboard and of a bundle."""
    from suite.report.schemas import write_schemas

    for path in write_schemas():
        console.print(f"wrote {path}")


def _records_of(regime: str | None) -> "pd.DataFrame":
    """The runs on the leaderboard of a regime; of both regimes of params.yaml where none is named.

    Raises:
        SuiteError: a file of records is missing or damaged.
    """
    import pandas as pd

    from suite.evaluation.tables import ANEW, read_csv

    of_regime = {
        Regime.frozen.value: (RECORDS_FILE, ANEW),
        Regime.finetuned.value: (
            FINETUNED_RESULTS / RECORDS_FILE.name,
            "run: dvc repro pipelines/finetuned/dvc.yaml:leaderboard",
        ),
    }
    there = [found for found in of_regime.values() if found[0].is_file()] or [(RECORDS_FILE, ANEW)]
    wanted = [of_regime[regime]] if regime in of_regime else there
    return pd.concat([read_csv(path, cure=cure) for path, cure in wanted], ignore_index=True)


def _read(path: Path) -> bytes:
    if not path.is_file():
        cure = (
            "run: dvc repro leaderboard"
            if path == RECORDS_FILE
            else "allowed: a records.csv as suite leaderboard writes it"
        )
        raise SuiteError(f"records file {path} is missing; {cure}")
    return path.read_bytes()


def _kept_in_git(settings: "Settings | None") -> set[tuple[str, str, str]]:
    """Studies, data sets and losses whose records on the leaderboard are those of git's HEAD."""
    folders = [f"{(STUDIES_FOLDER / study).as_posix()}/" for study in (PAPER_VALUES, EXTENDED)]
    command = ["git", "ls-tree", "-r", "--name-only", "HEAD", "--", *folders]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    kept = set()
    for path in map(Path, listed):
        same = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", str(path)], capture_output=True, check=False)
        dataset, _, loss = path.stem.partition("-")
        study, of_grid = path.parent.name, settings is not None and loss in settings.losses
        if same.returncode == 0 and not (study == EXTENDED and of_grid):
            kept.add((study, dataset, loss))
    return kept


def _of_head(path: Path = RECORDS_FILE) -> bytes:
    command = ["git", "show", f"HEAD:{path.as_posix()}"]
    shown = subprocess.run(command, capture_output=True, check=False)
    if shown.returncode:
        reason = " ".join(shown.stderr.decode(errors="replace").split())
        raise SuiteError(f"HEAD:{path} cannot be read ({reason}); name a file of records as the first argument")
    return shown.stdout
