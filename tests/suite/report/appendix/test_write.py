"""``suite report``: an appendix from the results in git, whole and consistent; the example of the docs; refusals."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.report.appendix.protocol import split_text
from suite.report.appendix.write import _dataset, epochs_text, write_appendix
from suite.settings.finetuned import load_finetuned
from suite.settings.params import load_settings
from suite.settings.paths import FINETUNED_FILE
from tests.helpers.paths import ROOT
from tests.suite.report.site.project import FORMULA, settings, write_data, write_two_regimes

USED = ("params.yaml", "pipelines/finetuned/params.yaml", "docs/figures/influence.csv", "docs/examples/paper")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Of the repository what the command reads: settings, results, recipes, the figure's numbers."""
    folder = tmp_path_factory.mktemp("clone")
    for name in USED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    shutil.copytree(ROOT / "results", folder / "results", ignore=shutil.ignore_patterns("site", "studies"))
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    return folder


@pytest.fixture(scope="module")
def paper(clone):
    """The example of the docs, run as it stands."""
    script = clone / "bin" / "suite"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from suite.cli.main import main; main()" "$@"\n')
    script.chmod(0o755)
    path = os.pathsep.join([str(script.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["docs/examples/paper/make.sh", "multi_similarity", "paper"],
        cwd=clone,
        env=os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "wrote paper/appendix/appendix.tex" in done.stdout
    latex = shutil.which("latexmk") or (shutil.which("pdflatex") and shutil.which("bibtex"))
    assert ("set paper/paper.pdf" in done.stdout) == (clone / "paper/paper.pdf").is_file() == bool(latex)
    assert ("no paper.pdf: there is neither latexmk nor pdflatex" in done.stderr) == (not latex)
    return clone / "paper"


def text_of(paper, name):
    return (paper / "appendix" / name).read_text(encoding="utf-8")


def test_the_example_writes_all_that_its_paper_takes_in(paper):
    tex = (paper / "paper.tex").read_text()
    assert r"\input{\appendixfolder/appendix.tex}" in tex
    loaded = set(re.findall(r"\\usepackage(?:\[.*\])?\{(\w+)\}", tex))
    assert loaded >= {"amsmath", "booktabs", "graphicx", "url"}
    names = {path.name for path in (paper / "appendix").iterdir()}
    assert names == {"appendix.tex", "appendix.md", "references.bib"} | {
        f"{stem}.{end}" for stem in ("noise", "influence") for end in ("pdf", "svg")
    }


def test_citations_labels_and_environments_are_whole(paper):
    tex, bib = text_of(paper, "appendix.tex"), text_of(paper, "references.bib")
    keys = re.findall(r"^@\w+\{(.*),$", bib, re.MULTILINE)
    cited = [key for group in re.findall(r"\\cite\{([^}]*)\}", tex) for key in group.split(",")]
    assert len(keys) == len(set(keys))
    assert set(cited) == set(keys)
    assert keys == list(dict.fromkeys(cited))
    assert set(re.findall(r"@([a-z0-9-]+)[;\]]", text_of(paper, "appendix.md"))) == set(keys)
    labels = re.findall(r"\\label\{([^}]*)\}", tex)
    assert len(labels) == len(set(labels))
    assert set(re.findall(r"\\ref\{([^}]*)\}", tex)) <= set(labels)
    opened = [(kind, name) for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", tex)]
    stack = []
    for kind, name in opened:
        assert kind == "begin" or stack.pop() == name
        stack += [name] if kind == "begin" else []
    assert stack == []
    for rows in re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", tex, re.DOTALL):
        lines = [line for line in rows[1].splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(rows[0])}


def test_each_section_begins_with_a_sentence_and_no_table_stands_above_the_first(paper):
    """A heading with floats alone is empty where LaTeX sets them elsewhere."""
    parts = re.split(r"\\(?:sub)?section\{([^}]*)\}", text_of(paper, "appendix.tex"))[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    assert set(sections) > {"Results", "Hyper-parameters", "Figures", "Digests"}
    first, *others = sections.values()
    assert first.startswith("\n\\suppressfloats[t]")
    assert all(re.match(r"\n\n[A-Z][^\\]", each) for each in others)


def test_sentences_on_differences_name_their_regime_and_track(paper):
    told = re.findall(r"(Regime .*, tuning track .*: multi_similarity in \d+ tables): ", text_of(paper, "appendix.md"))
    learns = ROOT / "results/finetuned/leaderboard.csv"
    datasets = pd.read_csv(learns)["dataset"].nunique() if learns.is_file() else 0
    assert told == [
        "Regime frozen, tuning track tuned: multi_similarity in 9 tables",
        "Regime frozen, tuning track tuned_under_noise: multi_similarity in 6 tables",
        "Regime frozen, tuning track paper_values: multi_similarity in 9 tables",
        *([f"Regime finetuned, tuning track tuned: multi_similarity in {3 * datasets} tables"] if datasets else []),
    ]


def test_the_paper_the_losses_the_data_and_the_libraries_are_cited(paper):
    bib = text_of(paper, "references.bib")
    for key in (
        "bhatnagar2025pfml",
        "wang2019multisimilarity",
        "kim2020proxyanchor",
        "emoji-twemoji",
        "data-typefaces",
    ):
        assert f"{{{key}," in bib
    assert {"paszke2019pytorch", "douze2024faiss", "dvc", "holm1979"} <= set(re.findall(r"\{([a-z0-9-]+),\n", bib))
    assert "castells2020superloss" in bib
    assert "lim2022hist" not in bib  # not on the leaderboard


def test_numbers_are_those_of_the_leaderboard(clone, paper):
    board = pd.DataFrame(json.loads((clone / "results/leaderboard.json").read_text()))
    mine = board[(board["loss"] == "multi_similarity") & (board["track"] == "tuned")]
    tex, text = text_of(paper, "appendix.tex"), text_of(paper, "appendix.md")
    for row in mine.itertuples():
        shown = f"{row.recall_at_1:.2f} ± {(row.recall_at_1_high - row.recall_at_1_low) / 2:.2f}"
        assert shown in text
        assert shown.replace("±", r"$\pm$") in tex
        assert f"{row.gain_over_frozen:+.2f}" in tex


def test_the_protocol_tells_what_was_done(paper):
    text = text_of(paper, "appendix.md")
    for part in (
        "**Regime frozen, tuning track tuned.** An embedding layer learns on frozen features.",
        "embeddings have 128 dimensions; batches hold 30 classes with 4 images each",
        "the best of 20 trials for every loss",
        "trains for 8, 15 or 30 epochs, as the search chose.",
        "(symmetric) at levels 0, 0.2, 0.4",
        "There are 5 seeds",
        "a class is an emoji",
    ):
        assert part in text
    assert re.search(r"\| data of emoji, regime frozen, SHA-256 \| `5246349f", text)
    assert re.search(r"\| learning_rate \| 0.0001 to 0.03, logarithmic \|", text)


def test_epochs_are_those_of_the_track_and_of_each_data_set():
    searched, learns = load_settings(ROOT / "params.yaml"), load_finetuned(ROOT / FINETUNED_FILE)
    both = ["emoji", "furniture"]
    assert epochs_text(searched, both, "tuned_under_noise") == "8, 15 or 30 epochs, as the search chose"
    assert epochs_text(searched, both, "paper_values") == "15 epochs"
    finetuned = learns.within(searched)
    assert epochs_text(finetuned, both, "tuned") == "6 epochs on emoji and 11 epochs on furniture"
    assert epochs_text(finetuned, ["emoji"], "tuned") == "6 epochs"


RANDOM = "lasses have a fixed random order; the first half trains and the second half tests"
PUBLISHED = "the classes of the published split train and test"


@pytest.mark.parametrize(
    ("datasets", "told"),
    [
        (["emoji", "birds"], f"C{RANDOM}"),
        (["cub", "sop"], f"On cub, sop {PUBLISHED}"),
        (["emoji", "cub"], f"On cub {PUBLISHED}; elsewhere c{RANDOM}"),
    ],
)
def test_data_sets_with_a_published_split_keep_it(datasets, told):
    assert split_text(datasets) == told


def test_pfml_gets_what_was_found_and_another_loss_does_not(clone, paper, monkeypatch, tmp_path):
    monkeypatch.chdir(clone)
    write_appendix("pfml", load_settings(), tmp_path)
    assert "CVPR 2025) does not win:" in (tmp_path / "appendix.md").read_text()
    assert "CVPR 2025) does not win:" not in text_of(paper, "appendix.md")


def test_two_regimes_and_names_that_are_markup(workplace):
    write_two_regimes()
    paths = write_appendix(FORMULA, settings(), Path("out"))
    assert {path.name for path in paths} >= {"appendix.tex", "appendix.md", "references.bib", "noise.pdf"}
    text = Path("out/appendix.md").read_text()
    for regime in ("frozen", "finetuned"):
        assert f"emoji, regime {regime}, tuning track tuned: R@1" in text
    assert f"{FORMULA} in 4 tables: against pfml" in text
    assert "Its records were handed in: not rerun." in text
    assert "Hyper-parameters\n" not in text  # it has no search


def test_a_loss_that_is_not_on_the_leaderboard_is_one_line(workplace):
    with pytest.raises(SuiteError, match=r"^results/leaderboard.json is missing; run: dvc repro$"):
        write_appendix("pfml", settings(), Path("out"))
    write_two_regimes()
    with pytest.raises(SuiteError, match=r"^loss 'circle' is not on the leaderboard; allowed: .*pfml.*$"):
        write_appendix("circle", settings(), Path("out"))
    assert not Path("out").exists()


def test_a_data_set_that_is_cut_down_has_the_size_that_was_used(workplace):
    write_data(classes=12, images=4)
    cut = settings().datasets["shapes"].model_copy(update={"max_classes": 6})
    found = _dataset("shapes", {}, settings().model_copy(update={"datasets": {"shapes": cut}}))
    assert (found.classes, found.images) == (6, 24)
