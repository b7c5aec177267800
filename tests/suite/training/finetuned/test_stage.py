"""The regime as typed, on a folder of own images: plan, views, search, runs; the same bytes again, and after a kill."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from suite.evaluation.records import read_records
from suite.settings.plans import plan_path, read_plan_file, runs_of
from tests.helpers.locks import taken_elsewhere
from tests.helpers.paths import ROOT
from tests.suite.training.finetuned.birds import FOLDER, REGIME, make_project, suite, trained, tuned, write_params

SUITE = [sys.executable, "-c", "from suite.cli.main import main; main()"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with views of 8 classes of own images."""
    path = tmp_path_factory.mktemp("project")
    make_project(path)
    return path


@pytest.fixture
def copy(project, tmp_path):
    """A copy of the project."""
    return Path(shutil.copytree(project, tmp_path / "copy"))


@pytest.fixture(scope="module")
def done(project, tmp_path_factory):
    """Searches and runs of one process, uninterrupted: recipes, plan, files of the runs."""
    path = Path(shutil.copytree(project, tmp_path_factory.mktemp("done") / "copy"))
    return tuned(path), trained(path), path


def test_own_images_go_through_the_regime(done):
    (recipes, _), files, path = done
    assert set(files) == {
        "records.jsonl",
        "curves.jsonl",
        "embeddings-0.safetensors",
        "embeddings-0.2.safetensors",
    }
    records = read_records([path / FOLDER / "runs/birds-multi_similarity/records.jsonl"])
    assert {(record.noise_level, record.seed, record.search) for record in records} == {
        (level, seed, seed) for level in (0.0, 0.2) for seed in (0, 1)
    }
    manifest = json.loads((path / FOLDER / "views/birds/manifest.json").read_text())
    for record in records:
        assert (record.regime, record.track, record.status) == ("finetuned", "tuned", "ok")
        assert record.recipe["cut"] == "blocks.4.2"
        assert record.recipe["flip"] is False
        assert record.hyperparameters == {
            name: value for name, value in recipes[record.search].best.items() if name != "learning_rate"
        }
    assert len({record.views_sha256 for record in records}) == 1
    assert manifest["made_from"]["plan"]["flip"] is False
    for recipe in recipes:
        assert (recipe.regime, recipe.folds, recipe.held_out) == ("finetuned", 2, 1)
        assert all(len(trial.fold_map_at_r) == 1 for trial in recipe.trials)


def test_a_table_of_own_images_goes_through_the_regime_to_the_same_results(done, copy):
    shutil.rmtree(copy / FOLDER)
    listed = [(file.relative_to(copy).as_posix(), file.parent.name) for file in sorted(copy.glob("photos/*/*.png"))]
    pd.DataFrame(listed, columns=["file", "species"]).to_csv(copy / "birds.csv", index=False)
    settings = yaml.safe_load((copy / "params.yaml").read_text())
    settings["datasets"]["birds"] |= {"path": "birds.csv", "path_column": "file", "label_column": "species"}
    (copy / "params.yaml").write_text(yaml.safe_dump(settings))
    for words in (("data", "user", "birds"), ("plan", *REGIME), ("views", "birds")):
        suite(copy, *words)
    tuned(copy)
    trained(copy)
    of_table, of_folder = (
        read_records([path / FOLDER / "runs/birds-multi_similarity/records.jsonl"]) for path in (copy, done[2])
    )
    assert [record.metrics for record in of_table] == [record.metrics for record in of_folder]
    assert len(of_table) == 4


def test_nothing_is_deleted_before_all_is_checked(done, tmp_path):
    path = Path(shutil.copytree(done[2], tmp_path / "copy"))
    kept = sorted((path / FOLDER / "run_cache/birds-multi_similarity").iterdir())
    os.truncate(path / FOLDER / "views/birds/1.npy", 500)
    anew = ("train", "birds", "multi_similarity", *REGIME, "--anew")
    assert "1.npy were cut short or altered" in suite(path, *anew, status=2)
    assert sorted((path / FOLDER / "run_cache/birds-multi_similarity").iterdir()) == kept != []


