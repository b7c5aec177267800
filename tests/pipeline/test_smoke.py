"""The pipeline through real dvc in a clone: leaderboard, nothing done twice, only what depends on a change."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

from tests.helpers.synthetic import json_rows
from tests.pipeline.conftest import BEST, ROOT, SMOKE, clone, forget_studies


def edit_params(project, change):
    path = project.path / "params.yaml"
    params = yaml.safe_load(path.read_text())
    change(params)
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def stages_run(output):
    return set(re.findall(r"Running stage '([^']+)'", output))


def test_ends_in_a_leaderboard_of_real_runs(reproduced):
    with (reproduced.path / "results/leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["dataset"], row["loss"], row["noise_level"]) for row in rows} == {
        ("emoji", loss, level) for loss in ("pfml", "triplet", "frozen backbone") for level in ("0.0", "0.2")
    }
    assert all(0 < float(row["recall_at_1"]) < 100 for row in rows)
    records = (reproduced.path / "runs/emoji-pfml/records.jsonl").read_text().splitlines()
    record = json.loads(records[1])
    assert len(records) == 2
    assert record["noise_level"] == 0.2
    assert record["noise_realised"] == round(0.2 * record_images(reproduced)) / record_images(reproduced)
    assert "pfml" in (reproduced.path / "results/leaderboard.md").read_text()
    assert b"<svg" in (reproduced.path / "results/noise.svg").read_bytes()


def rows_of(project, name):
    return json_rows(project.path / f"runs/{name}/records.jsonl")


def test_a_recipe_in_git_is_taken_and_a_missing_one_is_searched(reproduced):
    tuned = reproduced.path / "tuned"
    assert [path.relative_to(tuned).as_posix() for path in sorted(tuned.rglob("*.*"))] == [
        "emoji-pfml/plan.json",
        "emoji-pfml/tuned-0.yaml",
        "emoji-triplet/plan.json",
    ]
    found, _ = rows_of(reproduced, "emoji-pfml")
    search = yaml.safe_load((tuned / "emoji-pfml/tuned-0.yaml").read_text())
    assert (found["track"], found["hyperparameter_source"], len(search["trials"])) == ("tuned", "search", 2)
    taken, _ = rows_of(reproduced, "emoji-triplet")
    assert (taken["track"], taken["hyperparameter_source"]) == ("tuned", "search")
    for record, best in ((found, search["best"]), (taken, BEST)):
        settings = record["recipe"] | record["hyperparameters"]
        assert {name: settings[name] for name in best} == best
    assert taken["validation_epoch"]["epoch"] == 1


STUDIES = {
    "paper-values@emoji-pfml",
    *(f"ablation@emoji-{axis}" for axis in ("proxies_per_class", "alpha", "delta", "repulsion_margin")),
    "crossed@emoji-alpha",
    "splits@emoji-triplet",
    "fresh-seeds@emoji-triplet",
    "extended@emoji-supcon",
    "geometry@emoji-pfml",
}


def test_a_plain_repro_runs_no_studies_and_searches_what_has_no_recipe(reproduced):
    assert stages_run(reproduced.first) == {
        "plan",
        "features@emoji",
        *(f"{stage}@emoji-{loss}" for stage in ("tune", "train") for loss in ("pfml", "triplet")),
        "leaderboard",
        "claims",
        "ablation-tables",
        "times",
        "influence",
        "site",
    }
    assert not (reproduced.path / "studies").exists()
    kept = [path.relative_to(reproduced.path).as_posix() for path in (reproduced.path / "searches").glob("*/*")]
    assert kept == ["searches/emoji-pfml/tuned-0.yaml"]  # what the stage tune had to search, as it has no recipe


def test_it_ends_with_what_was_found_and_where(reproduced):
    ending = reproduced.first[reproduced.first.index("Running stage 'site'") :]
    assert ending.count("Running stage") == 1  # nothing runs after it
    for told in ("results/leaderboard.md", "results/site/index.html", "suite verify"):
        assert told in ending
    assert ending.count("not run") < 3


def test_runs_that_were_lost_come_back_from_the_cache(reproduced):
    folder = reproduced.path / "runs/emoji-pfml"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    assert stages_run(reproduced.dvc("repro").stdout) == set()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_lock_file_that_dvc_left_cut_short_is_deleted_and_nothing_runs_again(reproduced):
    """As docs/pipeline.md says, word by word."""
    lock = reproduced.path / "dvc.lock"
    before = lock.read_bytes()
    page = (ROOT / "docs/pipeline.md").read_text()
    try:
        for end, told in ((b"", "'./dvc.lock' validation failed"), (b"    de", "'./dvc.lock' is invalid")):
            lock.write_bytes(before[: before.index(end) + len(end)])
            refused = reproduced.dvc("status", "plan", check=False)
            assert refused.returncode != 0
            assert told in refused.stdout + refused.stderr
            assert told in page
        lock.unlink()
        assert stages_run(reproduced.dvc("repro", "train@emoji-triplet").stdout) == set()
    finally:
        lock.write_bytes(before)


def record_images(project):
    """Training images of the cut data set, counted from the noise-free realisation of a corruption."""
    from suite.data.features import load_features

    return len(load_features(project.path / "features/emoji.safetensors").training()[1])


def test_a_second_repro_finds_nothing_to_do(reproduced):
    output = reproduced.dvc("repro").stdout
    assert stages_run(output) == set()
    assert "up to date" in output


def test_metrics_and_plots_show(reproduced):
    shown = json.loads(reproduced.dvc("metrics", "show", "--json").stdout)
    data = shown[""]["data"]["results/metrics.json"]["data"]
    assert set(data["frozen"]["tuned"]["emoji"]) == {"pfml", "triplet", "frozen backbone"}
    reproduced.dvc("plots", "show", "-o", "dvc_plots")
    page = (reproduced.path / "dvc_plots/index.html").read_text()
    figures = list((reproduced.path / "dvc_plots").rglob("*noise.svg"))
    assert len(figures) == 1
    assert figures[0].name in page
    assert figures[0].read_bytes() == (reproduced.path / "results/noise.svg").read_bytes()


def test_one_stage_can_be_named(reproduced):
    output = reproduced.dvc("repro", "-s", "-f", "train@emoji-pfml").stdout
    assert stages_run(output) == {"train@emoji-pfml"}


def test_a_bad_loss_name_stops_before_anything_is_written(reproduced):
    before = (reproduced.path / "results/leaderboard.csv").read_bytes(), sorted((reproduced.path / "plan").rglob("*"))
    edit_params(reproduced, lambda params: params["losses"].update(magic={}))
    try:
        done = reproduced.dvc("repro", check=False)
        assert done.returncode != 0
        assert "losses.magic: unknown loss; allowed: pfml, cpml" in done.stderr + done.stdout
        assert not list((reproduced.path / "runs").glob("*magic*"))
        assert (reproduced.path / "results/leaderboard.csv").read_bytes() == before[0]
    finally:
        edit_params(reproduced, lambda params: params["losses"].pop("magic"))


def test_a_level_and_a_seed_more_run_the_new_runs_only(reproduced):
    """The run cache holds the others; a message, a bar or a plot of the suite makes no plan another."""
    try:
        edit_params(reproduced, lambda params: params["noise"].update(levels=[0, 0.2, 0.4]))
        printed = reproduced.dvc("repro", "leaderboard").stdout
        for loss in ("pfml", "triplet"):
            assert f"emoji-{loss}: 2 of 3 runs are in the run cache" in printed
            assert len(re.findall(rf"^emoji-{loss} noise \S+ seed \d: R@1", printed, re.MULTILINE)) == 1
        edit_params(reproduced, lambda params: params.update(seeds=2))
        printed = reproduced.dvc("repro", "leaderboard").stdout
        assert printed.count("3 of 6 runs are in the run cache") == 2
    finally:
        shutil.copy(SMOKE, reproduced.path / "params.yaml")
    printed = reproduced.dvc("repro", "leaderboard").stdout
    assert "R@1 so far" not in printed
    assert not re.findall(r"noise \S+ seed \d: R@1", printed)


CODE = "\n# edited\n"


def test_an_edit_of_code_that_decides_no_outcome_trains_nothing(reproduced):
    edited = ["suite/progress.py", "suite/errors.py", "suite/training/stage.py", "suite/report/site/write.py"]
    for name in edited:
        file = reproduced.path / name
        file.write_text(file.read_text() + CODE)
    try:
        ran = stages_run(reproduced.dvc("repro", "leaderboard").stdout)
        assert "plan" in ran
        assert not {stage for stage in ran if stage.startswith(("train@", "tune@", "features@"))}
    finally:
        reproduced.run("git", "checkout", "-q", *edited)


def test_an_edit_of_the_sampler_trains_everything(reproduced):
    file = reproduced.path / "suite/training/run/loop.py"
    file.write_text(file.read_text() + CODE)
    try:
        done = reproduced.dvc("repro", "plan")
        status = reproduced.dvc("status").stdout
        assert "plan" in stages_run(done.stdout)
        for stage in ("tune@emoji-pfml", "tune@emoji-triplet"):
            assert stage in status
    finally:
        reproduced.run("git", "checkout", "-q", str(file))
    reproduced.dvc("repro")


KILLS = int(os.environ.get("SUITE_TEST_KILLS", "2"))
"""How often the pipeline is killed; more where asked."""


def test_a_pipeline_killed_in_a_search_in_a_stage_and_at_random_ends_in_the_same_bytes(reproduced, tmp_path):
    """Kill -9 the whole process group, whatever stage is at work; compare with an undisturbed run.

    A pipeline that ends before its next kill is compared, and the kills go on in a new clone.
    """
    projects = [clone(tmp_path / "project0")]
    random, killed = np.random.default_rng(KILLS), 0
    kill_after(projects[0], random.uniform(1.0, 4.0))  # before the search begins
    kill_in_a_search_and_in_a_stage(projects[0])
    while killed < KILLS:
        if kill_after(projects[-1], random.uniform(1.0, 20.0)):
            killed += 1
        else:
            projects.append(clone(tmp_path / f"project{len(projects)}"))
    projects[-1].dvc("repro")
    for project in projects:
        for name in ("tuned/emoji-pfml/plan.json", "runs/emoji-pfml/records.jsonl", "runs/emoji-triplet/records.jsonl"):
            assert (project.path / name).read_bytes() == (reproduced.path / name).read_bytes()
        assert project.results() == reproduced.results()


def kill_after(project, seconds):
    """Whether the pipeline was at work then, and was killed; one that ended by itself has ended well."""
    log = project.path / "killed.txt"
    with log.open("w") as output:
        process = start_repro(project, output)
    time.sleep(seconds)
    if process.poll() is not None:
        assert process.returncode == 0, log.read_text()
        return False
    kill(project, process)
    return True


def kill(project, process):
    """Kill the whole process group, and delete what DVC was writing where that cut it short, as docs/pipeline.md says."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for name, valid in ((".dvc/tmp/rwlock", json.loads), ("dvc.lock", valid_lock)):
        file = project.path / name
        try:
            valid(file.read_text() if file.is_file() else "{}")
        except (json.JSONDecodeError, yaml.YAMLError, Invalid):
            file.unlink()


