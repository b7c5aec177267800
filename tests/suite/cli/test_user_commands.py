"""suite check, losses, datasets and new-loss, as typed."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from suite.losses.build import GIVEN, OFFERED
from suite.losses.checks import run
from suite.losses.registry import BUILT_IN
from tests.helpers.paths import ROOT
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
    assert out.startswith("my_loss.py:MyLoss, embeddings of 16 dimensions\n")
    assert "pass  search space: the loss can be built and asked at the ends of temperature, " in out
    assert out.endswith(f"{len(run.CHECKS) + 1} passed, 0 failed, 0 notes\n")


def test_rates_and_values_of_what_is_wrapped_that_no_search_varies_are_noted(command, first_checks):
    target = own_loss("return value")
    path = Path(target.partition(":")[0])
    text = path.read_text()
    path.write_text(
        text.replace(
            "    def forward", '    search_space = {"weight": {"low": 0.5, "high": 1.0}}\n\n    def forward', 1
        )
    )
    told = "note  what is searched: search_space lacks learning_rate, which stay as they are"
    assert told in command("check", target)[1]
    assert told not in command("check", target, "--params", "{learning_rate: 0.01}")[1]


def test_a_file_without_its_class_is_told(command):
    told = "error: suite check: target = 'my_loss.py' names no class; allowed: my_loss.py:CLASS\n"
    assert command("check", "my_loss.py") == (2, "", told)


def test_what_is_printed_for_a_new_loss_is_what_the_page_says(command, monkeypatch):
    """Its file, the command that tests it, its entry, and what it may ask for."""
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not (Path(place) / "my_loss.py").exists()])
    page = (ROOT / "docs/adding-a-loss.md").read_text(encoding="utf-8")
    _, out, _ = command("new-loss", "my_loss")
    file, test = re.search(r"wrote (\S+); test it with: (.*)", out).groups()
    assert f"writes `{file}`" in page
    assert f"\n{test}\n" in page
    (first, *_) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    printed = yaml.safe_load(out[out.index("losses:") :])["losses"]
    assert printed["my_loss"]["target"] == yaml.safe_load(first)["losses"]["my_loss"]["target"]
    names = re.search(r"by these names (.*) if it asks", out)[1].split(", ")
    assert set(names) == OFFERED
    written = Path("my_loss.py").read_text()
    for name in names:
        assert f"`{name}`" in page
        assert name in written
    for name in GIVEN:
        assert f"`{name}`" in page


def test_the_page_tells_of_failures_notes_and_options():
    page = (ROOT / "docs/adding-a-loss.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| (fail|note) \|$", page, re.MULTILINE)
    assert {check.otherwise for check in run.CHECKS} == set(rows)
    for option in ("--params", "--miner", "--wraps"):
        assert option in page


def test_a_loss_that_fails_says_what_it_means_and_exits_with_1(command, first_checks):
    status, out, _ = command("check", own_loss("return value * float('nan')"))
    assert status == 1
    assert "fail  finite value and gradient: on a typical batch it gives nan\n      in training: the run stops" in out
    assert out.endswith("1 passed, 1 failed, 1 note\n")


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


ODD = """
import os, sys
import torch
from torch import nn
{imports}

class Odd(nn.Module):
    def __init__(self, num_classes, embedding_dim{arguments}):
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(num_classes, embedding_dim))
        {constructor}

    def forward(self, embeddings, labels):
        {forward}
        return nn.functional.cross_entropy(embeddings @ self.proxies.T, labels)