def test_the_cost_is_told(copy):
    torch.set_num_threads(2)
    told = suite(copy, "plan", *REGIME)
    assert torch.get_num_threads() == 1, "what threads wait for each other is no time of a run"
    start = (
        "note: planned: 4 runs, after 6 trainings of searches; those in the run cache are not run again; 1 at a time;"
    )
    timed = re.search(rf"{re.escape(start)} all about (\S+ \w+) by a step of the network timed here\n", told)
    assert timed, told
    times = copy / "results/finetuned/times.csv"
    times.parent.mkdir(parents=True)
    times.write_text("name,dataset,loss,runs,seconds,mean_seconds\nx,birds,multi_similarity,1,360,360\n")
    told = suite(copy, "plan", *REGIME, workers="2")
    assert (
        "; 2 at a time; all about 30 min (60 min in one process) by results/finetuned/times.csv, which may be" in told
    )


def test_a_step_that_fills_the_memory_with_all_its_processes_is_refused(copy, monkeypatch):
    write_params(copy, recipe={"classes_per_batch": 400, "samples_per_class": 3})
    sysconf, memory = os.sysconf, {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 10**8}  # images have 32 pixels
    monkeypatch.setattr(os, "sysconf", lambda name: memory.get(name) or sysconf(name))
    text = suite(copy, "plan", *REGIME, status=2)
    start = "= 1200 images takes about "
    found = re.search(rf"{start}\S+ GB in each of 1 processes, this machine has 0.1; allowed: up to (\d+) images", text)
    assert found, text
    memory["SC_PHYS_PAGES"] = int(1.5 * 1200 * 10**8 / int(found[1]))  # enough for one and a half
    suite(copy, "plan", *REGIME)
    text = suite(copy, "plan", *REGIME, workers="2", status=2)
    assert re.search(
        rf"{start}\S+ GB in each of 2 processes, this machine has \S+; allowed: up to 9\d\d images, or fewer", text
    )


def test_views_that_are_done_keep_their_seconds(copy):
    path = copy / FOLDER / "times/views-birds.json"
    path.write_text('{"runs": {"views": 123.0}}')
    suite(copy, "views", "birds")
    assert "123" in path.read_text()
    (copy / FOLDER / "views/birds/1.npy").unlink()
    suite(copy, "views", "birds")
    assert "123" not in path.read_text()


def test_a_second_command_at_the_same_views_waits(copy):
    lock = copy / FOLDER / "run_cache/locks/views-birds.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with taken_elsewhere(lock) as other:
        threading.Timer(1, other.kill).start()
        told = suite(copy, "views", "birds")
    assert told.startswith("views-birds: another command is at it; waiting until that ends\n")
    assert told.endswith("views of birds: done\n")


def test_the_same_bytes_with_two_processes(done, copy):
    assert tuned(copy, workers="2") == done[0]
    assert trained(copy, workers="2") == done[1]


