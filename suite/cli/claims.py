"""From records to verdicts."""

from suite.cli.shared import Published, console
from suite.training.times import begin_work


def claims(published: Published = False) -> None:
    """Judge all claims by the records and write results/claims.{json,md} and results/sensitivity.md."""
    from suite.report.claims.render import summary, to_markdown, to_rich
    from suite.report.claims.write import write_benchmark_claims, write_claims
    from suite.settings.benchmarks import load_benchmarks
    from suite.settings.params import load_settings

    begin_work()
    found = write_benchmark_claims(load_benchmarks()) if published else write_claims(load_settings())
    if console.is_terminal:
        console.print(to_rich(found))
        console.print(summary(found), markup=False, highlight=False)
    else:
        console.print(to_markdown(found), markup=False, highlight=False)
