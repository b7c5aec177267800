"""``suite data add-noise``: from a published list of labels to one that runs can use, every line checked.

A list has lines ``PATH,LABEL`` without a header, one for each training image. It must name each training image once and
nothing else. Its labels are numbers of its publishers' own: ``suite.data.archives.list_labels`` matches them to classes.

Images are found by folder and file name. Cars is found by class name and number: PRISM's mirror puts the images of
``cars_train`` and ``cars_test`` together; of two with one number in one class, the second is called ``NUMBER_2``. Which of
them that is cannot be told, so the plain name is taken for the one of ``cars_train``. Both are of one class, so counts and
rates do not depend on it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

import numpy as np

from suite.data.archives.cache import Cache, open_cache
from suite.data.archives.list_labels import Matching
from suite.data.noise import Labels
from suite.data.noise_lists import LISTED_KINDS, NoiseList, labels_sha256, list_path
from suite.errors import SuiteError, allowed
from suite.files import read_text, write_text
from suite.hashing import sha256_file
from suite.settings.params import BenchmarkName
from suite.settings.paths import BENCHMARKS_FOLDER
from suite.settings.reading import LEAST_LEVEL

RATE_TOLERANCE = 0.05
"""Of the share of wrong labels around the level: coins of 5,864 images stray by .01, a wrong matching by far more."""
_SECOND = "_2"
_DIGITS = 9
_NAME = re.compile(r"_(0\.\d+)(smallcluster)?noised")
_ARCHIVES_OF_CARS = ("train_images", "test_images")
_RIGHT = "images of the training classes"

Key = tuple[str, str]
"""What an image is found by: its folder, or its class, and its file name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to become of a list.

    Attributes:
        kind: of ``LISTED_KINDS``; None for the one that the file's name says.
        level: None for the one that the file's name says.
        repair: whether labels that name no class leave images their true ones, and of several classes that share a label
            the largest is taken to survive.
        folder: holds the image cache and the lists.
    """

    kind: str | None = None
    level: float | None = None
    repair: bool = False
    folder: Path = BENCHMARKS_FOLDER


def add_noise(dataset: str, file: Path, asked: Asked) -> NoiseList:
    """Check a published list against the images of a data set, and keep it.

    Raises:
        SuiteError: the image cache is missing, the list is malformed or not of these images, or its labels do not fit; one
            line that names the file, what is wrong and what is allowed.
    """
    if dataset not in get_args(BenchmarkName):
        raise SuiteError(
            f"suite data add-noise: unknown benchmark {dataset!r}; allowed: {allowed(get_args(BenchmarkName))}"
        )
    if not file.is_file():
        raise SuiteError(f"suite data add-noise: there is no file {file}")
    kind, level = _kind_and_level(file, asked)
    cache = open_cache(dataset, asked.folder)
    images = _Images(dataset, cache, file)
    numbers = images.numbers(list(_lines(file)))
    matching = Matching(images.labels, numbers, file, by_folders=dataset == "cars")
    given, kept_true, undecided = matching.classes(kind, repair=asked.repair)
    realised = float((given != images.labels).mean())
    if abs(realised - level) > RATE_TOLERANCE or not realised:
        raise SuiteError(
            f"{file}: {realised:.4f} of the labels are wrong, and its level is {level:g}; allowed: above 0 and within "
            f"{RATE_TOLERANCE} of the level, which its name or --level says"
        )
    found = NoiseList.model_validate(
        {
            "dataset": dataset,
            "kind": kind,
            "level": level,
            "source": file.name,
            "source_sha256": sha256_file(file),
            "images_sha256": cache.images_sha256,
            "labels_sha256": labels_sha256(given),
            "realised": realised,
            "kept_true": kept_true,
            "undecided": undecided,
            "swappable": images.swappable(given),
            "labels": given.tolist(),
        }
    )
    write_text(list_path(dataset, kind, level, asked.folder), found.model_dump_json() + "\n")
    return found


def remarks(found: NoiseList) -> list[str]:
    """What the list left open, and how it was decided: a line each."""
    told = (
        (found.kept_true, "have a label that names no class; they keep their true ones"),
        (found.undecided, "are of classes that share one label; the largest of them was taken to survive"),
        (found.swappable, "share class and number with another one; which label is whose cannot be told"),
    )
    return [f"{count:,} images {what}" for count, what in told if count]


def _kind_and_level(file: Path, asked: Asked) -> tuple[str, float]:
    said = _NAME.search(file.name)
    kind, level = asked.kind, asked.level
    if kind is None and said:
        kind = "prism_small_cluster" if said[2] else "prism_symmetric"
    if level is None and said:
        level = float(said[1])
    if kind is None or level is None:
        raise SuiteError(
            f"{file}: its name says neither kind nor level; allowed: names with _0.2noised or _0.25smallclusternoised, or "
            "--kind and --level"
        )
    if kind not in LISTED_KINDS:
        raise SuiteError(f"--kind {kind!r}; allowed: {allowed(LISTED_KINDS)}")
    if not LEAST_LEVEL <= level < 1 or f"{level:g}" != str(level):
        told = f"{file}: its name says level {level}" if asked.level is None else f"--level {level}"
        raise SuiteError(f"{told}; allowed: numbers from {LEAST_LEVEL} to below 1, of at most 6 digits")
    return kind, level


def _lines(file: Path) -> Iterator[tuple[int, PurePosixPath, int]]:
    """Number, path and label of each line."""
    empty = True
    text = read_text(file, "allowed: lines PATH,LABEL").removeprefix("\ufeff")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        path, comma, label = line.strip().rpartition(",")
        if not comma or not path or not label.isdecimal() or len(label) > _DIGITS:
            raise SuiteError(
                f"{file}, line {number} is {line[:80]!r}; allowed: PATH,LABEL, the label a whole number of up to {_DIGITS} "
                "digits"
            )
        empty = False
        yield number, PurePosixPath(path), int(label)
    if empty:
        raise SuiteError(f"{file} holds no line; allowed: a line PATH,LABEL for each training image")


class _Images:
    """The images of a cache, by what a list calls them."""

    def __init__(self, dataset: str, cache: Cache, file: Path) -> None:
        self._dataset, self._file, self._of_cars = dataset, file, dataset == "cars"
        archives = cache.table["archive"].to_pylist()
        if self._of_cars and not set(archives) <= set(_ARCHIVES_OF_CARS):
            raise SuiteError(
                f"{file}: images of the cache {cache.folder} have the names of car_ims.tgz, those of lists are of the other "
                "form; allowed: a cache made of cars_train.tgz, cars_test.tgz, car_devkit.tgz and "
                "cars_test_annos_withlabels.mat; the list that it gives fits both"
            )
        if self._of_cars and cache.meta["unusable"]:
            raise SuiteError(
                f"{file}: the cache {cache.folder} leaves out images, and which of two that share class and number a list "
                "names could then be mistaken; allowed: a cache of all images"
            )
        training = cache.column("training")
        self._rows: dict[Key, list[int]] = {}
        names = zip(cache.table["name"].to_pylist(), cache.table["class_name"].to_pylist(), strict=True)
        for row, (name, class_name) in enumerate(names):
            key = (_squeezed(class_name), PurePosixPath(name).stem) if self._of_cars else _last_two(PurePosixPath(name))
            self._rows.setdefault(key, []).append(row)
        if self._of_cars:
            for rows in self._rows.values():
                rows.sort(key=lambda row: _ARCHIVES_OF_CARS.index(archives[row]))
        self._names = cache.table["name"].to_pylist()
        self._left_out = {_last_two(PurePosixPath(each["name"])) for each in cache.meta["unusable"]}
        self._training = training
        self._place = np.cumsum(training) - 1
        self.labels: Labels = cache.column("label")[training].astype(np.int64)

    def numbers(self, lines: Sequence[tuple[int, PurePosixPath, int]]) -> Labels:
        """The list's label of each training image (N,).

        Raises:
            SuiteError: a line names no image, a test image, or one that another line names; or a training image is missing.
        """
        found = [(number, path, self._row(path), label) for number, path, label in lines]
        without = {number: _last_two(path) for number, path, row, _ in found if row is None}
        unknown = [
            (number, str(path))
            for number, path, *_ in found
            if number in without and without[number] not in self._left_out
        ]
        self._refuse(unknown, f"no image of {self._dataset}", _RIGHT)
        known = [(number, path, row, label) for number, path, row, label in found if row is not None]
        test = [(number, str(path)) for number, path, row, _ in known if not self._training[row]]
        self._refuse(test, "images of test classes", _RIGHT)
        first: dict[int | Key, int] = {}
        for number, path, row, _ in found:
            image = without[number] if row is None else row
            if first.setdefault(image, number) != number:
                raise SuiteError(
                    f"{self._file}: lines {first[image]} and {number} both name {path}; allowed: each training image once"
                )
        missing = [self._names[row] for row in np.flatnonzero(self._training) if row not in first]
        if missing:
            raise SuiteError(
                f"{self._file}: {len(missing):,} of {len(self.labels):,} training images are missing, first {missing[0]}; "
                "allowed: lists of all of them (those called cleaned leave out wrong labels)"
            )
        numbers = np.empty(len(self.labels), np.int64)
        for _, _, row, label in known:
            numbers[self._place[row]] = label
        return numbers

    def _row(self, path: PurePosixPath) -> int | None:
        if not self._of_cars:
            return next(iter(self._rows.get(_last_two(path), [])), None)
        folder = _squeezed(path.parent.name)
        rows = self._rows.get((folder, path.stem))
        if rows:
            return rows[0]
        rows = self._rows.get((folder, path.stem.removesuffix(_SECOND)), [])
        return rows[1] if len(rows) > 1 else None

    def _refuse(self, wrong: Sequence[tuple[int, str]], what: str, right: str) -> None:
        if wrong:
            number, path = wrong[0]
            raise SuiteError(
                f"{self._file}: lines that name {what}: {len(wrong):,}, first line {number}, {path}; allowed: {right}"
            )

    def swappable(self, given: Labels) -> int:
        """Images that share class and number with another one and have another label (N,) than that."""
        pairs = [rows for rows in self._rows.values() if len(rows) > 1 and self._training[rows[0]]]
        return 2 * sum(len({int(given[self._place[row]]) for row in rows}) > 1 for rows in pairs)


def _last_two(path: PurePosixPath) -> Key:
    return path.parent.name, path.name


def _squeezed(name: str) -> str:
    """A class name without what mirrors replace, such as the "/" of ``Ram C/V Cargo Van Minivan 2012``."""
    return "".join(filter(str.isalnum, name)).casefold()
