"""``suite train-network`` from the command line: records, failures, resumption, settings as the recipe file has them."""

import json
import threading
from pathlib import Path

import pytest
import yaml

from suite.data.archives.dataset import CachedImages
from suite.data.noise import corrupt
from suite.evaluation.records import read_records
from suite.settings.paper_recipes import load_paper_recipe, paper_recipe_names
from suite.settings.paths import LOCKS_FOLDER, PAPER_RECIPES_FOLDER, RUN_CACHE_FOLDER
from suite.training.cache import clear
from suite.training.whole_network.engine import Machine
from suite.training.whole_network.planner import read_benchmark_plan
from suite.training.whole_network.stage import train_network
from tests.helpers.dask_cluster import wait_for
from tests.helpers.locks import taken_elsewhere
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import json_rows, own_loss, silent
from tests.suite.training.whole_network import tiny

RECORDS = Path("benchmarks/runs/cub-pfml/records.jsonl")


def flat(values, below=""):
    """Leaves by dotted name, written apart from the code under test; hyper-parameters may be empty."""
    found = {}
    for name, value in values.items():
        found |= flat(value, f"{below}{name}.") if isinstance(value, dict) else {below + name: value}
    return found


def as_written(path, dataset):
    """A recipe's settings on a data set as its file has them."""
    recipe = yaml.safe_load(Path(path).read_text())
    return flat(recipe["settings"]) | recipe["datasets"][dataset]


RUNNABLE = [
    (name, dataset)
    for name in paper_recipe_names()
    if name != "proxy_anchor_bn_inception"
    for dataset in load_paper_recipe(name).datasets
]


@pytest.mark.parametrize(("name", "dataset"), RUNNABLE)
def test_the_plan_has_each_value_of_the_published_recipe(command, name, dataset):
    tiny.benchmarks({"row": {"recipe": name}}, dataset=dataset, precision="bfloat16", levels=[0, 0.2], seeds=5)
    assert command("plan", "--benchmarks").status == 0
    plan = json.loads(Path(f"benchmarks/plans/{dataset}-row.json").read_text())
    written = as_written(PAPER_RECIPES_FOLDER / f"{name}.yaml", dataset)
    assert flat(plan["recipe"]) == written
    chosen = {key.removeprefix("loss.hyperparameters."): value for key, value in written.items()}
    assert plan["hyperparameters"] == {name: chosen[name] for name in plan["recipe"]["loss"]["hyperparameters"]}
    expected = {"dataset": dataset, "loss": "row", "seeds": 5, "precision": "bfloat16", "recipe_name": name}
    assert {key: plan[key] for key in expected} == expected
    found = [plan[name] for name in ("regime", "track", "hyperparameter_source", "backbone")]
    assert found == ["published", "paper_values", "paper", "resnet50_512"]


def test_the_file_of_the_pipeline_can_be_planned(command, workplace):
    target = workplace / "pipelines/benchmarks/params.yaml"
    target.parent.mkdir(parents=True)
    target.write_bytes((ROOT / "pipelines/benchmarks/params.yaml").read_bytes())
    assert command("plan", "--benchmarks").status == 0
    rows = yaml.safe_load(target.read_text())["benchmarks"]
    names = {f"{dataset}-{name}.json" for dataset, mine in rows.items() for name in mine}
    assert {path.name for path in Path("benchmarks/plans").iterdir()} == names
    used = {row["recipe"] for mine in rows.values() for row in mine.values()}
    assert used == set(paper_recipe_names()) - {"proxy_anchor_bn_inception"}