def valid_lock(text):
    """What DVC asks of its lock file; "{}" stands for none."""
    return text == "{}" or COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text) or {})


def kill_in_a_search_and_in_a_stage(project):
    """Each goes on where it was: the trials and runs that were done are not done again."""
    kill_once(project, lambda: trials_done(project) >= 1)
    assert not list((project.path / "tuned").glob("emoji-pfml/*"))
    printed = kill_once(project, lambda: runs_done(project) >= 1)
    assert "emoji pfml tuned 0: resuming, 1 of 2 trials are done" in printed
    done = runs_done(project)  # on a busy machine the second run may end before the kill, too
    assert done == 2 or not (project.path / "runs/emoji-pfml/records.jsonl").exists()
    printed = project.dvc("repro", "train@emoji-pfml").stdout
    assert f"emoji-pfml: {done} of 2 runs are in the run cache" in printed


def trials_done(project):
    return sum(path.read_text().count('"fold_map_at_r"') for path in (project.path / "run_cache/trials").glob("*.log"))


def runs_done(project):
    return len(list((project.path / "run_cache/emoji-pfml").glob("*.json")))


def start_repro(project, output):
    return subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.path,
        env=project.environment | {"SUITE_WORKERS": "1"},
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def kill_once(project, condition):
    """Repro with one worker, kill the whole process group once a condition holds; gives what it printed."""
    log = project.path / "killed.txt"
    with log.open("w") as output:
        process = start_repro(project, output)
        try:
            wait_for(lambda: condition() or process.poll() is not None)
        finally:
            if process.poll() is None:
                kill(project, process)
    assert condition(), log.read_text()
    return log.read_text()


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("nothing happened in time")


