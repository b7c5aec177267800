"""Writes ``results/claims.json``, ``claims.md`` and ``sensitivity.md``: a pure function of claim files and records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.errors import SuiteError
from suite.evaluation.cells import cell_files, record_files
from suite.evaluation.records import Record
from suite.files import write_json, write_text
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.freeze import Frozen, load_frozen
from suite.judging.claims.judge import judge
from suite.judging.claims.load import ClaimFile, load_claims
from suite.judging.claims.measured import Measured
from suite.judging.claims.read import read_measured
from suite.judging.claims.report import report
from suite.judging.claims.sensitivity import sensitivity
from suite.judging.claims.words import OUT_OF_REACH, verdict_word
from suite.report.families import (
    SPEAKERS,
    ClaimJson,
    ReportJson,
    family_table,
    regime_name,
    said_by,
    shown_verdict,
    totals,
    was_run,
)
from suite.report.plans import plan_section, standing_sentence
from suite.report.text import (
    adjusted_p_text,
    beyond_text,
    effect_text,
    left_out_section,
    markdown_table,
    other_effect_text,
    place_of,
    remarks_of,
    source_text,
)
from suite.settings.benchmarks import BenchmarkSettings
from suite.settings.finetuned import settings_of
from suite.settings.params import Settings
from suite.settings.paths import (
    BENCHMARK_CLAIMS_FOLDER,
    BENCHMARK_RESULTS,
    BENCHMARKS_FOLDER,
    CLAIMS_FILE,
    CLAIMS_FOLDER,
    RESULTS_OF,
    RUNS_FOLDER,
)
from suite.settings.plans import Regime, folder_of

_HEAD = (
    "claim",
    "data set",
    "verdict",
    "effect [95 % interval]",
    "by MAP@R",
    "n",
    "Holm p",
    "beyond the smallest effect",
    "remarks",
)
_EXPLAINED = """\
Each claim is judged on each data set; `all` counts the data sets. No verdict outweighs another. "Not found" is said
of a regime that the paper does not speak of; it says nothing about the paper's own. Claims about retrieval are judged
by R@1 and by MAP@R: where the two differ, the verdict says which gave what. p belongs to the verdict given, by R@1;
where that is inconclusive, p is that of support. It is two-sided and adjusted by Holm over the family, at 5 %: over its
results that were run, so that verdicts of a family that was not run in full can change when the others are.
claims.json has p for every verdict. *Beyond the smallest effect*: whether an effect that is shown is also shown to be
larger than the smallest effect of interest. n: units of inference, searches where there are several, else seeds.
*Fragile*: another look at the records changes the verdict; see [sensitivity.md](sensitivity.md). Verdicts in
parentheses do not count for the claim: their classes or embeddings do not meet the premise of its theorem. How each
kind of claim is judged: `docs/claims.md`.
"""


def write_claims(settings: Settings, folder: Path = CLAIMS_FOLDER, regime: Regime = "frozen") -> dict[str, Any]:
    """Judge all claims by records of the grid and of studies, and by ``docs/figures/``; gives the report.

    In the regime ``finetuned`` the same claims are judged by its runs and studies, and reported in its folder of results.
    Claims whose records are missing or too few are "not run". Nothing is written if anything is wrong.

    Raises:
        SuiteError: the grid has not run, a claim file is refused, or records are malformed or contradict each other.
    """
    if not cell_files((path.parent.name for path in record_files(settings)), regime):
        again = "dvc repro" if regime == "frozen" else f"dvc repro pipelines/{regime}/dvc.yaml"
        where = folder_of(regime) / RUNS_FOLDER
        raise SuiteError(f"{where}/ holds no run of the losses and data sets of params.yaml; run: {again}")
    files = claims_within(settings, regime, folder)
    results = RESULTS_OF[regime]
    cut = {name: entry.max_classes is not None for name, entry in settings.datasets.items()}

    def is_planned(record: Record) -> bool:
        planned = record.loss in settings.losses and record.noise_level in settings.noise.levels
        return planned and record.seed < settings.seeds

    measured = read_measured(cut, in_grid=is_planned, losses=settings.losses, regime=regime)
    of_regime = settings if regime == "frozen" else settings_of(regime)
    frozen = load_frozen(folder)
    changes = frozen.changes(of_regime, regime) if frozen else []
    return _judge(files, measured, results, frozen, changes, of_regime)


def claims_within(settings: Settings, regime: Regime, folder: Path = CLAIMS_FOLDER) -> list[ClaimFile]:
    """The claims of a folder; in another regime than the frozen one, those that can be judged there, as claims about it.

    Raises:
        SuiteError: a claim file is refused.
    """
    files = load_claims(settings.losses, settings.datasets, folder)
    return files if regime == "frozen" else [mine for file in files if (mine := file.within(regime)) is not None]


def write_benchmark_claims(settings: BenchmarkSettings, folder: Path = BENCHMARK_CLAIMS_FOLDER) -> dict[str, Any]:
    """The same for claims about CUB, Cars and SOP, by what lies in ``benchmarks/``; in ``results/benchmarks``.

    Raises:
        SuiteError: as ``write_claims``.
    """
    planned = {(name, loss, level) for name, loss in settings.named_rows for level in settings.noise.levels}

    def is_planned(record: Record) -> bool:
        return (record.dataset, record.loss, record.noise_level) in planned and record.seed < settings.seeds

    measured = read_measured(dict.fromkeys(settings.datasets, False), BENCHMARKS_FOLDER, is_planned, settings.losses)
    return _judge(load_claims(settings.losses, (), folder), measured, BENCHMARK_RESULTS, load_frozen(folder.parent))


def _judge(
    files: list[ClaimFile],
    measured: Measured,
    folder: Path,
    frozen: Frozen | None,
    changes: Sequence[str] = (),
    settings: Settings | None = None,
) -> dict[str, Any]:
    claims = [file.claim for file in files]
    judged = judge(claims, measured)
    looks = sensitivity(claims, measured, judged)
    present, left_out = measured.datasets(), measured.left_out
    found = report(files, judged, looks, measured.counts(), present, frozen, changes, settings, left_out)
    write_json(folder / CLAIMS_FILE.name, found)
    write_text(folder / "claims.md", claims_page(found))
    write_text(folder / "sensitivity.md", sensitivity_page(found))
    return found


def claims_page(report: ReportJson) -> str:
    """A summary, then all claims that were run, by speaker and family, and lists of those that were not and cannot be."""
    digest = f"Digest of the claim files: sha256 {report['claims_sha256']}."
    parts = ["# Claims\n", f"{totals(report)}\n", f"{standing_sentence(report)}\n", family_table(report)]
    parts += [f"{_EXPLAINED}\n{digest}\n", *left_out_section(report["left_out"]), plan_section(report["plan"])]
    for speaker, words in SPEAKERS.items():
        run: dict[str, list[ClaimJson]] = {}
        for claim in report["claims"]:
            if was_run(claim) and said_by(claim) == speaker:
                run.setdefault(claim["family"], []).append(claim)
        for family, claims in run.items():
            rows = [[cell.replace("|", "\\|") for cell in row] for claim in claims for row in claim_rows(claim)]
            parts.append(f"## {family}: {words}\n\n{_statements(claims)}\n{markdown_table(_HEAD, rows)}")
    waiting = [claim for claim in report["claims"] if not was_run(claim)]
    for title, reach in (("Not run", False), (OUT_OF_REACH.capitalize(), True)):
        parts.append(_waiting(title, [claim for claim in waiting if bool(claim.get("out_of_reach")) == reach]))
    return "\n".join(parts)


def claim_rows(claim: ClaimJson) -> list[tuple[str, ...]]:
    """Cells of a claim on each data set, and how many of them gave which verdict where there are several."""
    rows = [_row(claim, line) for line in claim["lines"]]
    if sum(line["counts"] for line in claim["lines"]) > 1:
        rows.append((claim["id"], "all", _verdict(claim, claim), *[""] * (len(_HEAD) - 3)))
    return rows


def _row(claim: ClaimJson, line: Mapping[str, Any]) -> tuple[str, ...]:
    verdict = _verdict(claim, line) if line["counts"] else f"({_verdict(claim, line)})"
    return (
        claim["id"],
        place_of(line) or "–",
        verdict,
        effect_text(line, claim["unit"], f" {claim['unit']}"),
        other_effect_text(line, claim["unit"]),
        "–" if line["n"] is None else str(line["n"]),
        adjusted_p_text(line["p"]),
        beyond_text(line),
        "; ".join(remarks_of(line, claim["unit"])),
    )


def _verdict(claim: ClaimJson, entry: Mapping[str, Any]) -> str:
    return shown_verdict(entry, claim["regime"]) + (", fragile" if entry["flips"] else "")


def _statements(claims: list[ClaimJson]) -> str:
    lines = []
    for claim in claims:
        least = f"{claim['smallest_effect']:g} {claim['unit']}"
        lines.append(
            f"- `{claim['id']}` ({_standing(claim)}{regime_name(claim['regime'])}): {claim['statement']} "
            f"Source: {source_text(claim)}. Smallest effect of interest: {least}."
        )
    return "\n".join(lines) + "\n"


def _standing(claim: ClaimJson) -> str:
    return f"{claim['standing']}; " if claim["standing"] else ""


def _waiting(title: str, claims: list[ClaimJson]) -> str:
    lines = []
    for claim in claims:
        reasons = list(dict.fromkeys(remark for line in claim["lines"] for remark in line["remarks"]))
        more = f"; {len(reasons) - 1} more like it" if len(reasons) > 1 else ""
        reason = claim.get("out_of_reach") or f"{reasons[0]}{more}"
        lines.append(f"- `{claim['id']}`: {claim['statement']} ({_standing(claim)}{reason})")
    return f"## {title}\n\n" + ("\n".join(lines) or "None.") + "\n"


def sensitivity_page(report: ReportJson) -> str:
    """Verdicts under every view, a row for each claim and data set: what flips is in bold."""
    lines = [(claim, line) for claim in report["claims"] for line in claim["lines"] if line["sensitivity"]]
    names = list(dict.fromkeys(name for _, line in lines for name in line["sensitivity"]))
    rows = [
        (claim["id"], place_of(line), _in_words(line["verdict"], claim), *(_view(line, name, claim) for name in names))
        for claim, line in lines
    ]
    fragile = sum(any("**" in cell for cell in row) for row in rows)
    return f"""# Sensitivity

