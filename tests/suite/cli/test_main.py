"""The command line: one line for errors meant for the user, help, noise as CSV."""

import errno
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from suite.data import catalog
from suite.data.features import save_features
from suite.data.noise import KINDS, OF_FEATURES, corrupt
from suite.data.noise_lists import LISTED_KINDS
from suite.data.table import read_labels, read_table
from suite.hashing import sha256_file
from suite.settings.paths import DATA_FOLDER
from suite.settings.plans import plan_path
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import (
    features_path,
    frozen_plan,
    json_rows,
    make_features,
    prepare,
    write_images,
    write_plan,
)


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
    path = DATA_FOLDER / "emoji.parquet"
    write_images(path)
    monkeypatch.setitem(catalog.EMBEDDED, "emoji", replace(catalog.EMBEDDED["emoji"], sha256=sha256_file(path)))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan"], "error: settings file params.yaml is missing; run from the project's root"),
        (["paper-values", "emoji", "pfml"], "error: settings file params.yaml is missing; run from the project's root"),
        (
            ["tune", "emoji", "pfml"],
            "error: plan plan/tuned/emoji-pfml.json is missing: name its data set under datasets",
        ),
        (
            ["train", "emoji", "pfml"],
            "error: plan tuned/emoji-pfml/plan.json is missing: name its data set under datasets",
        ),
        (
            ["search", "emoji", "pfml"],
            "error: plan plan/searches/emoji-pfml.json is missing: name its data set under datasets",
        ),
        (["promote"], "error: there is no finished search, study or run of the grid; run: dvc repro pipelines/tuning"),
        (["ablation", "emoji", "alpha"], "error: settings file params.yaml is missing; run from the project's root"),
        (["geometry", "emoji", "pfml"], "error: settings file params.yaml is missing; run from the project's root"),
        (["figures"], "error: settings file params.yaml is missing; run from the project's root"),
        (
            ["features", "birds"],
            "error: no plan for data set 'birds' (plan/datasets/birds.json): name it in params.yaml",
        ),
        (["noise", "birds", "0.2"], "error: data set: unknown data set 'birds'; allowed: emoji, furniture, typefaces"),
        (["noise", "emoji", "0.2"], "error: data file data/emoji.parquet is missing; fetch it with: dvc pull data.dvc"),
        (["noise", "emoji", "1.5"], "error: noise.levels: 1.5 is outside the allowed range [0, 1)"),
        (["noise", "emoji", "nan"], "error: noise.levels: nan is outside the allowed range [0, 1)"),
        (
            ["noise", "emoji", "0.2", "--kind", "odd"],
            "error: noise.kind = 'odd' is no noise kind; allowed: symmetric, ",
        ),
        (["data", "verify"], "error: data file data/emoji.parquet is missing"),
        *(
            (
                [name, "--benchmarks", "--regime", "finetuned"],
                "error: --benchmarks and --regime finetuned exclude each other",
            )
            for name in ("plan", "leaderboard", "claims", "times")
        ),
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
            for name in (
                "plan",
                "features",
                "tune",
                "train",
                "paper-values",
                "leaderboard",
                "times",
                "search",
                "promote",
            )
        ),
        *([name] for name in ("ablation", "geometry", "claims", "user", "train-network", "site", "compare", "verify")),
        *([name] for name in ("readme", "figures", "noise", "check", "losses", "new-loss", "datasets", "data")),
        *(["data", name] for name in ("verify", "user", "build", "sheet", "add")),
    ],
    ids=" ".join,
)
def test_help(command, arguments):
    status, out, _ = command(*arguments, "--help")
    assert status == 0
    assert " ".join(["suite", *arguments]) in out


