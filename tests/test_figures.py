"""Figures in the pages of docs, computed once more from the results in git: a board that is made anew leaves none behind.

A sentence is written here with its figures computed, and must stand in the page word for word but for line breaks. Results
are read as they were committed: ``dvc repro`` with another loss makes other boards, of which the pages do not speak.
"""

import json
import subprocess
from functools import cache
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from tests.helpers.paths import ROOT

FIVE = {"pfml", "cpml", "proxy_anchor", "triplet", "multi_similarity"}
GRID = FIVE | {"prism", "sub_center_arcface"}
DATASETS = ["emoji", "furniture", "typefaces"]


@cache
def page(name):
    return " ".join((ROOT / name).read_text().split())


@cache
def stored(path, commit="HEAD"):
    if subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, check=False).returncode:
        pytest.skip(f"this clone has no commit {commit}")
    return subprocess.run(["git", "show", f"{commit}:{path}"], cwd=ROOT, capture_output=True, check=True).stdout


def committed(name, commit="HEAD"):
    return stored(f"results/{name}", commit).decode()


@cache
def table(name):
    return pd.read_csv(StringIO(committed(name)))


@cache
def lines_of_claims(start):
    claims = json.loads(committed("claims.json"))["claims"]
    return [(claim["id"], line) for claim in claims if claim["id"].startswith(start) for line in claim["lines"]]


def mean(loss, dataset, level, track="tuned", metric="recall_at_1"):
    board = table("leaderboard.csv")
    chosen = board[
        (board["regime"] == "frozen")
        & (board["track"] == track)
        & (board["dataset"] == dataset)
        & (board["noise_level"] == level)
        & (board["loss"] == loss)
    ]
    assert len(chosen) == 1
    return chosen[metric].iloc[0]


def test_tables_where_some_loss_is_ahead_of_pfml():
    rows = table("verdicts.csv").query(
        "regime == 'frozen' and track == 'tuned' and against == 'pfml' and verdict == 'ahead'"
    )
    every, grid = (
        len(found[["dataset", "noise_level"]].drop_duplicates()) for found in (rows, rows[rows["loss"].isin(GRID)])
    )
    assert every == 8
    assert "README counts 8 tables in place of 7 where some loss is ahead of PFML" in page("docs/protocol.md")
    assert f"the grid's losses alone make it {grid} of 9" in page("docs/protocol.md")


def test_pairs_that_a_board_tells_apart():
    rows = table("comparisons.csv")
    rows = rows[(rows["regime"] == "frozen") & (rows["track"] == "tuned") & (rows["noise_kind"] == "symmetric")]
    sizes = rows.groupby(["dataset", "noise_level"]).size()
    five = rows[rows["loss"].isin(FIVE) & rows["other"].isin(FIVE)]
    told, by_ten = (five["p_adjusted"] <= 0.05).sum(), (five["p"] * 10 <= 0.05).sum()
    (pairs,) = set(sizes)
    assert (
        f"which makes {pairs} pairs in place of 10: of the {len(five)} pairs of the five losses "
        f"{told} are told apart. "
        f"By 10 pairs it would be {by_ten}; five of the ten more are of pfml, which would then not be in the tie group on "
        "emoji at 20 and 40 %."
    ) in page("docs/protocol.md")
    more = five[(five["p_adjusted"] > 0.05) & (five["p"] * 10 <= 0.05)]
    of_pfml = more[(more[["loss", "other"]] == "pfml").any(axis=1)]
    assert (len(more), len(of_pfml)) == (10, 5)
    assert set(of_pfml["loss"]) == {"pfml"}
    assert of_pfml["difference"].max() < 0
    board = table("leaderboard.csv").query("track == 'tuned' and noise_kind == 'symmetric' and loss == 'pfml'")
    ties = board.set_index(["dataset", "noise_level"])["ties_best"]
    assert {where for where in zip(of_pfml["dataset"], of_pfml["noise_level"], strict=True) if ties[where]} == {
        ("emoji", 0.2),
        ("emoji", 0.4),
    }


