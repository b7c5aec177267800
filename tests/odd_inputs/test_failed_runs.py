"""Every view of records in which runs have failed: it is made, and says that they failed."""

from pathlib import Path

import pytest

from tests.odd_inputs.project import LEVELS, settings, write_project, write_runs, write_settings

LOSSES = ("pfml", "triplet", "hist")

FAILURES = {
    "the first seed of one loss": lambda loss, _, seed: loss == "hist" and seed == 0,
    "all seeds but one of one loss": lambda loss, _, seed: loss == "hist" and seed != 1,
    "all seeds of one loss": lambda loss, *_: loss == "hist",
    "all seeds of one loss under noise": lambda loss, level, _: loss == "hist" and level > 0,
    "the first seed of all losses": lambda _, __, seed: seed == 0,
    "all seeds of all losses": lambda *_: True,
}


@pytest.mark.parametrize("failed", FAILURES.values(), ids=FAILURES)
def test_every_view_is_made(command, monkeypatch, failed):
    write_project(monkeypatch)
    write_settings(settings() | {"losses": dict.fromkeys(LOSSES)})
    write_runs(failed, LOSSES)
    for name in ("leaderboard", "claims", "times", "site"):
        ended = command(name)
        assert (ended.status, ended.err) == (0, ""), name
    count = sum(failed("hist", LEVELS[1], seed) for seed in range(3))
    assert f"{count} of 3 |" in Path("results/leaderboard.md").read_text()
    assert f"{count} of 3" in Path("results/site/leaderboard.html").read_text()
    if 0 < count < 3:
        assert f"({3 - count} of 3 runs)" in Path("results/site/index.html").read_text()
    elif count:
        assert "no run finished" in Path("results/site/index.html").read_text()
    ended = command("report", "hist")
    assert (ended.status, ended.err) == (0, "")
    assert "nan" not in Path("appendix/hist/appendix.md").read_text()
    pages = Path("results/site/retrieval-emoji.html")
    lost = [loss for loss in LOSSES if failed(loss, 0, 0)]
    assert pages.is_file() == (len(lost) < len(LOSSES))
    if lost and pages.is_file():
        assert f"The run of {', '.join(lost)} failed and left no embeddings." in pages.read_text()
    ended = command("verify", "results/records.csv")
    assert ended.err == ""
    assert "identical: both files are the same bytes" in ended.out
    for arguments in (["hist"], ["hist", "pfml"]):
        ended = command("compare", *arguments)
        assert (ended.status, ended.err) == (0, "")
        assert "nan" not in ended.out
