"""Odd inputs: how each is made in a small project, what is typed, and words of the one line that it must end in."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.helpers.synthetic import HEADER, own_loss
from tests.odd_inputs.project import RECIPE, line, settings, write_settings
from tests.suite.data.archives import factory


@dataclass(frozen=True)
class Odd:
    """An odd input.

    Attributes:
        name: what is odd.
        spoil: makes it in the current folder.
        typed: the command.
        words: what the error must say; none where the command must succeed.
    """

    name: str
    spoil: Callable[[], object]
    typed: str
    words: tuple[str, ...] = ()


PLAN = "plan"


def setting(name, value, *words):
    """``params.yaml`` with one setting changed; its name is dotted."""

    def spoil():
        values = settings()
        place = values
        *parts, last = name.split(".")
        for part in parts:
            if place.get(part) is None:
                place[part] = {}
            place = place[part]
        place[last] = value
        write_settings(values)

    return Odd(f"setting {name} = {str(value)[:40]}", spoil, PLAN, words and ("params.yaml", *words))


def text(name, content, *words, file="params.yaml"):
    """A file with other bytes."""

    def spoil():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())

    return Odd(name, spoil, PLAN, words and (file, *words))


SETTINGS = [
    setting("seeds", 0, "seeds = 0", "whole numbers from 1 to 1,000"),
    setting("seeds", 10**25, "seeds = 1000", "whole numbers from 1 to 1,000"),
    setting("seeds", "3", "seeds = '3'", "whole numbers from 1 to 1,000"),
    setting("seeds", True, "seeds = True", "whole numbers"),
    setting("noise.levels", [0, 1.2], "noise.levels.1 = 1.2", "numbers from 0 to below 1"),
    setting("noise.levels", [0, "0.2"], "noise.levels.1 = '0.2'", "numbers"),
    setting("noise.levels", [1e-9], "noise.levels", "1e-09", "numbers from 0.001"),
    setting("noise.levels", [0.1, 0.1], "noise.levels", "each value once"),
    setting("noise.levels", [], "noise.levels", "at least 1 entry"),
    setting("noise.kind", "odd", "noise.kind = 'odd'", "symmetric", "small_cluster"),
    setting("noise", {"kind": "small_cluster", "levels": [0.9]}, "small_cluster noise of 0.9", "classes"),
    setting("recipe.embedding_dim", 10**9, "recipe.embedding_dim = 1000000000", "whole numbers from 1 to 65,536"),
    setting("recipe.epochs", 1.5, "recipe.epochs = 1.5", "whole numbers"),
    setting("recipe.learning_rate", float("inf"), "recipe.learning_rate = inf", "finite numbers"),
    setting("recipe.learning_rate", "fast", "recipe.learning_rate = 'fast'", "numbers"),
    setting("recipe.learning_rat", 1, "recipe.learning_rat is not a setting", "learning_rate"),
    setting("recipe.classes_per_batch", 99, "recipe.classes_per_batch = 99", "allowed: 2 to 6"),
    setting("tuning.folds", 10**6, "tuning.folds", "whole numbers from 2 to 100"),
    setting("tuning.folds", 7, "tuning.folds = 7", "allowed: 2 to 3"),
    setting("tuning.trials", 0, "tuning.trials = 0", "whole numbers from 1 to 10,000"),
    setting("datasets", {"emojis": {}}, "datasets", "unknown data set 'emojis'", "emoji, furniture, typefaces"),
    setting("datasets", {"../x": {}}, "datasets", "letters, digits and _"),
    setting("datasets", {}, "datasets", "at least 1 entry"),
    setting("datasets.emoji", {"max_classes": 3}, "datasets.emoji.max_classes = 3", "whole numbers from 4"),
    setting("datasets.emoji", {"max_classes": 99999}),
    setting(
        "datasets.t", {"path": "nowhere"}, "datasets.t.path = 'nowhere' does not exist", "a folder of class folders"
    ),
    setting("datasets.t", {"path": "plan"}, "datasets.t.path", "lies in plan/, which the suite writes"),
    setting("losses", {"magic": {}}, "losses.magic: unknown loss", "pfml, cpml"),
    setting("losses", {"漢字": {}}, "losses.漢字", "letters, digits and _"),
    setting("losses.mine.target", "gone.py:Own", "losses.mine.target", "gone.py does not exist"),
    setting("losses.mine.target", "my_losses/own.py", "losses.mine.target", "path/file.py:Class"),
    setting("losses.mine.target", "my_losses/own.py:Other", "losses.mine.target", "allowed: Own"),
    setting("losses.mine.target", "/etc/hostname.py:Own", "losses.mine.target", "/etc/hostname.py"),
    setting("losses.mine.target", "os:path", "losses.mine.target", "no nn.Module of that name"),
    setting("losses.mine.params", {"wieght": 1}, "losses.mine.params", "wieght is no hyper-parameter", "weight"),
    setting("losses.pfml.params", {"alpha": -1}, "losses.pfml", "alpha = -1"),
    setting("losses.pfml.params", {"alpha": [1]}, "losses.pfml.params.alpha", "a number, a string"),
    setting("losses.pfml.params", {"proxies_per_class": 10**7}, "losses.pfml", "bytes"),
    setting(
        "losses.mine.search", {"weight": {"low": 2, "high": 1}}, "losses.mine.search.weight", "low must be below high"
    ),
    setting("losses.mine.search", {"weight": {"low": "a", "high": 1}}, "losses.mine.search.weight.low = 'a'", "-1e+15"),
    setting("losses.mine.search", {"weight": {"low": 1, "high": float("inf")}}, "losses.mine.search.weight.high = inf"),
    setting("losses.mine.search", {"weight": {"low": False, "high": 2}, "learning_rate": {"values": [0.1]}}, "low = F"),
    setting(
        "losses.mine.search", {"learning_rate": {"low": -1.0, "high": 1.0}}, "mine.search.learning_rate = -1", "0, up"
    ),
    setting("tuning.space", {"epochs": {"low": 1, "high": 10**9}}, "tuning.space.epochs = 1000000000", "1 to 10,000"),
    setting("losses.pfml.search", {"epochs": {"values": [1, "2"]}}, "losses.pfml.search.epochs = '2'", "whole numbers"),
    setting(
        "losses.mine.search", {"weight": {"values": [1.0, 1.0]}}, "losses.mine.search.weight.values", "each value once"
    ),
    setting(
        "losses.mine.search", {"weight": {"values": [1.0, float("nan")]}}, "losses.mine.search.weight.values", "numbers"
    ),
    setting(
        "losses.mine.search",
        {"weight": {"values": list(range(101))}},
        "losses.mine.search.weight.values",
        "at most 100",
    ),
    setting(
        "losses.mine.search", {"weight": {"low": 1, "high": 2, "log": "yes"}}, "losses.mine.search.weight.log = 'yes'"
    ),
    setting(
        "tuning.space", {"margin": {"values": [1]}, "epochs": {"values": [1]}}, "tuning.space: margin is no hyper-param"
    ),
    setting("tuning.held_out", 3, "held_out = 3", "allowed: 1 to 2"),
    setting("datasets.t", {"path": "."}, "datasets.t.path = '.' holds the project itself"),
    setting("datasets.t", {"path": ""}, "datasets.t.path = '.' holds the project itself"),
    setting("datasets.t", {"path": "/"}, "datasets.t.path = '/' holds the project itself"),
    setting("losses", {"a" * 300: {"target": "my_losses/own.py:Own"}}, "up to 64 letters"),
    setting("recipe.hidden_dim", 65_536),
    setting("recipe", RECIPE | {"hidden_dim": 65_536, "embedding_dim": 65_536}, "a run on emoji takes about", "GB"),
    setting("losses.mine.search", {"weight": {"values": ["heavy", 1.0]}}, "losses.mine.search.weight", "heavy"),
    setting("losses.pfml.search", {"alpha": {"low": -3.0, "high": 1.0}}, "losses.pfml.search.alpha", "-3"),
    setting("ablation", {"furniture": {"alpha": [1]}}),
    setting("geometry.losses", {"triplet": {}}, "geometry.losses.triplet: proxies_per_class is no hyper-parameter"),
    setting("geometry.losses", {"mine": {}}, "geometry.losses.mine", "allowed: weight"),
    setting("tuning.also", {"soft_triple": {"params": {"x": 1}}}, "tuning.also.soft_triple.params: x is no hyper-"),
    setting("tuning.tracks", ["tuned_with_noisy_validation"]),
    setting("crossed", {"values": {"alpha": [0, 1e400]}}, "crossed.values.alpha.1 = inf", "finite numbers"),
    setting("crossed", {"values": {"alpha": [0]}, "folds": 50}),
    setting("splits.losses", ["pfml"], "splits.losses = ['pfml']", "allowed: a mapping"),
    setting("extended.losses", ["pfml"], "extended.losses = ['pfml']", "allowed: a mapping"),
    setting("extended.noise_kinds", ["gaussian"], "extended.noise_kinds", "gaussian", "small_cluster"),
    setting("extended.noise_kinds", "asymmetric", "extended.noise_kinds = 'asymmetric'"),
    setting("extended", {"losses": {"mine": {}}, "noise_kinds": ["small_cluster"]}),
    setting("fresh_seeds.count", 0, "fresh_seeds.count = 0", "whole numbers from 1 to 1,000"),
    setting(
        "backbone", {"name": "no_such_network", "weights": "pretrained"}, "backbone.name = 'no_such_network'", "timm"
    ),
    text("settings that are no YAML", "seeds: [1\nlosses: {", "line 2"),
    text("a setting that stands twice", "seeds: 1\nseeds: 2\n", "seeds stands twice"),
    text("settings that are not UTF-8", "losses: {café: {}}".encode("latin-1"), "not UTF-8 text"),
    text("empty settings", "", "holds no settings"),
    text("settings of 3 megabytes in one line", "x" * 3_000_000, "holds no settings"),
    text("settings nested a thousand times", "[" * 2000, "params.yaml"),
    text("settings with a NUL byte", "seeds: 1\0", "not valid YAML"),
]


def loss(name, body, *words, typed=PLAN):
    """A loss whose forward ends in ``body``."""
    return Odd(f"a loss that {name}", partial(own_loss, body), typed, words and ("losses.mine", *words))


def loss_file(name, content, *words):
    """Another content of the loss's file."""
    return Odd(
        f"a loss file that {name}", partial(_write, "my_losses/own.py", content), PLAN, words and ("own.py", *words)
    )