@pytest.mark.parametrize(
    ("arguments", "word", "where"),
    [
        (["magic"], "magic", "suite"),
        (["train", "emoji"], "Missing argument", "suite train"),
        (["train", "emoji", "pfml", "--how", "much"], "--how", "suite train"),
        (["train", "emoji", "pfml", "more"], "more", "suite train"),
        (["noise", "emoji", "much"], "number", "suite noise"),
        (["data", "magic"], "magic", "suite data"),
    ],
)
def test_what_is_not_understood_is_one_line(command, arguments, word, where):
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert word in err
    assert err.endswith(f"; see: {where} --help\n")
    assert err.count("\n") == 1


def test_an_option_with_a_word_that_is_none_of_its_choices_names_them(command):
    status, out, err = command("verify", "--regime", "bogus")
    assert (status, out) == (2, "")
    assert err == (
        "error: Invalid value for '--regime': 'bogus' is not one of 'frozen', 'finetuned'; see: suite verify --help\n"
    )


def test_nothing_typed_gives_help(command):
    status, out, err = command()
    assert status == 2
    assert "Usage: suite" in out + err


def test_what_the_system_refuses_is_one_line(command, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "plan/x.json")

    monkeypatch.setattr("suite.settings.params.load_settings", full)
    status, out, err = command("plan")
    assert (status, out) == (2, "")
    assert err == (
        "error: plan/x.json: No space left on device; what was finished before is kept; make room or give permission, "
        "then run the same command\n"
    )


def test_an_error_of_megabytes_is_cut(command):
    Path("params.yaml").write_text("x" * 3_000_000)
    status, out, err = command("plan")
    assert (status, out) == (2, "")
    assert err.startswith("error: params.yaml")
    assert len(err) < 1200
    assert err.count("\n") == 1


@pytest.fixture
def both_tracks(workplace, one_worker):
    """The plans of a loss on both tracks, and features."""
    plan = replace(frozen_plan(), hyperparameter_source="search", noise_levels=(0.0, 0.2))
    prepare(plan, features=make_features())
    paper = replace(plan, track="paper_values", hyperparameter_source="paper")
    write_plan(plan_path("paper_values", "emoji", "contrastive"), paper)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"losses": {"contrastive": {"target": plan.target}}, "paper_values": {"contrastive": {}}, "geometry": {}}
    Path("params.yaml").write_text(yaml.safe_dump(params | {"noise": {"levels": [0, 0.2]}}))


def test_a_loss_is_tuned_and_trained_on_both_tracks(main, both_tracks):
    main("tune", "emoji", "contrastive")
    main("train", "emoji", "contrastive")
    main("paper-values", "emoji", "contrastive")
    tuned = json_rows(Path("runs/emoji-contrastive/records.jsonl"))
    paper = json_rows(Path("studies/paper_values/emoji-contrastive.jsonl"))
    columns = ("track", "hyperparameter_source", "noise_level")
    assert [[row[name] for name in columns] for row in tuned] == [["tuned", "search", 0], ["tuned", "search", 0.2]]
    assert [[row[name] for name in columns] for row in paper] == [
        ["paper_values", "paper", 0],
        ["paper_values", "paper", 0.2],
    ]
    assert [row["metrics"] for row in tuned] == [row["metrics"] for row in paper]
    assert tuned[0]["metrics"] != tuned[1]["metrics"]


def test_train_anew_deletes_nothing_before_all_is_checked(main, command, both_tracks):
    main("tune", "emoji", "contrastive")
    main("train", "emoji", "contrastive")
    Path("features/emoji.safetensors").unlink()
    ended = command("train", "emoji", "contrastive", "--anew")
    assert ended.status == 2
    assert "features/emoji.safetensors is missing" in ended.err
    assert len([*Path("run_cache/emoji-contrastive").glob("*.json")]) == 2


def test_train_anew_runs_what_is_in_the_run_cache(main, both_tracks, capsys):
    main("tune", "emoji", "contrastive")
    written = []
    for options in ([], [], ["--anew"]):
        main("train", "emoji", "contrastive", *options)
        written.append({path: path.stat().st_mtime_ns for path in Path("run_cache/emoji-contrastive").glob("*.json")})
    assert written[0] == written[1]
    assert len(written[0]) == 2
    assert all(written[2][path] > written[0][path] for path in written[0])
    shutil.rmtree("run_cache")
    main("train", "emoji", "contrastive", "--anew")  # nothing to delete is no error