{fragile} of {len(rows)} verdicts are fragile: another look at the records gives another verdict (in bold). All lines are
here, those too that do not count for their claim because their classes do not meet its premise; claims.md counts the others.

- validation epoch: metrics at the epoch that was best on validation classes while tuning, in place of the last epoch.
- R@1 and MAP@R swapped: the verdict by the other metric, with the same smallest effect of interest in points.
- shares of the gain: of robustness, by what noise leaves of the points above the frozen backbone in percent of those without
  noise, in place of points lost: a method that learns little has little to lose.
- without seed s: the other seeds. One seed less is less power, so a verdict may turn inconclusive for that reason alone.

Families are adjusted anew under every view. – : the view does not concern the claim. "not run": it was not measured.

{markdown_table(("claim", "data set", "verdict", *names), rows) if rows else "Nothing was run."}"""


def _in_words(verdict: str, claim: Mapping[str, Any]) -> str:
    return str(verdict) if verdict == Verdict.NOT_RUN else verdict_word(verdict, claim["regime"])


def _view(line: Mapping[str, Any], name: str, claim: Mapping[str, Any]) -> str:
    other = line["sensitivity"].get(name)
    if other is None:
        return "–"
    if other == line["verdict"]:
        return "same"
    told = _in_words(other, claim)
    return told if other == Verdict.NOT_RUN else f"**{told}**"