def test_a_margin_of_repulsion():
    rows = table("ablations.csv")
    rows = rows[(rows["axis"] == "repulsion_margin") & (rows["value"] == 0.2) & (rows["metric"] == "recall_at_1")]
    gain = rows.set_index("dataset")["difference"]
    assert (
        f"a margin of 0.2 has a higher mean on emoji and furniture, by {gain['emoji']:.2f} and {gain['furniture']:.2f} "
        f"points, and a lower one on typefaces, by {-gain['typefaces']:.2f}."
    ) in page("docs/protocol.md")


def test_pfml_at_the_values_of_its_paper():
    both = [[f"{mean('pfml', dataset, 0, track):.2f}" for dataset in DATASETS] for track in ("tuned", "paper_values")]
    told = page("docs/reference/pfml.md")
    assert "for an R@1 of {}, {} and {} where the paper's values give {}, {} and {}".format(*both[0], *both[1]) in told


def test_what_is_gained_where_the_network_learns():
    told = page("docs/finetuning.md")
    gains = table("finetuned/over_frozen.csv")
    gains = gains[gains["metric"] == "recall_at_1"].set_index(["dataset", "loss"])["difference"].dropna()
    for dataset, (least, most), unit in [
        ("emoji", ("prism", "smooth_ap"), " points of R@1"),
        ("furniture", ("prism", "multi_similarity"), ""),
        ("typefaces", ("pfml", "multi_similarity"), ""),
    ]:
        by_loss = gains[dataset]
        assert (by_loss.idxmin(), by_loss.idxmax()) == (least, most)
        assert f"on {dataset} {by_loss.min():.2f} ({least}) to {by_loss.max():.2f}{unit} ({most})" in told


@pytest.mark.parametrize(
    ("dataset", "loss", "sentence"),
    [
        ("emoji", "cpml", "{0:.2f} ({1:.2f} to {2:.2f}) and"),
        ("emoji", "pfml", "and {0:.2f} points ({1:.2f} to {2:.2f})"),
        ("typefaces", "multi_similarity", "by {0:.2f} ({1:.2f} to {2:.2f})"),
        ("typefaces", "cpml", "and {0:.2f} ({1:.2f} to {2:.2f})"),
        ("furniture", "triplet", "triplet on furniture, which loses {3:.2f} points ({4:.2f} to {5:.2f})"),
    ],
)
def test_what_is_gained_under_noise_where_the_network_learns(dataset, loss, sentence):
    def runs(name):
        rows = table(name)
        rows = rows[(rows["track"] == "tuned") & (rows["noise_kind"] == "symmetric") & (rows["noise_level"] == 0.4)]
        return rows[(rows["dataset"] == dataset) & (rows["loss"] == loss)].set_index("seed")["recall_at_1"]

    gain = 100 * (runs("finetuned/records.csv") - runs("records.csv")).dropna()
    low, high = stats.t.interval(0.95, len(gain) - 1, np.mean(gain), stats.sem(gain))
    assert sentence.format(gain.mean(), low, high, -gain.mean(), -high, -low) in page("docs/finetuning.md")


def test_what_readme_says_of_values_and_searches():
    found = {
        (dataset, number): yaml.safe_load(stored(f"recipes/tuned/{dataset}/pfml-{number}.yaml"))
        for dataset in DATASETS
        for number in range(5)
    }
    deltas = [each["best"]["delta"] for each in found.values()]
    lost = [mean("pfml", each, 0) - mean("pfml", each, 0, "paper_values") for each in DATASETS]
    assert (
        f"on frozen features they lose {min(lost):.0f} to {max(lost):.0f} points of R@1 to searched ones, whose `delta` is "
        f"{min(deltas):.2f} to {max(deltas):.2f}:"
    ) in page("README.md")
    proxies = [found["emoji", number] for number in range(5)]
    assert {max(each["search_space"]["proxies_per_class"]["values"]) for each in proxies} == {2}
    assert sum(each["best"]["proxies_per_class"] == 0 for each in proxies) == 3
    without = [
        sum(
            yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["best"]["proxies_per_class"] == 0
            for path in (ROOT / "recipes" / folder / "emoji").glob("pfml-[0-4].yaml")
        )
        for folder in ("tuned", "tuned_under_noise", "finetuned/tuned")
    ]
    assert without == [3, 4, 1]
    assert (
        "On emoji, searches had at most two proxies a class; of PFML's five, three took none on frozen features (four under "
        "noise), and one where the network learns."
    ) in page("README.md")
