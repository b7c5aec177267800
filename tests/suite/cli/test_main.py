"""The command line: one line for errors meant for the user, help, noise as CSV."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from suite.data import catalog
from suite.data.noise import corrupt
from suite.data.table import read_table
from suite.hashing import sha256_file
from suite.settings.plans import published_plan_path, write_cell
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import cell_plan, json_rows, make_features, prepare, write_images


@pytest.fixture
def main(command):
    """Run ``suite ARGUMENTS``, which must succeed."""

    def run(*arguments):
        ended = command(*arguments)
        assert ended.status == 0, ended.err

    return run


@pytest.fixture
def data(workplace, monkeypatch):
    """A small data file in the current folder."""
    path = catalog.DATA_FOLDER / "emoji.parquet"
    write_images(path)
    monkeypatch.setitem(catalog.SHA256, "emoji", sha256_file(path))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan"], "error: settings file params.yaml is missing; run from the project's root"),
        (["published", "emoji", "pfml"], "error: settings file params.yaml is missing; run from the project's root"),
        (["tune", "emoji", "pfml"], "error: plan plan/cells/emoji-pfml.json is missing: name its data set and loss in"),
        (["train", "emoji", "pfml", "0"], "error: plan tuned/emoji-pfml/plan.json is missing: name its data set and"),
        (["search", "emoji", "pfml"], "error: plan plan/searches/emoji-pfml.json is missing: name its data set and"),
        (["adopt"], "error: there is no finished search or study; run: dvc repro pipelines/tuning/dvc.yaml"),
        (["ablation", "emoji", "alpha"], "error: settings file params.yaml is missing; run from the project's root"),
        (["geometry", "emoji", "pfml"], "error: settings file params.yaml is missing; run from the project's root"),
        (["figures"], "error: settings file params.yaml is missing; run from the project's root"),
        (
            ["features", "birds"],
            "error: no plan for data set 'birds' (plan/datasets/birds.json): name it in params.yaml",
        ),
        (["noise", "birds", "0.2"], "error: data set: unknown data set 'birds'; allowed: emoji, furniture, typefaces"),
        (["noise", "emoji", "0.2"], "error: data file data/emoji.parquet is missing; fetch it with: dvc pull data.dvc"),
        (["data", "verify"], "error: data file data/emoji.parquet is missing"),
    ],
)
def test_an_error_is_one_line_on_stderr(command, arguments, message):
    status, out, err = command(*arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_brackets_in_an_error_are_printed_as_they_are(command):
    Path("params.yaml").write_text("noise: [bold]x\n  y: {")
    status, _, err = command("plan")
    assert status == 2
    assert err.startswith("error: params.yaml is not valid YAML: ")
    assert "[bold]x" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        *(
            [name]
            for name in ("plan", "features", "tune", "train", "published", "leaderboard", "times", "search", "adopt")
        ),
        *([name] for name in ("ablation", "geometry", "claims")),
        *([name] for name in ("readme", "figures", "noise", "measure", "data")),
        *(["data", name] for name in ("verify", "build", "sheet")),
    ],
    ids=" ".join,
)
def test_help(command, arguments):
    status, out, _ = command(*arguments, "--help")
    assert status == 0
    assert " ".join(["suite", *arguments]) in out


def test_unknown_commands_and_values(command):
    assert command("magic")[0] == 2
    assert command("train", "emoji", "pfml", "much")[0] == 2


@pytest.fixture
def cell(workplace, one_worker):
    """The plans and features of a small cell of each track."""
    plan = prepare(replace(cell_plan(), origin="search"), features=make_features())
    write_cell(published_plan_path("emoji", "contrastive"), replace(plan, track="published", origin="published"))
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"losses": {"contrastive": {"target": plan.target}}, "published": {"contrastive": {}}, "geometry": {}}
    Path("params.yaml").write_text(yaml.safe_dump(params | {"noise": {"levels": [0, 0.2]}}))


def test_a_cell_is_tuned_and_trained_on_both_tracks(main, cell):
    main("tune", "emoji", "contrastive")
    main("train", "emoji", "contrastive", "0.2")
    main("published", "emoji", "contrastive")
    (tuned,) = json_rows(Path("runs/emoji-contrastive-0.2/records.jsonl"))
    without, published = json_rows(Path("as_published/emoji-contrastive.jsonl"))
    assert (tuned["track"], tuned["origin"], tuned["noise_level"]) == ("tuned", "search", 0.2)
    assert (without["track"], without["noise_level"]) == ("published", 0)
    assert (published["track"], published["origin"], published["noise_level"]) == ("published", "published", 0.2)
    assert tuned["metrics"] == published["metrics"]


def test_noise_is_printed_as_csv(command, data):
    status, out, err = command("noise", "emoji", "0.5", "--seed", "3")
    true = read_table(data).labels[:12]
    corruption = corrupt(true, "emoji", "symmetric", 0.5, 3)
    head, *rows = out.splitlines()
    assert status == 0
    assert head == "row,true_label,given_label"
    assert rows == [f"{i},{t},{g}" for i, (t, g) in enumerate(zip(true, corruption.labels, strict=True))]
    assert err == f"realised rate 0.5000, sha256 {corruption.sha256}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["1.0"], "noise.levels: 1.0 is outside the allowed range [0, 1)"),
        (["0.2", "--kind", "odd"], "noise.kind: unknown noise kind 'odd'; allowed: symmetric, small_cluster"),
    ],
)
def test_noise_out_of_range(command, data, options, message):
    assert command("noise", "emoji", *options) == (2, "", f"error: {message}\n")


def test_an_ablation_of_a_data_set_that_is_not_named(command):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["ablation"] = {"furniture": {"alpha": [1]}, "typefaces": {"alpha": [1]}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    status, out, err = command("ablation", "emoji", "alpha")
    assert (status, out) == (2, "")
    assert err == "error: params.yaml: ablation has no data set 'emoji'; allowed: furniture, typefaces\n"
    assert not Path("ablations").exists()