"""
STOPS = [
    ({"imports": "raise KeyError('no')"}, "odd.py fails on import: KeyError: 'no' (odd.py, line 5)"),
    ({"imports": "import nothing_of_that_name"}, "odd.py fails on import: ModuleNotFoundError: No module named"),
    ({"imports": "sys.exit(0)"}, "odd.py fails on import: SystemExit: 0 (odd.py, line 5)"),
    ({"imports": "class Own(BaseException): ...\nraise Own('x' * 9999)"}, "the loss raised Own: xxxxxx"),
    ({"imports": "os.chdir('/')"}, "the loss changed the working folder to /; allowed is to leave it"),
    ({"constructor": "raise Exception('a\\nb')"}, "the constructor raised Exception: a b (odd.py, line 11)"),
    ({"constructor": "exit(0)"}, "the constructor raised SystemExit: 0"),
    ({"constructor": "raise ValueError('m = 0: allowed are numbers > 0')"}, "m = 0: allowed are numbers > 0"),
    (
        {"arguments": ", margin"},
        "Odd needs margin, which has no default; give it: params: {margin: ...} (suite check: --params '{margin: ...}')",
    ),
]
FAILS = [
    ({"forward": "raise RuntimeError('no')"}, "on a typical batch it raised RuntimeError: no (odd.py, line 14)"),
    ({"forward": "sys.exit(0)"}, "on a typical batch it raised SystemExit: 0 (odd.py, line 14)"),
    ({"forward": "return embeddings.sum() * 1j"}, "it gives a tensor of shape () and type torch.complex64"),
    (
        {
            "forward": "embeddings = Fails.apply(embeddings)",
            "imports": """