def test_noise_is_printed_as_csv(command, data):
    status, out, err = command("noise", "emoji", "0.5", "--seed", "3")
    true = read_table(data).labels[:12]
    corruption = corrupt(true, "emoji", "symmetric", 0.5, 3)
    head, *rows = out.splitlines()
    assert status == 0
    assert head == "row,true_label,given_label"
    assert rows == [f"{i},{t},{g}" for i, (t, g) in enumerate(zip(true, corruption.labels, strict=True))]
    assert err == f"realised rate 0.5000, sha256 {corruption.sha256}\n"


def test_noise_is_of_the_classes_that_runs_have(command, data):
    """A data set that is cut down is cut down here, too, and features of the whole are not taken for its own."""
    Path("params.yaml").write_text(
        yaml.safe_dump(yaml.safe_load((ROOT / "params.yaml").read_text()) | {"datasets": {"emoji": {"max_classes": 4}}})
    )
    labels = read_labels(data, 4)
    training = labels[labels < 2]
    assert 0 < len(training) < len(read_table(data).labels) / 2
    status, out, err = command("noise", "emoji", "0.5")
    assert (status, len(out.splitlines())) == (0, 1 + len(training))
    assert err == f"realised rate 0.5000, sha256 {corrupt(training, 'emoji', 'symmetric', 0.5, 0).sha256}\n"
    save_features(features_path(), make_features())
    told = f"error: {features_path()} is of other images of emoji; run: suite plan && suite features emoji\n"
    assert command("noise", "emoji", "0.5", "--kind", "asymmetric") == (2, "", told)


@pytest.mark.parametrize("words", [("data", "build", "birds", "x.parquet", "--cache", "c"), ("data", "sheet", "birds")])
def test_what_is_of_embedded_data_sets_alone_names_them(command, workplace, words):
    path = catalog.user_data_path("birds")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    told = (
        f"error: suite {words[0]} {words[1]}: 'birds' is no embedded data set; allowed: emoji, furniture, typefaces\n"
    )
    assert command(*words) == (2, "", told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["1.0"], "noise.levels: 1.0 is outside the allowed range [0, 1)"),
        (
            ["0.2", "--kind", "odd"],
            f"noise.kind = 'odd' is no noise kind; allowed: {', '.join(KINDS)}",
        ),
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
    assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("arguments", "file", "kinds"),
    [
        (["plan"], "params.yaml", KINDS),
        (
            ["plan", "--benchmarks"],
            "pipelines/benchmarks/params.yaml",
            [*sorted(KINDS.keys() - OF_FEATURES), *LISTED_KINDS],
        ),
    ],
    ids=["frozen", "benchmarks"],
)
def test_a_noise_kind_that_there_is_not(command, arguments, file, kinds):
    params = yaml.safe_load((ROOT / file).read_text())
    params["noise"]["kind"] = "pink"
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(yaml.safe_dump(params))
    message = f"error: {file}: noise.kind = 'pink' is no noise kind; allowed: {', '.join(kinds)}\n"
    assert command(*arguments) == (2, "", message)
    assert not Path("plan").exists()
    assert not Path("benchmarks").exists()


def test_ctrl_c_ends_a_command_with_a_line(command, monkeypatch):
    def interrupted():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(3600)  # unless the signal ends it

    monkeypatch.setattr("suite.settings.params.load_settings", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        status, out, err = command("plan")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (status, out) == (130, "")
    assert err == "interrupted: what has finished is kept; run the same command to go on\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["datasets"], 0), (["new-loss", "my_loss"], 0), (["promote"], 2), (["compare", "pfml"], 2)],
)
def test_a_folder_that_is_no_project_is_told(command, workplace, arguments, status):
    ended = command(*arguments)
    assert ended.status == status
    assert f"there is no params.yaml in {workplace}" in ended.err
    assert ended.err.count("\n") == 1