def constructor(name, statement, *words):
    """A loss whose constructor runs a statement."""

    def spoil():
        own_loss("return value")
        path = Path("my_losses/own.py")
        path.write_text(path.read_text().replace("        self.weight = weight\n", f"        {statement}\n"))

    return Odd(f"a constructor that {name}", spoil, PLAN, words and ("losses.mine", *words))


def _write(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())


FAULT = "import ctypes, faulthandler; faulthandler.disable(); ctypes.string_at(0)"
LATE = "self.late = nn.Parameter(torch.ones(()))\nreturn value * self.late"
LOSSES = [
    loss("gives NaN", "return value * float('nan')", "gave nan; allowed are finite values"),
    loss("gives a vector", "return value.repeat(2)", "shape (2,); allowed is a scalar tensor"),
    loss("gives a float", "return value.item()", "gave float; allowed is a scalar tensor"),
    loss("gives nothing", "return None", "gave NoneType"),
    loss("gives a complex number", "return (value * 1j).sum()", "complex64; allowed are real numbers"),
    loss("has no gradient", "return value.detach()", "does not depend on the embeddings"),
    loss("makes a parameter in forward", LATE, "made a parameter in forward"),
    loss("raises KeyError", "raise KeyError('gamma')", "KeyError: 'gamma' (own.py, line"),
    loss("raises KeyboardInterrupt", "raise KeyboardInterrupt", "KeyboardInterrupt (own.py"),
    loss("raises an exception of its own kind", "raise type('Mine', (BaseException,), {})('x' * 10**6)", "Mine: xxx"),
    loss(
        "raises an exception whose words raise",
        "raise type('Mute', (Exception,), {'__str__': lambda e: 1 / 0})",
        "Mute (own.py",
    ),
    loss("raises an exception of many lines", "raise ValueError('a\\nb\\nc')", "ValueError: a b c"),
    loss("ends the process", "import sys\nsys.exit(0)", "SystemExit"),
    loss("ends the process at once", "import os\nos._exit(0)", "os._exit(0)"),
    loss(
        "prints 1,000 lines and fails",
        "[print('line', n) for n in range(1000)]\n1 / 0",
        "ZeroDivisionError",
        "line 999",
    ),
    loss("changes the folder", "import os\nos.chdir('/')\nreturn value"),
    loss(
        "changes the type of torch",
        "torch.set_default_dtype(torch.float64)\nreturn value",
        "left torch.set_default_dtype(torch.float64) behind",
    ),
    loss(
        "turns gradients off",
        "torch.set_grad_enabled(False)\nreturn value",
        "left torch.set_grad_enabled(False) behind",
    ),
    loss_file(
        "changes the type of torch",
        HEADER + "        return value\n\n\ntorch.set_default_dtype(torch.float64)\n",
        "left",
    ),
    loss(
        "raises what a terminal obeys", "raise ValueError('\\x1b[2J red \\x07')", "ValueError: \\x1b[2J red \\x07 (own"
    ),
    loss(
        "is killed",
        "import os\nos.kill(os.getpid(), 9)",
        "embeddings the loss was killed, with its process, by SIGKILL",
    ),
    loss("has a fault in C", FAULT.replace("; ", "\n"), "embeddings the loss was killed, with its process, by SIGSEGV"),
    loss(
        "leaves in C", "import ctypes\nctypes.CDLL(None)._exit(0)", "the loss was killed, with its process, by an exit"
    ),
    loss(
        "is killed in backward",
        "import os\nvalue.register_hook(lambda _: os.kill(os.getpid(), 9))\nreturn value",
        "in its backward pass, was killed, with its process, by SIGKILL",
    ),
    constructor("has a fault in C", FAULT, "the constructor was killed, with its process, by SIGSEGV"),
    loss_file("has a fault in C", FAULT, "its import was killed, with its process, by SIGSEGV"),
    loss("fails in backward", "value.register_hook(lambda _: 1 / 0)\nreturn value", "backward", "ZeroDivisionError"),
    constructor("raises", "raise KeyError('w')", "the constructor raised KeyError: 'w'"),
    constructor("ends the process at once", "import os; os._exit(0)", "the constructor raised", "os._exit(0)"),
    constructor("changes the folder", "import os; os.chdir('/'); self.weight = weight"),
    constructor("asks for a value", "input()", "the constructor raised"),
    loss_file("raises on import", "1 / 0", "fails on import", "ZeroDivisionError"),
    loss_file("raises BaseException on import", "raise BaseException('no')", "BaseException: no"),
    loss_file("ends the process on import", "import os\nos._exit(0)", "os._exit(0)"),
    loss_file("is no Python", "class Own(", "fails on import", "SyntaxError"),
    loss_file("is not UTF-8", b"x = '\xff'", "fails on import"),
    loss_file("is empty", "", "no nn.Module of that name", "none there"),
    loss_file("has a NUL byte", b"x = 1\0", "fails on import"),
]


