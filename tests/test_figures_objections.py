"""Figures in docs/dev/objections.md, computed once more from the results in git as those of the other pages are."""

import json
import re
from collections import Counter
from functools import cache
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from tests.helpers.paths import ROOT
from tests.test_figures import DATASETS, GRID, committed, lines_of_claims, page, table

TOLD = page("docs/dev/objections.md")
NUMBERS = ["none", "one", "two", "three", "four", "five", "six"]
DEFINITE = {"supported", "contradicted", "equivalent"}
FOLDERS = {"frozen": "", "finetuned": "finetuned/"}


@cache
def claims(regime):
    return json.loads(committed(f"{FOLDERS[regime]}claims.json"))["claims"]


def results(regime, start=""):
    """Results that count, of claims that can be run, with the claim's name and its smallest effect of interest."""
    return [
        line | {"id": claim["id"], "smallest": claim["smallest_effect"]}
        for claim in claims(regime)
        for line in claim["lines"]
        if claim["regime"] == regime and line["counts"] and claim["id"].startswith(start)
    ]


def of(regime, *verdicts):
    return [line for line in results(regime) if line["verdict"] in verdicts]


def counts(lines):
    return Counter(line["verdict"] for line in lines)


@cache
def runs(file):
    rows = [json.loads(line) for line in committed(file).splitlines()]
    found = pd.DataFrame(rows)[["track", "noise_level", "seed", "search"]]
    return found.assign(
        value=[(row["ablation"] or {}).get("value") for row in rows],
        found=[100 * row["metrics"]["recall_at_1"] for row in rows],
    )


def by_value(study, axis, level=0.0):
    """R@1 by seed and value of an axis, of each data set."""
    files = [runs(f"studies/{study}/{dataset}-{axis}.jsonl").query(f"noise_level == {level}") for dataset in DATASETS]
    return [each.pivot_table(index="seed", columns="value", values="found") for each in files]


def interval(values):
    assert len(values) == 5
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return np.mean(values), low, high


def shown(intervals):
    told = [f"{effect:+.2f} [{low:+.2f}, {high:+.2f}]" for effect, low, high in intervals]
    return "emoji {}, furniture {}, typefaces {}".format(*told)


def what_alpha_protects(level):
    pairs = zip(by_value("crossed", "alpha"), by_value("crossed", "alpha", level), strict=True)
    taken = [clean - noisy for clean, noisy in pairs]
    return [interval(each[4] - each[0]) for each in taken]


def test_what_wrong_labels_take_by_alpha():
    less, more = what_alpha_protects(0.2), what_alpha_protects(0.4)
    assert f"What 40 % wrong labels take at alpha 4 less what they take at alpha 0: {shown(more)}." in TOLD
    assert f"What 20 % take: {shown(less)}." in TOLD
    sure = [low * high > 0 for _, low, high in (*less, *more)]
    assert f"{NUMBERS[sum(sure)].capitalize()} of these {NUMBERS[len(sure)]} intervals leave out 0" in TOLD


@pytest.mark.parametrize(
    ("start", "regime", "inconclusive", "missing", "sentence"),
    [
        ("alpha-protects-noise-", "frozen", 6, 0, "and yet the verdict is inconclusive on all:"),
        ("alpha-protects-noise-", "finetuned", 0, 6, "Where the network learns no such runs are planned"),
        ("alpha-plateau", "frozen", 3, 0, "The claim is judged by the ablation: inconclusive on all,"),
        ("alpha-plateau", "finetuned", 2, 1, "on all, and on furniture and typefaces where the network learns"),
        ("longer-repulsion-hurts", "frozen", 6, 0, "the paper's range apart: inconclusive on all data sets"),
        ("longer-repulsion-hurts", "finetuned", 4, 2, "inconclusive on furniture and typefaces and not run on emoji"),
        ("control-", "finetuned", 0, 18, "On the track of true labels only, and not where the network learns"),
    ],
)
def test_inconclusive_claims(start, regime, inconclusive, missing, sentence):
    found = results(regime, start)
    assert counts(found) == Counter({"inconclusive": inconclusive, "not run": missing})
    assert {line["dataset"] for line in found if line["verdict"] == "not run"} in (set(), {"emoji"}, set(DATASETS))
    assert sentence in TOLD


