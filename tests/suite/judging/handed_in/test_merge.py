"""A bundle on its way: made, merged without running it, shown, rerun; and what a board of another version says."""

import csv
import importlib.metadata
import io
import json
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from suite.errors import SuiteError
from suite.evaluation.tables import read_csv
from suite.hashing import ROOT, sha256_file
from suite.judging.handed_in import protocol
from suite.judging.handed_in.bundle import MANIFEST, read_bundle, write_bundle
from suite.judging.handed_in.code import digest_of
from suite.judging.handed_in.folder import load_handed_in, trials_of
from suite.judging.handed_in.merge import merge
from suite.judging.handed_in.submit import check_code_name, submit
from suite.judging.verify import RerunOutcome, compare
from suite.losses.build import sha256_target
from suite.losses.registry import BUILT_IN
from suite.report.leaderboard import write_leaderboard
from suite.settings.params import load_settings
from suite.training.finetuned.planner import finetuned_code_sha256
from suite.training.stage import code_sha256

MARKED = "own (handed in, not rerun)"


def rows(path="results/leaderboard.csv"):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_a_bundle_holds_what_the_loss_left(contents, submitted):
    assert sorted(contents) == [
        "code/losses/own.py",
        "code/losses/own_parts.py",
        "manifest.json",
        "records/finetuned/emoji.jsonl",
        "records/frozen/emoji.jsonl",
        "records/paper_values/emoji.jsonl",
        "searches/finetuned/tuned/emoji-0.json",
        "searches/frozen/tuned/emoji-0.json",
        "searches/frozen/tuned/emoji-1.json",
        "settings.json",
    ]
    manifest = json.loads(contents[MANIFEST])
    assert (manifest["loss"], manifest["licence"]) == ("own", "MIT")
    assert set(manifest["versions"]) > {"python", "torch"}
    assert manifest["hardware"]
    assert (manifest["author"], manifest["citation"]) == ("An author", "On compactness, 2026")
    assert manifest["features_sha256"] == {"emoji": sha256_file(submitted / "features/emoji.safetensors")}
    assert contents["code/losses/own.py"] == (submitted / "losses/own.py").read_bytes()
    assert len(contents["records/frozen/emoji.jsonl"].splitlines()) == 4


def test_the_same_results_give_the_same_bytes(submitted, tmp_path, monkeypatch):
    monkeypatch.chdir(submitted)
    again = submit("own", load_settings(), "MIT", tmp_path / "again.zip", "An author", "On compactness, 2026")
    assert again.read_bytes() == (submitted / "own.zip").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("own",), "--licence is missing; allowed: an expression of SPDX"),
        (("triplet", "--licence", "free"), "--licence 'free': Unknown license: 'free'; allowed: an expression of SPDX"),
        (("other", "--licence", "MIT"), "losses has no other; allowed: triplet"),
    ],
)
def test_what_cannot_be_submitted_is_one_line(typed, arguments, told):
    status, printed = typed("submit", *arguments)
    assert (status, printed.count("\n")) == (2, 1)
    assert told in printed
    assert not list(Path().glob("*.zip"))


def test_an_edited_loss_is_not_submitted(submitted, board):
    """Its records are those of the code as it was."""
    for name in ("losses", "results"):
        (board / name).symlink_to(submitted / name)
    for name in ("params.yaml", "runs", "recipes", "tuned"):
        place = board / name
        place.rename(board / f"{name}.before")
        place.symlink_to(submitted / name)
    (board / "losses").unlink()
    (board / "losses").mkdir()
    for path in (submitted / "losses").glob("*.py"):
        (board / "losses" / path.name).write_text(path.read_text() + "\n# edited\n")
    with pytest.raises(SuiteError, match=r"own\.zip: records/frozen/emoji\.jsonl, line 1: loss_sha256 = "):
        submit("own", load_settings(), "MIT", Path("own.zip"))
    assert not list(board.glob("*own.zip*"))


