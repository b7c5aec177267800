"""suite check, losses, datasets and new-loss, as typed."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from suite.losses.checks import run
from suite.losses.registry import BUILT_IN
from tests.helpers.synthetic import RECIPE, own_loss


@pytest.fixture
def first_checks(monkeypatch):
    """The quick half of the checks."""
    monkeypatch.setattr(run, "CHECKS", run.CHECKS[:4])
    monkeypatch.setattr(run, "INFORMATION", {})


def write_params(**changes):
    settings = {
        "datasets": {"emoji": {}},
        "losses": {"pfml": {}},
        "noise": {"levels": [0]},
        "seeds": 1,
        "recipe": RECIPE.model_dump(),
    }
    Path("params.yaml").write_text(yaml.safe_dump(settings | {"tuning": {"trials": 1, "folds": 2}} | changes))


def test_the_written_loss_passes_all_checks_and_its_entry_is_valid(command):
    status, out, _ = command("new-loss", "my_loss")
    assert status == 0
    write_params(**yaml.safe_load(out[out.index("losses:") :]))
    status, out, _ = command("check", "my_loss")
    assert status == 0, out
    assert out.startswith("my_loss.py:MyLoss\n")
    assert out.endswith(f"{len(run.CHECKS)} passed, 0 failed, 0 notes\n")


def test_a_loss_that_fails_says_what_it_means_and_exits_with_1(command, first_checks):
    status, out, _ = command("check", own_loss("return value * float('nan')"))
    assert status == 1
    assert "fail  finite value and gradient: on a typical batch it gives nan\n      in training: the run stops" in out
    assert out.endswith("2 passed, 2 failed, 0 notes\n")


def test_hyperparameters_of_params_yaml_are_those_that_are_checked(command, first_checks):
    write_params(losses={"mine": {"target": own_loss("return value"), "params": {"weight": 0}}})
    status, out, _ = command("check", "mine")
    assert status == 1
    assert "fail  gradient on the embeddings: the gradient on the embeddings is zero on all ordinary batches" in out


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("magic", "error: params.yaml: losses.magic: unknown loss; allowed: pfml, "),
        ("gone.py:Loss", "error: suite check: target = 'gone.py:Loss': file gone.py does not exist"),
        ("pfml:magic", "error: suite check: target = 'pfml:magic': no nn.Module of that name; allowed: "),
    ],
)
def test_what_cannot_be_checked(command, target, message):
    status, out, err = command("check", target)
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken", "taken.py exists; remove it first, or choose another name"),
        ("pfml", "pfml is a built-in loss; allowed: any other name"),
        ("random", "random is a Python module, which a file of that name would hide; allowed: any other name"),
        ("../x", "allowed are letters, digits and _, a letter first"),
    ],
)
def test_names_that_a_new_loss_cannot_have(command, name, message):
    Path("taken.py").write_text("mine")
    assert command("new-loss", name) == (2, "", f"error: suite new-loss {name}: {message}\n")
    assert Path("taken.py").read_text() == "mine"
    assert sorted(path.name for path in Path().iterdir()) == ["taken.py"]


def test_losses_as_json_say_everything(command):
    write_params(
        losses={"mine": {"target": own_loss("return value"), "search": {"weight": {"values": [1, 2]}}}, "pfml": {}}
    )
    status, out, _ = command("losses", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert status == 0
    assert list(rows) == [*BUILT_IN, "mine"]
    assert rows["pfml"]["hyper-parameters"]["delta"] == 0.2
    assert rows["pfml"]["search space"]["alpha"] == {"low": 0.5, "high": 6.0, "log": False}
    assert rows["mine"]["hyper-parameters"] == {"weight": 1.0}
    assert rows["mine"]["search space"] == {"weight": {"values": [1, 2]}}
    assert [name for name, row in rows.items() if row["in params.yaml"]] == ["pfml", "mine"]


def test_losses_as_text_leave_nothing_out(command):
    _, out, _ = command("losses")
    assert "  formula: mean over semi-hard triplets of max(0, |a - p|^2 - |a - n|^2 + margin)\n" in out
    assert "  hyper-parameters: margin 0.2, squared yes\n" in out
    assert "alpha (low 2.0, high 64.0, log yes)" in out


def test_data_sets_with_and_without_their_files(command, data_folder):
    rows = {row["name"]: row for row in json.loads(command("datasets", "--json")[1])}
    assert rows["emoji"]["images"] is None
    Path("data").mkdir()
    shutil.copy(data_folder / "emoji.parquet", "data")
    rows = {row["name"]: row for row in json.loads(command("datasets", "--json")[1])}
    emoji = rows["emoji"]
    assert (emoji["training classes"], emoji["test classes"], emoji["images"]) == (780, 781, 11127)
    assert sum(emoji["licences"].values()) == 11127
    write_params(datasets={"birds": {"path": "photos"}})
    assert "birds\n  in params.yaml: yes\n  about: a user's images, from photos\n" in command("datasets")[1]


def test_a_terminal_gets_a_table(command, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "150")
    out = command("losses")[1]
    assert "everything: suite losses --json" in out
    assert "proxy_anchor" in out