class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1
    @staticmethod
    def backward(ctx, g):
        raise OSError('disk')""",
        },
        "in backward() on a typical batch it raised OSError: disk (odd.py, line 12)",
    ),
]


def write_odd(parts):
    blank = {"imports": "", "arguments": "", "constructor": "pass", "forward": "pass"}
    Path("odd.py").write_text(ODD.format(**blank | parts))


@pytest.mark.parametrize(("parts", "message"), STOPS)
def test_a_loss_that_cannot_be_built_is_one_line_that_names_it(command, parts, message):
    write_odd(parts)
    here = Path.cwd()
    status, out, err = command("check", "odd.py:Odd")
    assert (status, out) == (2, "")
    assert err.startswith("error: suite check")
    assert "odd.py:Odd" in err
    assert message in err
    assert "params.yaml: losses" not in err
    assert err.count("\n") == 1
    assert len(err) < 600
    assert Path.cwd() == here


FAULT = "import ctypes, faulthandler; faulthandler.disable(); ctypes.string_at(0)"


@pytest.mark.parametrize(
    ("parts", "check"),
    [
        ({"imports": FAULT}, "import and constructor"),
        ({"constructor": FAULT}, "import and constructor"),
        ({"constructor": "import os; os.kill(os.getpid(), 9)"}, "import and constructor"),
        ({"forward": f"len(labels) == 2 and exec({FAULT!r})"}, "batch of two"),
    ],
)
def test_a_loss_that_kills_its_process_fails_the_check_at_work(command, parts, check):
    write_odd(parts)
    status, out, err = command("check", "odd.py:Odd")
    assert (status, err) == (1, "")
    *_, fail, meaning, counts = out.splitlines()
    assert fail.startswith(f"fail  {check}: ")
    assert "was killed, with its process, by SIG" in fail
    assert meaning.strip() == f"in training: {run.RAISED}"
    assert "1 failed" in counts


@pytest.mark.parametrize(("parts", "message"), FAILS)
def test_a_loss_that_raises_later_fails_with_its_own_line(command, first_checks, parts, message):
    write_odd(parts)
    status, out, err = command("check", "odd.py:Odd")
    assert (status, err) == (1, "")
    assert message in out
    assert "Traceback" not in out


def test_options_of_check(command, first_checks):
    write_odd({"arguments": ", margin", "constructor": "assert margin == 0.5"})
    status, out, _ = command("check", "odd.py:Odd", "--params", "{margin: 0.5}")
    assert status == 0
    assert out.startswith("odd.py:Odd, margin 0.5, embeddings of 16 dimensions\n")
    library = "pytorch_metric_learning."
    arguments = ["--miner", f"{library}miners:MultiSimilarityMiner", "--params", "{miner_epsilon: 0.3}"]
    status, out, _ = command("check", f"{library}losses:TripletMarginLoss", *arguments)
    assert status == 0
    assert "TripletMarginLoss + pytorch_metric_learning.miners:MultiSimilarityMiner, miner_epsilon 0.3" in out
    memory = f"{library}losses:CrossBatchMemory"
    arguments = [
        "--wraps",
        f"{library}losses:ContrastiveLoss",
        "--params",
        "{memory_size: 200, wrapped_neg_margin: 0.4}",
    ]
    status, out, _ = command("check", memory, *arguments)
    assert status == 0
    assert out.startswith(f"{memory} wraps {library}losses:ContrastiveLoss, memory_size 200, wrapped_neg_margin 0.4, ")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ('{"margn": {"values": [1]}}', "search_space: margn is no hyper-parameter of loss Odd; allowed: margin, "),
        ('{"margin": {"low": 1, "high": 0}}', "search_space.margin"),
        ('{"margin": {"low": 0.0, "high": 2.0}}', "search_space.margin = 0.0: suite check odd.py:Odd: margin = 0.0"),
    ],
)
def test_a_bad_search_space_fails(command, first_checks, space, message):
    constructor = "if not margin > 0: raise ValueError(f'margin = {margin}')"
    write_odd({"arguments": ", margin=1.0", "constructor": constructor})
    file = Path("odd.py")
    file.write_text(file.read_text().replace("    def __init__", f"    search_space = {space}\n\n    def __init__", 1))
    status, out, _ = command("check", "odd.py:Odd")
    assert status == 1
    assert f"fail  search space: {message}" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["pfml", "--params", "[1]"],
            "suite check pfml --params '[1]': allowed is a mapping, e.g. --params '{margin: 0.2}'",
        ),
        (["pfml", "--params", "{a: "], "suite check pfml --params '{a: ': allowed is a mapping"),
        (
            ["pfml", "--params", "{margin: 1}"],
            "suite check pfml --params: margin is no hyper-parameter of loss pfml; allowed: ",
        ),
        (["pfml", "--params", "{delta: -1}"], "suite check pfml: delta = -1: allowed are finite numbers > 0"),
        (["pfml", "--miner", "x:Y"], "suite check: --miner = 'x:Y': cannot import x"),
        (["pfml", "--wraps", "x:Y"], "suite check: --wraps = 'x:Y': cannot import x"),
        (
            ["pfml", "--wraps", "baselines.triplet:TripletLoss"],
            "error: suite check: --wraps = 'baselines.triplet:TripletLoss': PotentialFieldLoss wraps no loss; allowed: l",
        ),
        (
            [
                "baselines.cross_batch_memory:CrossBatchMemoryLoss",
                "--wraps",
                "pytorch_metric_learning.losses:CrossBatchMemory",
            ],
            ": CrossBatchMemory wraps a loss itself; allowed: losses that wrap none",
        ),
        (
            ["torch.nn:Linear"],
            "suite check: target = 'torch.nn:Linear': Linear takes no batch, its forward is (self, input: torch.Te",
        ),
        (
            ["baselines.super_loss:SuperLoss", "--miner", "pytorch_metric_learning.distances:CosineSimilarity"],
            "suite check: --miner = 'pytorch_metric_learning.distances:CosineSimilarity': SuperLoss takes no pairs from a m",
        ),
        (
            ["baselines.cross_batch_memory:CrossBatchMemoryLoss", "--wraps", "torch.nn:Linear"],
            "suite check: --wraps = 'torch.nn:Linear': Linear takes no batch, its forward is (self, input: torch.Te",
        ),
        (
            ["triplet", "--miner", "torch.nn:ReLU"],
            "suite check: --miner = 'torch.nn:ReLU': ReLU takes no batch, its forward is (self, input: torch.Te",
        ),
        (
            ["pytorch_metric_learning.losses:CrossBatchMemory"],
            ": CrossBatchMemory wraps another loss; name it: wraps: {target: module:Class} (suite check: --wraps module:Cl",
        ),
        (
            ["pytorch_metric_learning.losses:CrossBatchMemory", "--wraps", "pytorch_metric_learning.losses:FastAPLoss"],
            "the constructor raised Exception: CrossBatchMemory not supported for FastAPLoss (cross_batch_memory.py, line ",
        ),
    ],
)
def test_options_that_do_not_fit(command, arguments, message):
    status, out, err = command("check", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


WORDS = ("none", "no", "true")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken", "taken.py exists; remove it first, or choose another name"),
        ("pfml", "pfml is a built-in loss; allowed: any other name"),
        ("random", "random is a Python module, which a file of that name would hide; allowed: any other name"),
        *(
            (name, f"{name} means something else in Python or YAML; allowed: any other name")
            for name in ("none", "no", "true")
        ),
        ("../x", "allowed are up to 64 letters, digits and _, a letter first"),
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