def killed_at(path, pattern, *words):
    """Start a command and kill it as soon as a file is there."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SUITE_WORKERS": "1"}
    process = subprocess.Popen([*SUITE, *words], cwd=path, env=environment, stdout=subprocess.DEVNULL)
    while not list(path.glob(pattern)) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_searches_and_runs_resume_to_the_same_bytes(done, copy):
    killed_at(
        copy, "finetuned/searches/birds-multi_similarity/tuned-0.yaml", "tune", "birds", "multi_similarity", *REGIME
    )
    found = copy / FOLDER / "searches/birds-multi_similarity/tuned-0.yaml"
    before = found.read_bytes()
    assert tuned(copy) == done[0]
    assert found.read_bytes() == before  # it was not searched again
    killed_at(copy, "finetuned/run_cache/birds-multi_similarity/*.json", "train", "birds", "multi_similarity", *REGIME)
    finished = sorted(copy.glob("finetuned/run_cache/birds-multi_similarity/*.json"))
    if len(finished) == 4:  # the runs were faster than the kill: one is taken away
        finished[-1].unlink()
    assert trained(copy) == done[1]


def test_recipes_in_git_are_taken(done, copy):
    shutil.copytree(done[2] / FOLDER / "searches", copy / FOLDER / "searches")
    out = suite(copy, "promote")
    assert "wrote recipes/finetuned/tuned/birds/multi_similarity-1.yaml" in out
    assert "has no tuned recipe" not in suite(copy, "plan", *REGIME)
    shutil.rmtree(copy / FOLDER / "searches")
    suite(copy, "tune", "birds", "multi_similarity", *REGIME)
    assert not (copy / FOLDER / "searches").exists()
    assert trained(copy) == done[1]
    write_params(copy, recipe={"cut": "blocks.5.0"})
    out = suite(copy, "plan", *REGIME)
    stale = "birds/multi_similarity-0.yaml is stale: the recipe has changed since; it is left out, and"
    assert stale in " ".join(out.split())
    planned = read_plan_file(copy / plan_path("tuned", "birds", "multi_similarity", "finetuned"))
    assert all(search is not None for _, search in planned)  # it is searched, not run with the values of another cut


def test_leaderboard_and_spot_check(done, copy):
    shutil.copytree(done[2] / FOLDER, copy / FOLDER, dirs_exist_ok=True)
    suite(copy, "plan")
    suite(copy, "features", "birds")
    assert "| multi_similarity |" in suite(copy, "leaderboard", *REGIME)
    suite(copy, "times", *REGIME)
    times = pd.read_csv(copy / "results/finetuned/times.csv")
    assert list(times["name"]) == ["views-birds", "birds-multi_similarity"]
    records = "results/finetuned/records.csv"
    check = ("verify", records, *REGIME, "--sample", "3")
    out = suite(copy, *check)
    assert "sample of 3 of 4 runs, drawn by --draw 0" in out
    assert out.endswith("reproduced: all 3 runs gave the same values\n")
    assert suite(copy, *check) == out
    suite(copy, "promote")  # before, the values were those that searches had found here; now they are recipes in git
    shutil.rmtree(copy / FOLDER / "tuned")
    assert suite(copy, *check) == out
    table = pd.read_csv(copy / records)
    table["recall_at_1"] = (table["recall_at_1"] - 0.5).abs()
    table.to_csv(copy / records, index=False)
    out = suite(copy, *check, status=1)
    assert "3 of 3 runs differ" in out
    write_params(copy, recipe={"epochs": 3})
    out = suite(copy, *check, status=2)
    assert "is not planned: its settings, its loss or the code that trains are others than those of the record" in out
    assert "--regime finetuned and --sample go together" in suite(copy, "verify", "--sample", "3", status=2)


def test_a_spot_check_runs_the_loss_as_it_is_now(done, copy):
    """A record of other code of the loss is checked as well, if the rest is as it was, and that is said."""
    shutil.copytree(done[2] / FOLDER, copy / FOLDER, dirs_exist_ok=True)
    suite(copy, "plan")
    suite(copy, "features", "birds")
    suite(copy, "leaderboard", *REGIME)
    suite(copy, "promote")
    suite(copy, "plan", *REGIME)
    plans = [plan for plan, _ in read_plan_file(copy / plan_path("tuned", "birds", "multi_similarity", "finetuned"))]
    changed = {
        run.config_sha256: replace(run, plan=replace(run.plan, loss_sha256="a" * 64)).config_sha256
        for plan in plans
        for run in runs_of(plan)
    }
    for path in (copy / "results/finetuned/records.csv", copy / FOLDER / "runs/birds-multi_similarity/records.jsonl"):
        text = path.read_text()
        assert all(before in text for before in changed)
        for before, after in changed.items():
            text = text.replace(before, after)
        path.write_text(text.replace(plans[0].loss_sha256, "a" * 64))
    check = ("verify", "results/finetuned/records.csv", *REGIME, "--sample", "4")
    out = suite(copy, *check)
    assert "note: the code of multi_similarity is another than that of the records; it runs as it is now" in out
    assert out.endswith("reproduced: all 4 runs gave the same values\n")
    shutil.rmtree(copy / FOLDER / "runs")  # without the record its code is not known, nor whether the rest is as it was
    shutil.rmtree(copy / "results/finetuned/runs")
    assert "is not planned: its settings, its loss or the code that trains are others than" in suite(
        copy, *check, status=2
    )


SEARCHED = {"trials": 1, "folds": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recipe": {"views": 0}},
            "pipelines/finetuned/params.yaml: recipe.views = 0; allowed: whole numbers from 1",
        ),
        ({"recipe": {"crop": 0}}, "pipelines/finetuned/params.yaml: recipe.crop = 0; allowed: numbers above 0"),
        ({"recipe": {"colour": 2}}, "pipelines/finetuned/params.yaml: recipe.colour = 2; allowed: numbers from 0 to 1"),
        (
            {"recipe": {"zoom": 2}},
            "pipelines/finetuned/params.yaml: recipe.zoom is not a setting; allowed: embedding_dim",
        ),
        (
            {"recipe": {"samples_per_class": 30}},
            "pipelines/finetuned/params.yaml: recipe.samples_per_class = 30: the largest training class of birds has 5",
        ),
        (
            {"datasets": {"birds": {"views": 3}}},
            "pipelines/finetuned/params.yaml: datasets.birds.views is not a setting",
        ),
        (
            {"tuning": SEARCHED | {"space": {"margin": {"values": [1]}}}},
            "pipelines/finetuned/params.yaml: tuning.space: margin is no hyper-parameter of loss",
        ),
        (
            {"tuning": SEARCHED | {"space": {"epochs": {"low": 4, "high": 3}}}},
            "pipelines/finetuned/params.yaml: tuning.space.epochs: low must be below high",
        ),
        (
            {"tuning": SEARCHED | {"space": {"epochs": {"values": [20_000]}}}},
            "pipelines/finetuned/params.yaml: tuning.space.epochs = 20000; allowed: whole numbers from 1 to 10,000",
        ),
    ],
)
def test_bad_settings_are_one_line(copy, changes, message):
    write_params(copy, **changes)
    text = suite(copy, "plan", *REGIME, status=2)
    assert text.startswith(f"error: {message}"), text
    assert text.count("\n") == 1


def test_the_whole_network_needs_a_gpu_or_a_word(copy):
    """A small data set through the commands on the CPU; without the word the time that it would take is told."""
    write_params(copy, recipe={"whole_network": True})
    text = suite(copy, "plan", *REGIME, status=2)
    start = (
        "error: pipelines/finetuned/params.yaml: recipe.whole_network = true needs a GPU, and this machine has none; on"
    )
    assert text.startswith(start), text
    told = r"run would take about birds \d+ s, and the 4 runs without their searches \d+ (s|min); allowed: false, on_cpu, or"
    assert re.search(told, text), text
    write_params(copy, recipe={"whole_network": "on_cpu", "epochs": 1})
    suite(copy, "plan", *REGIME)
    assert "the whole network learns, there are no views" in suite(copy, "views", "birds")
    tuned(copy)
    trained(copy)
    records = read_records([copy / FOLDER / "runs/birds-multi_similarity/records.jsonl"])
    assert len(records) == 4
    assert {record.recipe["whole_network"] for record in records} == {"on_cpu"}
    setting = "error: pipelines/finetuned/params.yaml: recipe.whole_network"
    for wrong in ("off", 1, None):
        write_params(copy, recipe={"whole_network": wrong})
        text = suite(copy, "plan", *REGIME, status=2)
        assert text == f"{setting} = {wrong!r}; allowed: True, False or 'on_cpu'\n"


def test_an_unknown_cut_and_stale_views_are_one_line(copy):
    write_params(copy, recipe={"cut": "blocks.7"})
    text = suite(copy, "plan", *REGIME, status=2)
    assert text.startswith(
        "error: pipelines/finetuned/params.yaml: recipe.cut = 'blocks.7' is no block of the backbone"
    )
    write_params(copy, recipe={"crop": 0.9})
    suite(copy, "plan", *REGIME)
    text = suite(copy, "tune", "birds", "multi_similarity", *REGIME, status=2)
    assert text == (
        "error: views finetuned/views/birds are stale: plan.crop changed since they were made; "
        "make them with: suite views birds\n"
    )
    shutil.rmtree(copy / FOLDER / "plan")
    text = suite(copy, "views", "birds", status=2)
    assert text.startswith("error: no plan for the views of 'birds' (finetuned/plan/views/birds.json): name it in")


def test_data_that_were_converted_anew_are_not_read_beside_old_views(copy):
    Image.new("RGB", (40, 48), (9, 9, 9)).save(copy / "photos/bird0/extra.png")
    suite(copy, "data", "user", "birds")
    told = "error: the data of birds have changed since the plan was made; run: suite plan --regime finetuned\n"
    for words in (("views", "birds"), ("tune", "birds", "multi_similarity", *REGIME)):
        assert suite(copy, *words, status=2) == told
    suite(copy, "plan", *REGIME)
    text = suite(copy, "tune", "birds", "multi_similarity", *REGIME, status=2)
    assert text.startswith("error: views finetuned/views/birds are stale: plan.data_sha256 changed since"), text


@pytest.mark.parametrize(
    ("entry", "setting"),
    [
        ({"params": {"epochs": 1}}, "params.epochs = 1"),
        ({"search": {"epochs": {"values": [2, 1]}}}, "search.epochs = 1"),
        ({"search": {"epochs": {"low": 1, "high": 3}}}, "search.epochs = 1"),
    ],
)
def test_a_loss_may_not_end_in_the_warm_up(copy, entry, setting):
    write_params(copy, recipe={"warm_up_epochs": 1})
    path = copy / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"losses": {"multi_similarity": entry}}))
    assert suite(copy, "plan", *REGIME, status=2) == (
        f"error: params.yaml: losses.multi_similarity.{setting}: no block would learn, since recipe.warm_up_epochs of "
        "pipelines/finetuned/params.yaml is 1; allowed: above 1\n"
    )


def test_a_search_by_other_values_set_by_hand_is_not_taken(copy):
    path = copy / "params.yaml"
    trials = []
    for base in (0.4, 0.4, 0.6):
        entry = {"multi_similarity": {"params": {"base": base}}}
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"losses": entry}))
        suite(copy, "plan", *REGIME)
        suite(copy, "search", "birds", "multi_similarity", "--number", "0", *REGIME)
        trials.append((copy / FOLDER / "searches/birds-multi_similarity/tuned-0.yaml").stat().st_mtime_ns)
    first, again, other = trials
    assert first == again < other


def test_changed_code_names_the_command_of_the_regime(copy, monkeypatch):
    monkeypatch.setattr("suite.training.finetuned.stage.finetuned_code_sha256", lambda: "other")
    text = suite(copy, "tune", "birds", "multi_similarity", *REGIME, status=2)
    assert text == (
        "error: the code of training has changed since the plan was made; run: suite plan --regime finetuned\n"
    )


def test_a_data_set_that_is_not_in_the_grid_is_left_out_with_a_note(copy):
    write_params(copy, datasets={"bird": {"flip": True}})
    told = suite(copy, "plan", *REGIME)
    place = "pipelines/finetuned/params.yaml: datasets.bird is left out: it is not under datasets in params.yaml"
    assert f"note: {place}; allowed: birds" in told
