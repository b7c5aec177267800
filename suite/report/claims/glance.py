"""The verdicts at a glance, for the README: a row a claim that was judged, a column a data set."""

from typing import Any

from suite.judging.claims.vocabulary import Verdict
from suite.report.claims.render import summary


def glance(report: dict[str, Any]) -> str:
    """Markdown of ``results/claims.json``: the counts, and the claims of which at least one line was judged."""
    judged = [claim for claim in report["claims"] if any(line["verdict"] != Verdict.NOT_RUN for line in claim["lines"])]
    datasets = list(dict.fromkeys(line["dataset"] for claim in judged for line in claim["lines"] if line["dataset"]))
    rows = [("claim", *datasets, "everywhere"), ("---", *("---" for _ in datasets), "---")]
    rows += [_row(claim, datasets) for claim in judged]
    return f"{summary(report)}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(claim: dict[str, Any], datasets: list[str]) -> tuple[str, ...]:
    lines = [line for line in claim["lines"] if line["counts"]]
    by_dataset = {line["dataset"]: line["verdict"] for line in lines}
    fragile = " (fragile)" if claim["flips"] else ""
    statement = claim["statement"].replace("|", "\\|")
    return (statement, *(by_dataset.get(name, "–") for name in datasets), claim["verdict"] + fragile)