def test_alpha_without_noise():
    ablation = by_value("ablations", "alpha")
    steps = [interval(each[4] - each[2]) for each in (*by_value("crossed", "alpha"), *ablation)]
    assert (
        "at alpha 4 less that at alpha 2 is {:.2f} on emoji, {:.2f} on furniture and {:.2f} on typefaces; in the ablation, "
        "which keeps bound and rates of another alpha, it is {:.2f}, {:.2f} and {:.2f}. All six intervals hold 0"
    ).format(*(effect for effect, _, _ in steps)) in TOLD
    assert all(low < 0 < high for _, low, high in steps)
    falls = [(each[4] - each[6]).mean() for each in ablation]
    assert "the ablation falls by {:.2f}, {:.2f} and {:.2f} from 4 to 6".format(*falls) in TOLD


def test_a_longer_repulsion():
    found = by_value("ablations", "repulsion_margin")
    near = shown(interval(each[0.2] - each[0]) for each in found)
    far = "emoji {:.2f}, furniture {:.2f}, typefaces {:.2f}".format(*((each[0.8] - each[0.2]).mean() for each in found))
    assert f"R@1 at a margin of 0.2 less that at 0: {near}; at 0.8 less that at 0.2: {far}." in TOLD


@cache
def searches(track, loss):
    files = [path for dataset in DATASETS for path in (ROOT / "recipes" / track / dataset).glob(f"{loss}-?.yaml")]
    assert len(files) == 15
    return [yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in files]


def test_the_delta_of_tuned_models():
    found = [[each["best"]["delta"] for each in searches(track, "pfml")] for track in ("tuned", "finetuned/tuned")]
    assert (
        "the 15 searches of pfml on true labels find a delta of {:.2f} to {:.2f} on frozen features and of {:.2f} to {:.2f} "
        "where the network learns"
    ).format(*(end(each) for each in found for end in (min, max))) in TOLD
    decays = counts(line for _, line in lines_of_claims("influence-decays-"))
    number = NUMBERS[decays["supported"]]
    assert f'said "with their defaults", of {NUMBERS[decays.total()]} results {number} supported;' in TOLD


def test_what_a_search_is():
    found = [each for track in ("tuned", "tuned_under_noise") for loss in GRID for each in searches(track, loss)]
    assert {(len(each["trials"]), each["folds"]) for each in found} == {(20, 4)}
    assert "five searches of 20 trials on four folds" in TOLD
    judged = [line["n"] for line in of("frozen", "inconclusive", *DEFINITE)]
    assert f"n = 5 in all {judged.count(5)} results of claims that were judged on frozen features" in TOLD
    assert set(judged) == {5}
    assert "searches three values where PFML searches seven" in TOLD
    assert [len(searches("tuned", loss)[0]["search_space"]) for loss in ("smooth_ap", "pfml")] == [3, 7]


def test_what_searches_cost():
    tracks = ("tuned_under_noise", "tuned", "finetuned/tuned")
    hours = [sum(each["seconds"] for loss in GRID for each in searches(track, loss)) / 3600 for track in tracks]
    assert (
        "the grid's 105 searches under noise took {:.1f} hours of one process, those on true labels {:.1f}, on other "
        "machines and beside other work; where the network learns 105 searches took {:.1f}."
    ).format(*hours) in TOLD


def scatter(dataset, track, level):
    """Standard deviations of search and seed, by analysis of variance: five searches of five runs."""
    files = [f"runs/{dataset}-pfml/records.jsonl", f"studies/fresh_seeds/{dataset}-pfml.jsonl"]
    rows = pd.concat([runs(file) for file in files])
    groups = rows[(rows["track"] == track) & (rows["noise_level"] == level)].groupby("search")["found"]
    assert list(groups.size()) == [5] * 5
    seed = groups.var().mean()
    return np.sqrt([max(groups.mean().var() - seed / 5, 0), seed])