def test_a_record_says_what_was_run(cub, trained):
    recipe = tiny.recipe_file(cub / "mine.yaml", evaluation__recall_at=[1, 10])
    tiny.benchmarks({"pfml": {"recipe": "mine.yaml"}}, levels=[0.2], seeds=2)
    printed = trained()
    path = Path("benchmarks/runs/cub-pfml/records.jsonl")
    rows = json_rows(path)
    images = CachedImages("cub", "training")
    for seed, row in enumerate(rows):
        corruption = corrupt(images.labels, "cub", "symmetric", 0.2, seed)
        expected = {
            "regime": "published",
            "track": "paper_values",
            "dataset": "cub",
            "loss": "pfml",
            "noise_level": 0.2,
            "seed": seed,
            "status": "ok",
            "noise_sha256": corruption.sha256,
            "data_sha256": images.data_sha256,
            "target": "pfml:PotentialFieldLoss",
            "hyperparameter_source": "paper",
            "backbone": "tf_efficientnet_lite0_8",
            "recipe_name": "mine.yaml",
            "precision": "float32",
            "validation_epoch": None,
        }
        assert {name: row[name] for name in expected} == expected
        assert flat(row["recipe"]) == as_written(recipe, "cub")
        assert row["class_queries"] == [tiny.EACH] * (tiny.CLASSES - tiny.TRAINING)
        assert (
            {"recall_at_1", "recall_at_8", "recall_at_10", "map_at_r"}
            <= set(row["metrics"])
            == set(row["before_training"])
        )
        assert {"torch", "timm", "torchvision", "lightning-fabric"} <= set(row["versions"])
    assert rows[0]["metrics"] != rows[1]["metrics"]
    assert "1 x cpu, float32" in printed
    assert "noise 0.2 seed 1: R@1" in printed
    # Leaderboard and claims read them.
    assert [record.metrics for record in read_records([path])] == [row["metrics"] for row in rows]
    curves = json_rows(Path("benchmarks/runs/cub-pfml/curves.jsonl"))
    assert [(row["seed"], row["epoch"]) for row in curves] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert list(json.loads(Path("benchmarks/times/cub-pfml.json").read_text())["runs"]) == [
        "noise 0.2 seed 0",
        "noise 0.2 seed 1",
    ]


def test_training_classes_need_not_be_half_of_all(workplace, one_worker, trained):
    tiny.data(workplace, training=2)
    tiny.recipe_file(workplace / "r.yaml", batches__size=4)
    tiny.benchmarks({"pfml": {"recipe": "r.yaml"}})
    trained()
    (row,) = json_rows(RECORDS)
    assert len(row["class_queries"]) == 6


def user_row(body, **changes):
    tiny.recipe_file(Path("r.yaml"), **changes)
    tiny.benchmarks({"pfml": {"recipe": "r.yaml", "target": own_loss(body)}})


def test_a_nan_is_a_failed_record(cub, trained):
    user_row("return value * (float('nan') if self.calls == 5 else 1)")
    assert "failed, the loss became nan in epoch 2" in trained()
    (row,) = json_rows(RECORDS)
    assert (row["status"], row["failure"], row["metrics"]) == ("failed", "the loss became nan in epoch 2", {})
    assert row["before_training"]
    assert len(json_rows(Path("benchmarks/runs/cub-pfml/curves.jsonl"))) == 1
    read_records([RECORDS])


def test_a_collapse_is_a_failed_record(workplace, one_worker, trained):
    """Test images that are all the same lie on one point, whatever the network."""
    pictures = tiny.factory.images(tiny.CLASSES, tiny.EACH)
    same = {key: tiny.factory.photo(1) for key in pictures if key[0] > tiny.TRAINING}
    tiny.data(workplace, pictures=pictures | same)
    user_row("return value")
    assert "failed, the embeddings collapsed to one point" in trained()
    (row,) = json_rows(RECORDS)
    assert (row["status"], row["metrics"]) == ("failed", {})
    assert len(json_rows(Path("benchmarks/runs/cub-pfml/curves.jsonl"))) == 2


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise KeyError('gamma')", "raised KeyError: 'gamma' (own.py, line"),
        ("import sys\nsys.exit(0)", "raised SystemExit: 0"),
        ("import os\nos._exit(0)", "raised SystemExit: os._exit(0)"),
        ("[print('line', n) for n in range(99)]\n1 / 0", "the last line that it printed: line 98"),
    ],
    ids=["raises", "ends the process", "ends the process at once", "prints 99 lines and fails"],
)
def test_whatever_a_loss_does_is_one_line_that_names_it_and_its_run(cub, command, body, told):
    late = "if self.calls == 4:\n" + "".join(f"    {line}\n" for line in body.splitlines()) + "return value"
    user_row(late)
    assert command("plan", "--benchmarks").status == 0
    done = command("train-network", "cub", "pfml", "--accelerator", "cpu", "--readers", "0")
    assert done.status == 2
    assert [line for line in done.err.splitlines() if not line.startswith("line ")][-1].startswith(
        "error: cub pfml (my_losses/own.py:Own) noise 0 seed 0: the run raised "
    )
    assert told in done.err
    assert "cub pfml (my_losses/own.py:Own) noise 0 seed 0 begins\n" in done.out
    assert "noise 0 seed 0: epoch 1 of 2\n" in done.out
    assert not RECORDS.exists()