def test_a_merged_loss_stands_on_the_board_and_its_code_does_not_run(board, submitted):
    settings = load_settings()
    write_leaderboard(settings)
    before = rows()
    assert "handed_in" not in before[0]
    merge([submitted / "own.zip"], settings)
    write_leaderboard(settings)
    found = rows()
    assert {row["loss"]: row["handed_in"] for row in found} == {
        "triplet": "",
        "own": "not rerun",
        "frozen backbone": "",
    }
    assert {row["suite_version"] for row in found} == {""}
    mine = [row for row in found if row["loss"] == "own"]
    assert [(row["noise_level"], row["runs"], row["trials"]) for row in mine] == [("0.0", "2", "2"), ("0.2", "2", "2")]
    trials = trials_of(load_handed_in(), "frozen")
    assert trials == {("tuned", "emoji", "own"): 2, ("paper_values", "emoji", "own"): 0}
    page = Path("results/leaderboard.md").read_text()
    assert MARKED in page
    assert "## Handed in" in page
    assert MARKED in Path("results/leaderboard.tex").read_text()
    assert json.loads(Path("results/leaderboard.json").read_text())[0]["handed_in"] in {"", "not rerun"}
    assert not list(board.rglob("it_ran"))
    assert {(row["loss"], row["other"]) for row in rows("results/verdicts.csv")} == {("own", "triplet")}
    # The means are those of the records.
    records = [json.loads(line) for line in (submitted / "runs/emoji-own/records.jsonl").read_text().splitlines()]
    clean = [record["metrics"]["recall_at_1"] for record in records if record["noise_level"] == 0]
    assert float(mine[0]["recall_at_1"]) == pytest.approx(50 * sum(clean), abs=1e-4)


def test_verify_does_not_take_copies_for_reruns(board, submitted):
    settings = load_settings()
    merge([submitted / "own.zip"], settings)
    write_leaderboard(settings)
    content = Path("results/records.csv").read_bytes()
    assert set(read_csv(content, "records")["handed_in"]) == {"", "not rerun"}
    found = {each.name: each.outcome for each in compare(content, content).conditions}
    assert found["frozen tuned emoji own symmetric 0.2"] == RerunOutcome.NOT_RECOMPUTED
    assert found["frozen tuned emoji triplet symmetric 0.2"] == RerunOutcome.REPRODUCED


def marks():
    """The mark of the loss by regime and tuning track."""
    found, places = load_handed_in()["own"], (("frozen", "tuned"), ("frozen", "paper_values"), ("finetuned", "tuned"))
    return {place: found.standing(*place).mark for place in places}


def test_a_rerun_asks_draws_at_random_and_leaves_its_mark(typed, submitted):
    merge([submitted / "own.zip"], load_settings())
    status, printed = typed("rerun", "own")
    assert status == 2
    assert "its code was not run; allowed in scripts: --yes" in printed
    assert "code/losses/own.py, code/losses/own_parts.py" in printed
    assert set(marks().values()) == {"not rerun"}
    status, printed = typed("rerun", "handed_in/own.zip", "--sample", "2", "--draw", "7", "--yes")
    assert status == 0, printed
    assert "sample of 2 of 12 runs, drawn by --draw 7" in printed
    assert printed.count("reproduced: the run gave the same values") == 2
    assert "nothing drawn" in printed
    assert sorted(marks().values()) == ["not rerun", "spot-checked", "spot-checked"]  # a mark is of what was drawn
    status, printed = typed("rerun", "own", "--sample", "3", "--draw", "8", "--yes")
    assert status == 0, printed
    for place in ("own frozen tuned", "own frozen paper_values", "own finetuned tuned"):
        assert printed.count(f"{place} emoji noise") == 1
    assert set(marks().values()) == {"spot-checked"}
    found = load_handed_in()["own"].standing("frozen", "tuned")
    assert "reproduced: the run gave the same values (drawn 1 of 4: emoji 0" in found.told
    assert not list(Path().rglob("it_ran"))
    write_leaderboard(load_settings())
    mine = [row for row in rows() if row["loss"] == "own"]
    assert {row["handed_in"] for row in mine} == {"spot-checked"}
    assert {row["spot_check"] for row in mine} == {found.told}