def images(name, spoil, *words, entry=None):
    """Images of one's own, from a folder ``photos`` of 6 class folders of 3 images unless ``entry`` says otherwise."""

    def spoiled():
        write_settings(settings() | {"datasets": {"t": {"path": "photos", "side": 32} | (entry or {})}})
        spoil()

    return Odd(f"images: {name}", spoiled, "data user t", words and ("datasets.t", *words))


def photos():
    """A folder of class folders."""
    for label in range(6):
        for number in range(3):
            picture(f"photos/c{label}/{number}.png", 10 * label + number)


def picture(path, seed=0, mode="RGB", **options):
    """An image of random pixels."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)


def turned():
    """One image in all classes, stored lying or on its head in some, as a camera does that says so."""
    ways = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for label, orientation in enumerate((1, 3, 6, 8, 3, 6)):
        path = f"photos/c{label}/9.png"
        picture(path, 99)
        image, exif = Image.open(path), Image.Exif()
        exif[0x0112] = orientation
        (image.transpose(ways[orientation]) if orientation > 1 else image).save(path, exif=exif)


def table(rows, head="path,label", encoding="utf-8"):
    """A table of images; ``{}`` in rows is the folder."""
    files = sorted(Path("photos").rglob("*.png"))
    lines = [head, *(f"{file.as_posix()},{file.parent.name}" for file in files), *rows]
    Path("list.csv").write_bytes(("\n".join(lines) + "\n").encode(encoding))


def _not_finite(loss):
    """Embeddings of a loss with a number that is none."""
    path = Path(f"runs/emoji-{loss}/embeddings-0.safetensors")
    arrays = load_file(path)
    arrays["embeddings"][0, 0] = np.nan
    save_file(arrays, path)


def copied(source, target):
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def moved(source, target):
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(source).rename(target)


def halves():
    for label in range(6):
        moved(f"photos/c{label}", f"photos/{'train' if label % 2 else 'test'}/c{label}")


def linked(*labels):
    for label in labels:
        moved(f"photos/c{label}", f"away/c{label}")
        Path(f"photos/c{label}").symlink_to(Path(f"away/c{label}").resolve())


def gaps(kind):
    """A table of all pictures; every other one has no licence."""
    import pandas as pd

    paths = [str(path) for path in sorted(Path("photos").glob("*/*.png"))]
    table = pd.DataFrame({"path": paths, "label": [Path(path).parent.name for path in paths]})
    licence = pd.Series([1 if number % 2 else None for number in range(len(paths))]).astype(kind)
    table.assign(licence=licence).to_parquet("list.parquet")


TABLE = {"path": "list.csv"}
IMAGES = [
    images("as they should be", lambda: None),
    images("a cut file", lambda: _cut("photos/c0/0.png"), "c0/0.png", "repair or remove"),
    images("an empty file", lambda: _write("photos/c0/0.png", b""), "c0/0.png (is no image)"),
    images("a text called .jpg", lambda: _write("photos/c0/9.jpg", "hello"), "c0/9.jpg (is no image)"),
    images("an SVG called .png", lambda: _write("photos/c0/9.png", "<svg/>"), "c0/9.png (is no image)"),
    images(
        "16 bits of grey", lambda: Image.fromarray(np.full((32, 32), 999, np.uint16)).save("photos/c0/9.png"), "8 bits"
    ),
    images("a pixmap of 10 bits", lambda: _write("photos/c0/9.ppm", b"P6\n8 8\n1023\n" + bytes(384)), "8 bits"),
    images("a palette", lambda: picture("photos/c0/9.png", 90, "P")),
    images("one bit", lambda: picture("photos/c0/9.png", 91, "1")),
    images("CMYK", lambda: picture("photos/c0/9.jpg", 92, "CMYK")),
    images("an ending in capitals", lambda: moved("photos/c0/0.png", "photos/c0/0.PNG")),
    images("a class in kanji with a space", lambda: moved("photos/c0", "photos/漢 字")),
    images(
        "a name that is not UTF-8", lambda: moved("photos/c0/0.png", os.fsdecode(b"photos/c0/\xff.png")), "not UTF-8"
    ),
    images(
        "a class of one image", lambda: [Path(f"photos/c0/{n}.png").unlink() for n in (0, 1)], "c0", "at least 2 images"
    ),
    images("three classes", lambda: [shutil.rmtree(f"photos/c{n}") for n in (0, 1, 2)], "3 classes", "at least 4"),
    images("an empty folder", lambda: shutil.rmtree("photos") or Path("photos").mkdir(), "0 classes", "at least 4"),
    images("halves in place of classes", halves, "test, train", "parts of a data set"),
    images("linked class folders", lambda: linked(0, 3)),
    images("a link to its own folder", lambda: Path("photos/loop").symlink_to(Path("photos").resolve())),
    images("a link that leads nowhere", lambda: Path("photos/c0/9.png").symlink_to("gone.png")),
    images(
        "one image in all classes",
        lambda: [picture(f"photos/c{n}/9.png", 99) for n in range(6)],
        "1 group",
        "= c5/9.png",
    ),
    images("one image in all classes, turned, with its orientation", turned, "1 group", "= c5/9.png"),
    images("a pipe", lambda: os.mkfifo("photos/c0/9.png")),
    images(
        "a table that names a pipe",
        lambda: os.mkfifo("p.png") or table(["p.png,c0"]),
        "p.png (is no file)",
        entry=TABLE,
    ),
    images("a folder called like an image", lambda: Path("photos/c0/9.png").mkdir()),
    images("a file in place of the folder", lambda: _write("file", "x"), "is neither", entry={"path": "file"}),
    images("a table", lambda: table([]), entry=TABLE),
    images("a table with a byte order mark", lambda: table([], encoding="utf-8-sig"), entry=TABLE),
    images("a table with blank lines", lambda: table(["", ""]), entry=TABLE),
    images("a table without the column", lambda: table([], "file,label"), "path_column", "file, label", entry=TABLE),
    images(
        "a table that names a file twice", lambda: table(["photos/c0/0.png,c0"]), "photos/c0/0.png twice", entry=TABLE
    ),
    images("a table with a label missing", lambda: table(["photos/x.png,"]), "row 19 has no label", entry=TABLE),
    images("a table that names no file", lambda: table(["gone.png,c0"]), "gone.png (does not exist)", entry=TABLE),
    images("a table that names a folder", lambda: table(["photos,c0"]), "photos", "unreadable", entry=TABLE),
    images(
        "a table that is not UTF-8", lambda: _write("list.csv", b"path,label\n\xff,a\n"), "is no table", entry=TABLE
    ),
    images(
        "a table with more fields than its header",
        lambda: _write("list.csv", "path,label\nphotos/c0/0.png,c0,\nphotos/c1/0.png,c1,\n"),
        "list.csv: rows have more fields than the header",
        entry=TABLE,
    ),
    *(
        images(
            f"a table with gaps in a licence of type {kind}",
            lambda kind=kind: gaps(kind),
            entry={"path": "list.parquet", "licence_column": "licence"},
        )
        for kind in ("Int64", "category", "object")
    ),
    images("an empty table", lambda: _write("list.csv", ""), "is no table", entry=TABLE),
    images("no parquet", lambda: _write("t.parquet", "x"), "t.parquet is no table", entry={"path": "t.parquet"}),
    images("a file in the way", lambda: _write("user_data/t.parquet", "mine"), "user_data/t.parquet is in the way"),
    images(
        "a table in user_data",
        lambda: _write("user_data/x.csv", "a"),
        "lies in user_data/",
        entry={"path": "user_data/x.csv"},
    ),
    Odd(
        "an embedded file that was altered",
        lambda: _append("data/emoji.parquet"),
        PLAN,
        ("data/emoji.parquet was altered",),
    ),
    Odd(
        "an embedded file that is missing",
        lambda: Path("data/emoji.parquet").unlink(),
        PLAN,
        ("data/emoji.parquet is missing",),
    ),
]


def _cut(path, keep=0.5):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: int(len(content) * keep)])


def _append(path, content=b"x"):
    Path(path).write_bytes(Path(path).read_bytes() + content)


RECORDS_FILE = "runs/emoji-mine/records.jsonl"
READERS = ("leaderboard", "claims", "site")


def records(name, spoil, *words, readers=READERS, file=RECORDS_FILE):
    """Records that every reader must refuse."""
    return [Odd(f"{reader} of records with {name}", spoil, reader, (file, *words)) for reader in readers]


def changed(**values):
    return partial(line, RECORDS_FILE, 0, **values)


def metric(**values):
    """The metrics of the first record with some changed."""
    return lambda: line(
        RECORDS_FILE, 0, metrics=json.loads(Path(RECORDS_FILE).read_text().splitlines()[0])["metrics"] | values
    )


def csv(name, old, new, *words, typed="compare mine pfml", file="results/records.csv"):
    """``results/records.csv`` with a text replaced, read by ``suite compare``."""

    def spoil():
        path = Path(file)
        content = path.read_text()
        assert old in content, old
        path.write_text(content.replace(old, new, 1))

    return Odd(f"{typed}: {name}", spoil, typed, (file, *words))


RECORDS = [
    *records("hits that say otherwise", metric(recall_at_1=0.9), "line 1", "class_hits make"),
    *records("R@1 above R@2", metric(recall_at_2=0.1), "line 1", "recall_at_1", "above recall_at_2"),
    *records(
        "MAP@R above R-precision",
        metric(r_precision=0.1),
        "line 1",
        "map_at_r",
        "above r_precision",
        readers=["claims"],
    ),
    *records("hits above queries", changed(class_hits=[9999] * 4), "line 1", "class_hits"),
    *records("values that change with the seed", changed(hyperparameters={"weight": 2.0}), "hyperparameters"),
    *records("other data for one seed", changed(data_sha256="other"), "data_sha256"),
    *records("a metric that is a text", metric(map_at_r="high"), "map_at_r = 'high'", readers=["claims"]),
    *records(
        "a share above 1", metric(map_at_r=50.0), "map_at_r = 50.0", "numbers from 0 to 1", readers=["leaderboard"]
    ),
    *records("half a line", lambda: _cut(RECORDS_FILE, 0.9), "not valid JSON", "dvc repro"),
    *records("a run twice", lambda: _append(RECORDS_FILE, Path(RECORDS_FILE).read_bytes()), "a run twice"),
    *records("nothing", lambda: Path(RECORDS_FILE).write_text(""), "holds no record", "dvc repro"),
    *records("bytes that are not UTF-8", lambda: Path(RECORDS_FILE).write_bytes(b"\xff\xfe"), "not UTF-8"),
    *records("a list", lambda: Path(RECORDS_FILE).write_text("[]\n"), "line 1 holds list", readers=["claims"]),
    Odd("a board without its records", lambda: Path(RECORDS_FILE).unlink(), "leaderboard", (RECORDS_FILE, "dvc repro")),
    Odd(
        "a board of a frozen backbone that is cut",
        lambda: _cut("frozen/emoji.json"),
        "leaderboard",
        ("frozen/emoji.json",),
    ),
    Odd("times that are cut", lambda: _cut("times/emoji-mine.json"), "times", ("times/emoji-mine.json",)),
    *[
        Odd(
            f"times of {seconds} seconds",
            partial(_write, "times/emoji-mine.json", f'{{"runs": {{"noise 0 seed 0": {seconds}}}}}'),
            "times",
            ("times/emoji-mine.json", "each from 0 to a century"),
        )
        for seconds in ("NaN", "-1", "1e308", "true", '"x"', "null")
    ],
    Odd(
        "claims of runs as a study of splits",
        lambda: copied(RECORDS_FILE, "results/studies/splits/emoji-mine.jsonl"),
        "claims",
        ("results/studies/splits/emoji-mine.jsonl, line 1", "the run is none of studies/splits"),
    ),
    Odd(
        "a board of the runs of another loss",
        lambda: copied("runs/emoji-pfml/records.jsonl", RECORDS_FILE),
        "leaderboard",
        (f"{RECORDS_FILE}, line 1", "records hold a run twice"),
    ),
    Odd(
        "a study that is cut, promoted",
        lambda: (
            copied(RECORDS_FILE, "studies/fresh_seeds/emoji-mine.jsonl")
            or _cut("studies/fresh_seeds/emoji-mine.jsonl", 0.9)
        ),
        "promote",
        ("studies/fresh_seeds/emoji-mine.jsonl", "not valid JSON"),
    ),
    Odd(
        "an empty study, promoted",
        lambda: _write("studies/splits/emoji-mine.jsonl", ""),
        "promote",
        ("studies/splits/emoji-mine.jsonl holds no record",),
    ),
    Odd(
        "a recipe of a search that is cut, promoted",
        lambda: _write("searches/emoji-mine/tuned-0.yaml", "regime: ["),
        "promote",
        ("searches/emoji-mine/tuned-0.yaml", "not valid YAML"),
    ),
    Odd(
        "claims frozen from another folder",
        lambda: None,
        "claims freeze",
        ("claims/frozen.json is not of the current",),
    ),
    Odd("times that are a list", lambda: _write("times/emoji-mine.json", "[]"), "times", ("times/emoji-mine.json",)),
    Odd(
        "a site of half a leaderboard",
        lambda: _cut("results/leaderboard.json"),
        "site",
        ("results/leaderboard.json", "suite leaderboard"),
    ),
    Odd(
        "a site of half the claims",
        lambda: _cut("results/claims.json"),
        "site",
        ("results/claims.json", "suite claims"),
    ),
    Odd(
        "a site of claims that are a list",
        lambda: _write("results/claims.json", "[]"),
        "site",
        ("results/claims.json",),
    ),
    Odd("a site of empty verdicts", lambda: _write("results/verdicts.csv", ""), "site", ("results/verdicts.csv",)),
    Odd(
        "a site of cut curves", lambda: _cut("runs/emoji-pfml/curves.jsonl"), "site", ("runs/emoji-pfml/curves.jsonl",)
    ),
    Odd(
        "a site of curves that are text",
        lambda: line("runs/emoji-pfml/curves.jsonl", 0, loss="x"),
        "site",
        ("runs/emoji-pfml/curves.jsonl, line 1: loss = 'x'", "allowed: numbers"),
    ),
    Odd(
        "a site of embeddings that are not finite",
        lambda: _not_finite("mine"),
        "site",
        ("embeddings-0.safetensors", "finite"),
    ),
    Odd(
        "a site of cut embeddings",
        lambda: _cut("runs/emoji-pfml/embeddings-0.safetensors"),
        "site",
        ("embeddings-0.safetensors",),
    ),
    Odd(
        "compare: half a file", lambda: _cut("results/records.csv", 0.53), "compare mine pfml", ("results/records.csv",)
    ),
    csv("a number that is a text", ",0.2,0,", ",0.2,zero,", "seed", "not a number"),
    csv("a status that there is not", ",ok,", ",fine,", "status = 'fine'", "ok, failed"),
    csv("a column that is gone", "noise_level", "noise", "noise_level"),
    csv("R@1 above R@2", ",ok,,,0.", ",ok,,,0.9", "recall_at_1", "above recall_at_2"),
    csv("other noise for one loss", "emoji-0-0", "emoji-0-9", "noise_sha256"),
    csv("half a file", ",ok,", ",fine,", "status = 'fine'", typed="verify results/records.csv results/records.csv"),
    Odd(
        "verify: a file that is missing", lambda: None, "verify gone.csv", ("gone.csv is missing", "suite leaderboard")
    ),
    Odd(
        "verify: another CSV",
        lambda: _write("x.csv", "a,b\n1,2\n"),
        "verify x.csv",
        ("x.csv lacks", "suite leaderboard"),
    ),
    Odd("verify: no CSV", lambda: _write("x.csv", b"\xff\xfe\0"), "verify x.csv", ("x.csv",)),
    Odd("verify: a folder", lambda: Path("x.csv").mkdir(), "verify x.csv", ("x.csv",)),
]


def archive(name, spoil, *words, folder="there"):
    """An archive of CUB that ``suite data add`` must refuse."""

    def spoiled():
        Path("archives").mkdir()
        factory.write_tar(Path("archives/CUB_200_2011.tgz"), factory.cub_files())
        factory.write_editions(Path("editions.yaml"), [Path("archives/CUB_200_2011.tgz")])
        spoil()

    typed = f"data add cub archives/CUB_200_2011.tgz --editions editions.yaml --no-track --folder {folder}"
    return Odd(f"archive: {name}", spoiled, typed, words)


def encrypted():
    path = factory.write_zip(Path("archives/CUB_200_2011.tgz"), factory.cub_files())
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the flag of encryption in both headers of each member
        at = content.find(mark)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)


def outside(name):
    with zipfile.ZipFile("archives/CUB_200_2011.tgz", "w") as made:
        made.writestr(name, b"x")


ARCHIVES = [
    archive("as it should be", lambda: None),
    archive("that is missing", lambda: Path("archives/CUB_200_2011.tgz").unlink(), "archives/CUB_200_2011.tgz"),
    archive("that is cut", lambda: _cut("archives/CUB_200_2011.tgz"), "archives/CUB_200_2011.tgz", "truncated"),
    archive("that is empty", lambda: _write("archives/CUB_200_2011.tgz", b""), "archives/CUB_200_2011.tgz"),
    archive("that is a web page", lambda: _write("archives/CUB_200_2011.tgz", "<html>"), "archives/CUB_200_2011.tgz"),
    archive("that is encrypted", encrypted, "archives/CUB_200_2011.tgz", "is encrypted", "without a password"),
    archive("with an absolute name", lambda: outside("/etc/x"), "unsafe"),
    archive("with a name that leads out", lambda: outside("../x"), "unsafe"),
    archive("into a file", lambda: _write("there", "mine"), "--folder there is a file", "allowed: a folder"),
    archive("with editions that are cut", lambda: _cut("editions.yaml"), "editions.yaml"),
    archive("with editions that are a list", lambda: _write("editions.yaml", "[1]"), "editions.yaml", "a mapping"),
    archive(
        "with editions of another schema",
        lambda: _write("editions.yaml", "cub: {title: 3}"),
        "editions.yaml",
        "cub.title",
    ),
    archive("with editions that are missing", lambda: Path("editions.yaml").unlink(), "editions.yaml is missing"),
    Odd(
        "archive: of an unknown benchmark",
        lambda: None,
        "data add birds x.tgz --no-track",
        ("'birds'", "cub, cars, sop"),
    ),
    Odd(
        "noise list: without an image cache",
        lambda: _write("CUB_0.2noised.csv", "a/b.jpg,1\n"),
        "data add-noise cub CUB_0.2noised.csv",
        ("benchmarks/cache/cub", "suite data add cub"),
    ),
]


def planned(path, **changes):
    """Change the first plan of a file."""
    values = json.loads(Path(path).read_text())
    values[0]["plan"] |= changes
    Path(path).write_text(json.dumps(values))


PLANS = [
    Odd(
        "a plan that is cut",
        lambda: _cut("plan/tuned/emoji-mine.json"),
        "tune emoji mine",
        ("plan/tuned/emoji-mine.json", "dvc repro"),
    ),
    Odd(
        "a plan that is a list",
        lambda: _write("plan/tuned/emoji-mine.json", "[]"),
        "tune emoji mine",
        ("plan/tuned/emoji-mine.json",),
    ),
    Odd(
        "a plan that is not UTF-8",
        lambda: _write("plan/tuned/emoji-mine.json", b"\xff"),
        "tune emoji mine",
        ("plan/tuned/emoji-mine.json",),
    ),
    Odd(
        "a plan whose seeds are a text",
        lambda: planned("tuned/emoji-mine/plan.json", seeds="3"),
        "train emoji mine",
        ("tuned/emoji-mine/plan.json is damaged: seeds = '3' cannot be", "dvc repro"),
    ),
    Odd(
        "a plan of another loss",
        lambda: planned("tuned/emoji-mine/plan.json", loss="pfml"),
        "train emoji mine",
        ("tuned/emoji-mine/plan.json is damaged: it is of pfml on emoji", "dvc repro"),
    ),
    Odd(
        "a plan without noise levels",
        lambda: planned("tuned/emoji-mine/plan.json", noise_levels=[]),
        "train emoji mine",
        ("tuned/emoji-mine/plan.json is damaged: noise_levels cannot be",),
    ),
    Odd(
        "a plan of a data set that is cut",
        lambda: _cut("plan/datasets/emoji.json"),
        "features emoji",
        ("plan/datasets/emoji.json",),
    ),
    Odd(
        "features that are cut",
        lambda: _cut("features/emoji.safetensors"),
        "train emoji mine",
        ("features/emoji.safetensors", "dvc repro"),
    ),
    Odd(
        "features that are a text",
        lambda: _write("features/emoji.safetensors", "x"),
        "train emoji mine",
        ("features/emoji.safetensors",),
    ),
    Odd("an unknown data set", lambda: None, "train birds mine", ("birds-mine",)),
    Odd("an unknown command", lambda: None, "magic", ("magic", "suite --help")),
    Odd("an argument that is missing", lambda: None, "train emoji", ("Missing argument", "suite train --help")),
    Odd("a level that is no number", lambda: None, "noise emoji much", ("number", "suite noise --help")),
    Odd("a level above 1", lambda: None, "noise emoji 1.5", ("noise.levels: 1.5",)),
    Odd("a seed below 0", lambda: None, "noise emoji 0.2 --seed -1", ("seed", "suite noise --help")),
    Odd("a loss that is compared with itself", lambda: None, "compare pfml pfml", ("pfml", "allowed: mine, triplet")),
    Odd(
        "a margin without end",
        lambda: None,
        "verify results/records.csv --margin inf",
        ("margin", "suite verify --help"),
    ),
    Odd("an unknown metric", lambda: None, "compare pfml mine --metric x", ("metric 'x' is unknown", "recall_at_1")),
    Odd("a report on a loss that was not run", lambda: None, "report ../x", ("loss '../x' is not on", "allowed: mine")),
    Odd("no params.yaml", lambda: Path("params.yaml").unlink(), "plan", ("params.yaml is missing", "project's root")),
    Odd(
        "a folder called params.yaml",
        lambda: Path("params.yaml").unlink() or Path("params.yaml").mkdir(),
        "plan",
        ("params.yaml",),
    ),
    Odd("a new loss of a name that is taken", lambda: _write("mine.py", "x"), "new-loss mine", ("mine.py exists",)),
    Odd("nothing to promote", lambda: shutil.rmtree("runs"), "promote", ("no finished search",)),
]

CASES = [*SETTINGS, *LOSSES, *IMAGES, *RECORDS, *ARCHIVES, *PLANS]