def test_a_loss_with_its_own_hyperparameters(cub, trained):
    tiny.recipe_file(Path("r.yaml"))
    tiny.benchmarks({"pfml": {"recipe": "r.yaml", "target": own_loss("return value"), "params": {"weight": 0.5}}})
    trained()
    (row,) = json_rows(RECORDS)
    assert row["hyperparameters"] == {"weight": 0.5}
    assert row["recipe"]["loss"] == {"name": "pfml", "hyperparameters": {"weight": 0.5}}


def test_another_command_at_the_same_runs_is_waited_for(cub, command):
    """Two of them would write one checkpoint."""
    tiny.recipe_file(Path("r.yaml"))
    tiny.benchmarks({"pfml": {"recipe": "r.yaml"}})
    assert command("plan", "--benchmarks").status == 0
    console = silent()
    arguments = read_benchmark_plan("cub", "pfml"), Machine("cpu", 0, 1, 0, False), console
    with taken_elsewhere(LOCKS_FOLDER / "cub-pfml.lock") as process:
        training = threading.Thread(target=train_network, args=arguments)
        training.start()
        wait_for(lambda: "cub-pfml: another command is at it; waiting until that ends\n" in console.file.getvalue())
        assert not RUN_CACHE_FOLDER.joinpath("cub-pfml").exists()
        process.stdin.close()
        training.join(120)
    assert [record.status for record in read_records([RECORDS])] == ["ok"]


def test_an_interrupted_stage_goes_on_in_the_middle_of_a_run(cub, trained, command):
    tiny.recipe_file(Path("r.yaml"))
    count = 'import pathlib\nwith pathlib.Path("calls.txt").open("a") as calls:\n    calls.write("x")\n'
    loss = own_loss(count + "return value")
    tiny.benchmarks({"pfml": {"recipe": "r.yaml", "target": loss}}, seeds=2)
    trained()
    whole = RECORDS.read_bytes()
    clear("cub", "pfml")
    assert len(Path("calls.txt").read_text()) == 2 * 2 * 3 + 1  # the plan's probe
    # Killed in the last step of the second run's second epoch.
    kill = 'if len(pathlib.Path("calls.txt").read_text()) == 12:\n    raise KeyboardInterrupt\nreturn value'
    assert own_loss(count + kill) == loss
    Path("calls.txt").unlink()
    assert command("plan", "--benchmarks").status == 0
    Path("calls.txt").unlink()
    assert command("train-network", "cub", "pfml", "--accelerator", "cpu", "--readers", "0").status != 0
    kept = sorted(path.suffix for path in (RUN_CACHE_FOLDER / "cub-pfml").iterdir())
    assert kept == [".json", ".pt"]
    done = command("train-network", "cub", "pfml", "--accelerator", "cpu", "--readers", "0")
    assert done.status == 0
    assert "cub-pfml: 1 of 2 runs are in the run cache" in done.out
    assert len(Path("calls.txt").read_text()) == 12 + 3  # the second epoch of the second run alone

    def results(data):
        return [json.loads(line)["metrics"] for line in data.splitlines()]

    assert results(RECORDS.read_bytes()) == results(whole)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"pfml": {"recipe": "magic"}}, "benchmarks.cub.pfml: no paper recipe 'magic'; allowed: hist_resnet50"),
        ({"pfml": {"recipe": "no.yaml"}}, "benchmarks.cub.pfml: recipe file no.yaml is missing"),
        (
            {"pa": {"recipe": "proxy_anchor_bn_inception"}},
            "backbone.architecture = 'bn_inception': no maintained library",
        ),
        ({"pfml": {"recipe": "pfml_table5", "params": {"speed": 1}}}, "benchmarks.cub.pfml.params: speed is no hyper"),
        ({"pfml": {"recipe": "pfml_table5", "lr": 1}}, "benchmarks.cub.pfml.lr is not a setting; allowed: recipe"),
        (
            {"pfml": {"recipe": "pfml_table5", "params": {"learning_rate": 1}}},
            "params.learning_rate: learning rates belong",
        ),
        (
            {"mine": {"recipe": "triplet_resnet50", "target": "pfml:PotentialFieldLoss"}},
            "benchmarks.cub.mine: loss pfml:PotentialFieldLoss has parameters, such as proxies, and recipe triplet_resnet50",
        ),
        (
            {"mine": {"recipe": "triplet_resnet50", "target": "torch.nn:MSELoss"}},
            "benchmarks.cub.mine.target: on a batch of 12 unit embeddings the loss ",
        ),
        (
            {"pfml": {"recipe": "pfml_table5", "params": {"delta": -1}}},
            "error: pipelines/benchmarks/params.yaml: benchmarks.cub.pfml: delta = -1: allowed are finite",
        ),
    ],
)
def test_rows_that_cannot_be_run_are_refused(command, rows, message):
    tiny.benchmarks(rows)
    done = command("plan", "--benchmarks")
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not Path("benchmarks").exists()