def test_what_searches_and_seeds_scatter():
    found = {(dataset, level): scatter(dataset, "tuned", level) for dataset in DATASETS for level in (0, 0.2, 0.4)}
    assert {place for place, (search, seed) in found.items() if search < seed} == {("typefaces", 0), ("typefaces", 0.2)}
    assert "more than the seed does on emoji and furniture, less on typefaces without noise and at 0.2;" in TOLD
    noisy = np.transpose([scatter("typefaces", "tuned_under_noise", level) for level in (0.2, 0.4)])
    sentence = "typefaces, by {:.2f} and {:.2f} points at 0.2 and 0.4 against {:.2f} and {:.2f} of the seed"
    assert sentence.format(*noisy.flat) in TOLD


def test_controls_without_decay():
    lines = results("frozen", "control-")
    rest = counts(lines)["inconclusive"]
    (behind,) = [line for line in lines if line["verdict"] == "contradicted"]
    sure = {(line["id"], line["dataset"]) for line in lines if line["low"] > 0}
    assert (
        f"of {len(lines)} results by R@1 {rest} inconclusive, one not found on frozen features (the constant force on "
        f"{behind['dataset']}, without noise; {behind['other_metric']['verdict']} by MAP@R). Of the {rest}, "
        f"{NUMBERS[len(sure)]} have an interval above 0, unadjusted, all beside the growing force at 40 %"
    ) in TOLD
    assert behind["id"] == "control-constant-noise-0"
    assert sure == {(f"control-growing-{kind}", name) for kind in ("noise-40", "protects") for name in DATASETS[1:]}


def test_geometry():
    close, minima = counts(results("frozen", "closer-")), counts(results("frozen", "minima-"))
    rest = counts(line for _, line in lines_of_claims("minima-") if not line["counts"])
    total, failed = (close + minima).total(), close.pop("premise not met") + minima.pop("premise not met")
    assert (
        f'{failed} of {total} results "premise not met". Of the {close.total()} others on how close proxies lie '
        "{contradicted} are not found, {inconclusive} inconclusive. A minimum near the".format_map(close)
    ) in TOLD
    assert (
        f"meet the condition in {minima['supported']} of {minima.total()}; of the {rest.total()} results on the others, "
        "judged beside them, {contradicted} are not found, {inconclusive} inconclusive, {supported} supported."
    ).format_map(rest) in TOLD
    assert "at the deltas that searches find no embedding meets the condition" in TOLD
    assert {line["premise_share"] for line in results("frozen", "minima-") if "held" not in line["part"]} == {0}
    learns = counts([*results("finetuned", "closer-"), *results("finetuned", "minima-")])
    learns.pop("not run")
    assert (
        f'{{premise not met}} of {learns.total()} results "premise not met", {{contradicted}} not found, {{inconclusive}} '
        "inconclusive, {supported} supported ([finetuning.md]"
    ).format_map(learns) in TOLD


def test_what_stands_and_what_was_not_run():
    standing = Counter(claim["standing"] for claim in claims("frozen"))
    stand, changed = standing["as preregistered"], standing["changed since"]
    assert f"Of {standing.total()} claims {stand} stand as preregistered, {changed} changed since." in TOLD
    beyond = sum(bool(claim["out_of_reach"]) for claim in claims("frozen"))
    here, learns = of("frozen", "not run"), of("finetuned", "not run")
    unplanned = sum(not line["planned"] for line in learns)
    assert (
        f"counted apart ({beyond} claims), and so is what was not run ({len(here)} results on frozen "
        f"features; where the network learns {len(learns)}, {unplanned} of them planned by no setting)"
    ) in TOLD