def test_studies_are_asked_for_by_name_and_promoted(reproduced):
    """All studies; what is promoted reaches leaderboard and claims and runs nothing else."""
    reproduced.dvc("repro")  # what other tests changed is back
    before = (reproduced.path / "results/leaderboard.csv").read_bytes()
    try:
        ran = stages_run(reproduced.dvc("repro", "pipelines/studies/dvc.yaml").stdout)
        assert ran == {f"pipelines/studies/dvc.yaml:{name}" for name in STUDIES}
        assert (reproduced.path / "results/leaderboard.csv").read_bytes() == before
        rows = json_rows(reproduced.path / "studies/paper_values/emoji-pfml.jsonl")
        assert [(row["track"], row["hyperparameter_source"], row["noise_level"]) for row in rows] == [
            ("paper_values", "paper", 0.0),
            ("paper_values", "paper", 0.2),
        ]
        assert rows[0]["hyperparameters"] == {"alpha": 3.0, "delta": 0.2, "proxies_per_class": 2}
        assert (rows[0]["recipe"]["learning_rate"], rows[0]["recipe"]["proxy_learning_rate"]) == (5e-4, 5e-2)
        rows = json_rows(reproduced.path / "studies/crossed/emoji-alpha.jsonl")
        assert [(row["ablation"]["value"], row["noise_level"]) for row in rows] == [(0, 0), (0, 0.2), (3, 0), (3, 0.2)]
        rows = json_rows(reproduced.path / "studies/splits/emoji-triplet.jsonl")
        assert [(row["split"], row["noise_level"]) for row in rows] == [(1, 0), (1, 0.2)]
        printed = reproduced.run("suite", "promote").stdout
        assert printed.count("wrote results/studies/") == len(STUDIES)
        # The recipe that the pipeline found is promoted as well: its plan is made anew and comes out the same.
        assert stages_run(reproduced.dvc("repro").stdout) == {
            "plan",
            "tune@emoji-pfml",
            "leaderboard",
            "claims",
            "ablation-tables",
            "site",
        }
        with (reproduced.path / "results/leaderboard.csv").open() as file:
            board = list(csv.DictReader(file))
        published = [(row["loss"], row["noise_level"]) for row in board if row["track"] == "paper_values"]
        assert {("pfml", "0.0"), ("pfml", "0.2")} <= set(published)
        assert [(row["loss"], row["noise_level"]) for row in board if row["extended"] == "True"] == [
            ("supcon", "0.0"),
            ("supcon", "0.2"),
        ]
    finally:
        forget_studies(reproduced.path)
        for folder in ("studies", "searches"):
            shutil.rmtree(reproduced.path / folder, ignore_errors=True)
        for loss in ("pfml", "supcon"):
            (reproduced.path / f"recipes/tuned/emoji/{loss}-0.yaml").unlink(missing_ok=True)


def test_a_search_is_asked_for_by_name_and_promoted(reproduced):
    stage = "pipelines/tuning/dvc.yaml:search@emoji-triplet"
    recipe = reproduced.path / "recipes/tuned/emoji/triplet-0.yaml"
    other = recipe.with_name("pfml-0.yaml")  # that of the search within the pipeline is promoted as well
    before = recipe.read_bytes()
    try:
        assert stage in stages_run(reproduced.dvc("repro", stage).stdout)
        assert recipe.read_bytes() == before
        printed = reproduced.run("suite", "promote").stdout
        assert "wrote recipes/tuned/emoji/triplet-0.yaml" in printed
        assert recipe.read_bytes() == (reproduced.path / "searches/emoji-triplet/tuned-0.yaml").read_bytes()
        status = reproduced.dvc("status", "plan").stdout
        assert "recipes" in status
    finally:
        recipe.write_bytes(before)
        other.unlink(missing_ok=True)