def test_a_recipe_of_another_data_set_is_refused(command):
    tiny.benchmarks({"pfml": {"recipe": "pfml_table5"}}, dataset="sop")
    assert "benchmarks.sop.pfml: recipe 'PFML, supplement Table 5, ResNet-50, 512-d' is not for sop" in (
        command("plan", "--benchmarks").err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cars", "pfml"], "benchmarks has no row for 'cars'; allowed: cub"),
        (["cub", "other"], "benchmarks.cub has no 'other'; allowed: pfml"),
        (
            ["cub", "pfml"],
            "data set cub has no image cache in benchmarks/cache/cub; make it from its archives with",
        ),
        (["cub", "pfml", "--accelerator", "gpu"], "--accelerator gpu: torch finds no GPU on this machine"),
    ],
)
def test_what_is_missing_is_named(command, workplace, one_worker, arguments, message):
    if arguments[-1] == "gpu":
        tiny.data(workplace)
    tiny.recipe_file(Path("r.yaml"))
    tiny.benchmarks({"pfml": {"recipe": "r.yaml"}})
    assert command("plan", "--benchmarks").status == 0
    done = command("train-network", *arguments)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert message in done.err


def test_a_warm_up_as_long_as_the_iterations_is_refused_before_any_run(cub, command):
    """24 training images in batches of 8 are three iterations an epoch."""
    for iterations, status in ((6, 2), (7, 0)):
        changes = {"schedule__unit": "iterations", "schedule__length": iterations, "schedule__warm_up_epochs": 2}
        tiny.recipe_file(Path("r.yaml"), **changes)
        tiny.benchmarks({"pfml": {"recipe": "r.yaml"}})
        assert command("plan", "--benchmarks").status == 0
        done = command("train-network", "cub", "pfml", "--accelerator", "cpu", "--readers", "0")
        assert done.status == status
        assert RECORDS.exists() == (status == 0)
        if status:
            assert done.err == (
                "error: recipe r.yaml: schedule.warm_up_epochs = 2: the network would never learn in 6 iterations, which "
                "are 2 epochs of cub; allowed: 0 to 1\n"
            )


@pytest.mark.parametrize("setting", ["train_resize", "test_resize"])
def test_more_pixels_than_the_cache_keeps_are_refused(cub, command, setting):
    tiny.recipe_file(Path("r.yaml"), **{f"images__{setting}": 257})
    tiny.benchmarks({"pfml": {"recipe": "r.yaml"}})
    assert command("plan", "--benchmarks").status == 0
    done = command("train-network", "cub", "pfml", "--accelerator", "cpu", "--readers", "0")
    assert done.status == 2
    assert done.err == (
        f"error: recipe r.yaml: images.{setting} = 257: benchmarks/cache/cub keeps images of 256 px short side; allowed: "
        "1 to 256, or a cache of larger images, by suite data add cub --short-side 257\n"
    )


def test_out_of_memory_names_the_setting_to_lower(cub, command):
    user_row(
        "if len(embeddings) == 8:\n"
        "    raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB.')\n"
        "return value"
    )
    assert command("plan", "--benchmarks").status == 0
    done = command("train-network", "cub", "pfml", "--accelerator", "cpu", "--readers", "0")
    assert done.status == 2
    assert (
        "out of GPU memory: lower batches.size = 8 in recipe r.yaml, or share it among more GPUs (--devices)"
        in done.err
    )
