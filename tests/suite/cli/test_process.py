"""A quick start and end: modules are loaded when they are used, and nothing that was printed is lost."""

import os
import subprocess
import sys

import pytest

from suite.cli.process import POSTPONED


def run(code, **options):
    """Run code in a process of its own that starts quickly."""
    command = [sys.executable, "-c", f"import sys, suite.cli.process as p\np.start_quickly()\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def output_of(code):
    done = run(code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_losses_of_the_library_do_not_load_what_is_postponed():
    """The library's packages of losses and miners stand on modules that load in a tenth of the time."""
    imports = "import pytorch_metric_learning.losses, pytorch_metric_learning.miners"
    loaded = "[name for name in sys.modules if name.startswith(('scipy.stats.', 'scipy.special.'))]"
    assert output_of(f"{imports}\nprint({loaded})") == "[]"
    plain = subprocess.run(
        [sys.executable, "-c", f"import sys\n{imports}\nprint(len({loaded}))"], capture_output=True, check=True
    )
    assert int(plain.stdout) > 50


@pytest.mark.parametrize("statement", ["import scipy.stats as stats", "from scipy import stats", "import scipy.stats"])
def test_a_postponed_module_is_the_module(statement):
    name = "scipy.stats" if statement == "import scipy.stats" else "stats"
    assert (
        output_of(f"{statement}\nprint(*{name}.rankdata([3.0, 1.0]), {name}.t.ppf(0.975, 4).round(3))")
        == "2.0 1.0 2.776"
    )


def test_names_are_taken_from_a_postponed_module():
    assert output_of("from scipy.special import binom\nprint(binom(4, 2))") == "6.0"


def test_only_these_are_postponed():
    assert POSTPONED == ("scipy.special", "scipy.stats")
    assert output_of("import scipy.spatial\nprint('scipy.spatial._qhull' in sys.modules)") == "True"


@pytest.mark.parametrize(
    ("code", "status", "printed"),
    [("None", 0, ""), ("0", 0, ""), ("2", 2, ""), ("'what is wrong'", 1, "what is wrong\n")],
)
def test_the_end_has_the_status_of_sys_exit_and_writes_out_what_was_printed(code, status, printed):
    done = run(f"print('x' * 100_000)\nsys.stderr.write('')\np.end_quickly({code})\nprint('never')")
    assert (done.returncode, done.stderr) == (status, printed)
    assert done.stdout == "x" * 100_000 + "\n"


def test_no_exit_handler_runs():
    """They are what takes the time."""
    assert run("import atexit\natexit.register(print, 'late')\np.end_quickly(0)").stdout == ""


def test_a_reader_that_went_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "import suite.cli.process as p\nprint('x')\np.end_quickly(0)"]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=buffered)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["magic"], 2), (["tune", "no", "no"], 2)])
def test_the_program_ends_with_the_status_of_its_command(arguments, status, workplace):
    done = subprocess.run(
        [sys.executable, "-c", "from suite.cli.main import program; program()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert "suite" in done.stdout or "error" in done.stderr.lower()


def test_an_unforeseen_error_keeps_its_traceback():
    code = "import suite.cli.main as c\nc.main = lambda: 1 / 0\nc.program()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