def test_a_radius_of_repulsion_of_its_own():
    found = results("frozen", "two-radii-")
    counted = Counter((line["verdict"], line["dataset"] == "emoji") for line in found)
    assert counted == {("supported", True): 3, ("inconclusive", False): 6}
    assert all(line["flips"] for line in found if line["verdict"] == "supported")
    assert "3 of 9 results are supported, all on emoji, and 6 inconclusive; each of the 3 is fragile" in TOLD
    rows = table("verdicts.csv").query("dataset == 'emoji' and track == 'tuned' and against == 'best baseline'")
    rows = rows[(rows["regime"] == "frozen") & rows["loss"].isin(["pfml", "pfml_two_radii"])]
    assert rows.groupby("loss")["verdict"].agg(list).to_dict() == {
        "pfml": ["behind"] * 3,
        "pfml_two_radii": ["not told apart"] * 3,
    }
    assert "from the best baseline in none of three tables, PFML behind it in three" in TOLD
    assert set(table("verdicts.csv").query("loss == 'pfml_two_radii'")["track"]) == {"tuned"}


def gains(regime, track="tuned"):
    board = table(f"{FOLDERS[regime]}leaderboard.csv").query(f"track == '{track}' and loss != 'frozen backbone'")
    return board.set_index(["noise_level", "dataset", "loss"])["gain_over_frozen"]


def test_gains_over_the_frozen_backbone():
    boards = [gains("frozen"), gains("frozen", "tuned_under_noise"), gains("finetuned")]
    pfml, hard = [board.xs("pfml", level="loss") > 0 for board in boards], [board.xs(0.4) for board in boards]
    above = [f"{each.sum()} of {len(each)}" for each in (pfml[0], pfml[0][0.4], pfml[1][0.4], pfml[2])]
    sentence = "PFML's mean lies above the backbone's in {}, at 40 % in {}, with values chosen under noise in {}."
    assert sentence.format(*above[:3]) in TOLD
    grid = hard[0][hard[0].index.isin(GRID, level="loss")]
    assert (
        "the best of the grid's losses lies above it by {:.2f} points on emoji, {:.2f} on furniture and {:.2f} on "
        "typefaces, the best of all on the board by {:.2f}, {:.2f} and {:.2f}."
    ).format(*grid.groupby("dataset").max(), *hard[0].groupby("dataset").max()) in TOLD
    sentence = "PFML's mean lies above it in {}, and the best at 40 % by {:.2f}, {:.2f} and {:.2f}"
    assert sentence.format(above[3], *hard[2].groupby("dataset").max()) in TOLD


def test_other_looks_and_what_could_have_been_shown():
    here, learns = (of(regime, *DEFINITE) for regime in FOLDERS)
    changed, elsewhere = ([line["flips"] for line in lines if line["flips"]] for lines in (here, learns))
    seeds = sum(all(look.startswith("without seed") for look in flips) for flips in changed)
    assert (
        f"{len(changed)} of the {len(here)} definite ones, where the network learns {len(elsewhere)} of {len(learns)}. On "
        f"frozen features {seeds} of the {len(changed)} change only where a seed is left out"
    ) in TOLD
    assert {verdict for flips in changed for verdict in flips.values()} == {"inconclusive"}
    near = sum(line["p"] >= 0.03 for line in here)
    assert f"Now {near} of the {len(here)} definite verdicts have an adjusted p of 0.03 or more." in TOLD
    both = [of(regime, "inconclusive") for regime in FOLDERS]
    blind = [f"{sum(line['detectable'] > 2 * line['smallest'] for line in lines)} of {len(lines)}" for lines in both]
    assert "It stays: {}, where the network learns {}.".format(*blind) in TOLD


def test_fresh_seeds():
    definite, undecided = (
        [(line["id"], line["fresh_seeds"]["verdict"]) for line in of("frozen", *verdicts) if line["fresh_seeds"]]
        for verdicts in (DEFINITE, ["inconclusive"])
    )
    left_open = sum(later == "inconclusive" for _, later in definite)
    settled = [(name, later) for name, later in undecided if later in DEFINITE]
    sides = Counter(later for _, later in settled)
    assert (
        f"On these {left_open} of {len(definite)} definite verdicts become inconclusive, and {len(settled)} of "
        f"{len(undecided)} inconclusive ones become definite, all {len(settled)} on values chosen under noise: "
        f"{sides['contradicted']} against PFML, {sides['supported']} for it"
    ) in TOLD
    assert all(name.endswith("tuned_under_noise") for name, _ in settled)
    assert "Smooth-AP has neither fresh seeds nor further splits" in TOLD
    assert not any(line["fresh_seeds"] or line["splits"] for line in results("frozen", "smooth_ap-"))