class Terminal(io.StringIO):
    """Answers that somebody types."""

    def isatty(self):
        return True


def test_what_is_asked_can_be_declined(typed, submitted, monkeypatch):
    merge([submitted / "own.zip"], load_settings())
    for answer, status in (("n\n", 1), ("", 130)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        ended, printed = typed("rerun", "own")
        assert (ended, "Run it?" in printed) == (status, True)
    assert set(marks().values()) == {"not rerun"}


def test_a_loss_that_comes_with_the_suite_is_handed_in_without_code(typed, board, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("apache-2.0\n"))
    status, printed = typed("submit", "triplet")
    assert status == 0, printed
    found = read_bundle(board / "triplet.zip")
    assert (found.manifest.licence, found.code, found.regimes) == ("Apache-2.0", {}, {"frozen"})
    # A board that has no runs of it takes it.
    params = yaml.safe_load(Path("params.yaml").read_text()) | {"losses": {"pfml": {}}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    merge([board / "triplet.zip"], load_settings())
    assert list(load_handed_in()) == ["triplet"]


def write_changed(path, contents, changes, **manifest):
    """A bundle with other members, whose digests are right, and other fields of the manifest."""
    first = json.loads(contents[MANIFEST]) | manifest
    del first["members"]
    members = {name: content for name, content in (contents | changes).items() if content is not None}
    members.pop(MANIFEST, None)
    write_bundle(path, first, members)
    return path


def as_lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def test_a_row_tells_the_version_of_another_suite(board, contents):
    merge([write_changed(Path("own.zip"), contents, {}, suite_version="9.8.7")], load_settings())
    write_leaderboard(load_settings())
    assert {row["loss"]: row["suite_version"] for row in rows()} == {
        "triplet": "",
        "own": "9.8.7",
        "frozen backbone": "",
    }


def test_a_later_suite_with_another_protocol_refuses_what_was_merged(board, submitted, monkeypatch):
    merge([submitted / "own.zip"], load_settings())
    monkeypatch.setattr(protocol, "NUMBER", protocol.NUMBER + 1)
    with pytest.raises(
        SuiteError, match=r"own\.zip: manifest\.json: protocol\.number = 1; allowed: 2.*git rm handed_in"
    ):
        write_leaderboard(load_settings())


def test_a_bundle_that_was_altered_on_the_board_is_refused(board, contents, submitted):
    merge([submitted / "own.zip"], load_settings())
    write_changed(Path("handed_in/own.zip"), contents, {}, hardware=["another"])
    with pytest.raises(SuiteError, match="was altered since it was merged; restore it with: git checkout handed_in"):
        load_handed_in()


def test_a_loss_is_on_a_board_once(board, submitted):
    settings = load_settings()
    bundle = submitted / "own.zip"
    with pytest.raises(SuiteError, match="loss own is handed in already"):
        merge([bundle, bundle], settings)
    assert not Path("handed_in").exists()
    merge([bundle], settings)
    with pytest.raises(SuiteError, match=r"loss own is handed in already; .*git rm handed_in/own\.zip"):
        merge([bundle], settings)


def test_all_bundles_are_merged_or_none(board, contents, submitted):
    other = write_changed(Path("other.zip"), contents, {}, licence="none")
    with pytest.raises(SuiteError, match=r"other\.zip: manifest\.json: licence = 'none'"):
        merge([submitted / "own.zip", other], load_settings())
    assert not Path("handed_in").exists()


@pytest.mark.parametrize(
    "target",
    [
        *list(BUILT_IN.values())[:4],
        "pytorch_metric_learning.losses:ContrastiveLoss + pytorch_metric_learning.miners:MultiSimilarityMiner",
        "baselines.super_loss:SuperLoss wraps losses/own.py:Own",
        "losses/own.py:Own",
    ],
)
def test_the_digest_of_code_that_is_read_is_that_of_code_that_is_imported(target, submitted, monkeypatch):
    monkeypatch.chdir(submitted)
    files = {name: (submitted / name).read_bytes() for name in ("losses/own.py", "losses/own_parts.py")}
    code = files if "own.py" in target else {}
    assert digest_of(target, code, "here") == sha256_target(target, "here")


def test_the_code_of_a_run_is_part_of_the_protocol():
    """What trains, corrupts labels and evaluates: an edit of any of these is another protocol."""
    from suite.hashing import code_files

    files = {path.relative_to(ROOT).as_posix() for path in code_files(ROOT / "suite/training/run/frozen.py")}
    assert {"suite/data/noise.py", "suite/evaluation/retrieval.py", "suite/training/run/loop.py"} <= files
    mine = protocol.protocol()
    assert mine.code_sha256 == {"frozen": code_sha256(), "finetuned": finetuned_code_sha256()}
    changed = mine.model_copy(update={"code_sha256": mine.code_sha256 | {"finetuned": "0"}})
    assert protocol.difference(changed, {"frozen"}) == ""
    assert "code_sha256.finetuned" in protocol.difference(changed, {"frozen", "finetuned"})
    assert "evaluator" in protocol.difference(mine.model_copy(update={"evaluator_sha256": "0"}), {"frozen"})


DECIDES = {
    "suite/training/backbone.py": {"frozen", "finetuned"},
    "suite/training/features.py": {"frozen"},
    "suite/data/split.py": {"frozen", "finetuned"},
    "suite/data/table.py": {"frozen", "finetuned"},
    "suite/training/tuning/search.py": {"frozen", "finetuned"},
    "suite/training/tuning/validation.py": {"frozen", "finetuned"},
    "suite/training/search_space.py": {"frozen", "finetuned"},
    "suite/training/finetuned/changes.py": {"finetuned"},
    "suite/training/finetuned/validation.py": {"finetuned"},
    **{name: set() for name in protocol.CONDUCT},
}


@pytest.mark.parametrize("name", DECIDES)
def test_code_that_makes_features_or_searches_is_part_of_the_protocol(monkeypatch, name):
    """An edit of what makes the inputs of runs is another protocol; one of what carries them out is none."""
    mine = protocol.protocol()
    real = protocol.sha256_file
    assert (ROOT / name).is_file()
    monkeypatch.setattr(protocol, "sha256_file", lambda path: "0" if path == ROOT / name else real(path))
    differs = {regime for regime in protocol.REGIMES if "preparation" in protocol.difference(mine, {regime})}
    assert differs == DECIDES[name]


@pytest.mark.parametrize("name", ["my-losses/v1.2/a_loss.py", "my_losses/my-loss.py", "2026/loss.py"])
def test_a_bundle_holds_files_under_usual_names(name):
    check_code_name(name, "here")


@pytest.mark.parametrize(
    "name", ["my losses/a.py", "\u00fc.py", ".hidden/a.py", "a/../b.py", "a" * 101 + ".py", "a/" * 10 + "a.py"]
)
def test_a_name_that_no_bundle_holds_is_told_before_it_is_written(name):
    with pytest.raises(
        SuiteError, match=r"^here: a bundle cannot hold .*; allowed: up to 9 folders, names of up to 100"
    ):
        check_code_name(name, "here")


def test_the_version_is_that_of_the_code(monkeypatch, tmp_path):
    """Metadata of an editable installation keep the version of the day on which it was made."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert protocol.suite_version() == project["version"]
    monkeypatch.setattr(protocol, "ROOT", tmp_path)
    assert protocol.suite_version() == importlib.metadata.version("pfml-suite")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "9.9"\n')
    assert protocol.suite_version() == importlib.metadata.version("pfml-suite")


def test_reading_a_bundle_writes_nothing(submitted, board):
    before = sorted(board.rglob("*"))
    bundle = read_bundle(submitted / "own.zip")
    assert (bundle.loss, bundle.regimes) == ("own", {"frozen", "finetuned"})
    assert sorted(board.rglob("*")) == before
    assert zipfile.is_zipfile(submitted / "own.zip")