def test_what_two_more_baselines_changed():
    """From the board before they joined the grid to that after it."""
    told, commits = page("docs/protocol.md"), ("7c3ea92", "e48c954")
    keys = ["track", "dataset", "noise_level", "loss", "against"]
    tables = {
        regime: [pd.read_csv(StringIO(committed(f"{folder}verdicts.csv", each))).set_index(keys) for each in commits]
        for regime, folder in FOLDERS.items()
    }
    both = {regime: [each["verdict"] for each in found] for regime, found in tables.items()}
    others = [(len(old), (old != new.reindex(old.index)).sum()) for old, new in both.values()]
    (frozen, moved), (learning, changed) = others
    assert (
        f"of {frozen} verdicts of tables on frozen features {moved} are others, of {learning} where the network" in TOLD
    )
    assert f"learns {changed}. On frozen features PFML" in TOLD
    assert (
        f"{moved} of {frozen} verdicts of tables on frozen features are others and {changed} of {learning} where"
        in told
    )

    def counted(regime, track, loss, verdict):
        rows = [each.loc[track].xs((loss, "best baseline"), level=("loss", "against")) for each in both[regime]]
        return [(each == verdict).sum() for each in rows], len(rows[0])

    (old, new), total = counted("frozen", "tuned", "pfml", "behind")
    assert (old, new, total) == (4, 3, 9)
    (under_old, under_new), under = counted("frozen", "tuned_under_noise", "pfml", "behind")
    for text in (TOLD, told):
        assert f"PFML is behind the best baseline in {new} of {total} comparisons in place of {old}" in text
        assert f"with values chosen under noise in {under_new} of {under} in place of {under_old}" in text
    (old, new), total = counted("finetuned", "tuned", "pfml", "behind")
    assert (old, f"where the network learns in {new} of {total}, as before." in TOLD) == (new, True)
    ahead = [counted("frozen", track, "smooth_ap", "ahead") for track in ("tuned", "tuned_under_noise")]
    old, new = np.sum([each for each, _ in ahead], axis=0)
    assert f"Smooth-AP ahead of it in {new} of {sum(total for _, total in ahead)} in place of {old}" in told
    p = [each["p_adjusted"] for each in tables["frozen"]]
    for words, where in [
        ("adjusted p {} before, {} now", ("tuned", "furniture", 0, "pfml", "best baseline")),
        ("(furniture at 40 %: {}, {})", ("tuned_under_noise", "furniture", 0.4, "pfml", "best baseline")),
    ]:
        assert words.format(*(f"{each[where]:.3f}"[1:] for each in p)) in told
    for folder in FOLDERS.values():
        found = [json.loads(committed(f"{folder}claims.json", each))["claims"] for each in commits]
        lines = [[[line["verdict"] for line in claim["lines"]] for claim in each] for each in found]
        assert lines[0] == lines[1]


def test_other_kinds_of_label_noise():
    tables = committed("leaderboard.md").partition("## Other kinds of label noise")[2]
    tables = tables.partition("tuned_under_noise")[0]
    assert len(re.findall(r"^\| loss \| asymmetric 0.2 \| asymmetric 0.4 \|", tables, re.MULTILINE)) == 3
    first, second = (
        np.array(re.findall(rf"^\| {loss} \| \**([\d.]+) [^|]*\| \**([\d.]+) ", tables, re.MULTILINE), dtype=float)
        for loss in ("multi_similarity", r"smooth_ap \(extended\)")
    )
    higher = NUMBERS[(first > second).sum()]
    assert f"Multi-Similarity has a higher mean than Smooth-AP in all {higher} tables." in TOLD
    kinds = ("asymmetric", "small_cluster", "feature_cluster")
    found = counts(line for line in results("frozen", "robustness-20-") if line["id"].endswith(kinds))
    equal = NUMBERS[found["equivalent"]]
    assert f"of {found.total()} results {found['inconclusive']} inconclusive, {equal} equivalent." in TOLD
