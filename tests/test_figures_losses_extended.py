"""Figures of docs/losses.md on losses of the study ``extended``, frozen features, computed once more from results in git.

As in tests/test_figures.py a sentence is written here with its figures computed, and must stand in the page.
"""

import re

import pandas as pd
import yaml

from tests.helpers.paths import ROOT
from tests.test_figures import DATASETS, lines_of_claims, mean, page, table
from tests.test_figures_losses_frozen import verdicts

CONTROLS = ["pfml_constant_force", "pfml_growing_force"]
WITHOUT_CLAIM = ["circle", "normalized_softmax", "supcon"]
"""And not made for label noise."""
ADDED = sorted(
    [
        *(*WITHOUT_CLAIM, *CONTROLS, "cross_batch_memory", "pfml_two_radii", "recall_at_k"),
        *("smooth_ap", "smooth_proxy_anchor", "super_loss"),
    ]
)
EXTENDED_TABLE = re.compile(r"^\| loss of `extended` \|.*?\n\n", re.DOTALL | re.MULTILINE)


def test_controls_of_pfml():
    lines = [line for _, line in lines_of_claims("control-") if line["verdict"] != "not run"]
    counts = pd.Series([line["verdict"] for line in lines]).value_counts().to_dict()
    assert counts == {"inconclusive": 17, "contradicted": 1}
    (against,) = (line for line in lines if line["verdict"] == "contradicted")
    assert (
        f"Of {len(lines)} results none is supported, {counts['inconclusive']} are inconclusive, and one is against it, on "
        f"{against['dataset']} without noise, where the constant force is {-against['effect']:.2f} points above PFML."
    ) in page("docs/losses.md")


def test_signs_of_the_controls():
    lines = [(name, line) for name, line in lines_of_claims("control-") if line["verdict"] != "not run"]
    clean = [-line["effect"] for name, line in lines if name.endswith("-noise-0")]
    noisy = [line["effect"] for name, line in lines if name.endswith("-noise-40")]
    assert len(clean) == len(noisy) == 6
    assert (
        f"below both controls' on all three data sets (by {min(clean):.2f} to {max(clean):.2f} points), at 40 % above both "
        f"on all three (by {min(noisy):.2f} to {max(noisy):.2f})."
    ) in page("docs/losses.md")
    (against,) = (line for _, line in lines if line["verdict"] == "contradicted")
    assert "inconclusive" in against["flips"].values()


def standing(loss, against):
    """In how many tables a loss is ahead, behind and not told apart."""
    found = verdicts(loss, against)["verdict"]
    return ", ".join(str((found == verdict).sum()) for verdict in ("ahead", "behind", "not told apart"))


def test_losses_of_the_study_extended():
    board = table("leaderboard.csv").query("regime == 'frozen'")
    losses = sorted(set(board.loc[board["extended"], "loss"]))
    assert losses == ADDED
    header, _, *lines = EXTENDED_TABLE.search((ROOT / "docs/losses.md").read_text())[0].strip().splitlines()
    assert header.split(" | ")[1:4] == DATASETS
    for loss, line in zip(losses, lines, strict=True):
        means = [", ".join(f"{mean(loss, dataset, level):.2f}" for level in (0, 0.2, 0.4)) for dataset in DATASETS]
        cells = [f"`{loss}`", *means, standing(loss, "pfml"), standing(loss, "best baseline")]
        assert line == f"| {' | '.join(cells)} |"
    clean = board.query("noise_level == 0 and track == 'tuned' and loss in @losses")
    assert len(clean) == len(losses) * len(DATASETS)
    assert clean["gain_over_frozen"].min() > 0


def test_super_loss():
    told = page("docs/losses.md")
    rows = verdicts("super_loss").set_index(["dataset", "noise_level", "track"])
    (row,) = rows[rows["verdict"] != "not told apart"].itertuples()
    assert (row.Index, row.verdict) == (("emoji", 0.4, "tuned_under_noise"), "ahead")
    assert (
        f"in one of {len(rows)} tables, on emoji at 40 % with values chosen under noise ({row.first:.2f} against "
        f"{row.second:.2f}), by {row.difference:.2f} points ({row.low:.2f} to {row.high:.2f}), and not told apart"
    ) in told
    found = verdicts("super_loss", "pfml")
    ahead = found[found["verdict"] == "ahead"]["dataset"].value_counts().to_dict()
    assert ahead == {"emoji": 5, "furniture": 2}
    assert f"It is ahead of PFML in {sum(ahead.values())}, all five on emoji and two on furniture." in told
    taken = {
        track: [
            yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["best"]["regularization"]
            for path in (ROOT / "recipes" / track).glob("*/super_loss-*.yaml")
        ]
        for track in ("tuned", "tuned_under_noise")
    }
    weak = sum(value >= 0.7 for value in taken["tuned"])
    assert f"On true labels {weak} of {len(taken['tuned'])} searches took a `regularization` of 0.7 to 1" in told
    assert (max(taken["tuned_under_noise"]) < 0.7, len(taken["tuned_under_noise"])) == (True, 15)


def test_recall_at_k():
    told = page("docs/losses.md")
    best, field = (verdicts("recall_at_k", against) for against in ("best baseline", "pfml"))
    assert set(best["track"]) == {"tuned"}
    (row,) = best[best["verdict"] != "not told apart"].itertuples()
    assert (row.dataset, row.noise_level, row.verdict) == ("furniture", 0.4, "ahead")
    assert (
        f"in one of {len(best)} tables, on furniture at 40 %, by {row.difference:.2f} points ({row.low:.2f} to "
        f"{row.high:.2f}), and not told apart from it in the others."
    ) in told
    ahead = field.loc[field["verdict"] == "ahead", ["dataset", "noise_level"]]
    assert set(field["verdict"]) == {"ahead", "not told apart"}
    assert [*ahead.itertuples(index=False, name=None)] == [
        *(("emoji", level) for level in (0, 0.2, 0.4)),
        ("furniture", 0.4),
        ("typefaces", 0.2),
    ]
    assert f"ahead of PFML in {len(ahead)}, the three on emoji, furniture at 40 % and typefaces at 20 %" in told
    board = table("leaderboard.csv").query("dataset == 'typefaces' and noise_level == 0.4 and track == 'tuned'")
    board = board[(board["noise_kind"] == "symmetric") & (board["regime"] == "frozen")].set_index("loss")["recall_at_1"]
    assert board["recall_at_k"] == board["sub_center_arcface"] == board.max()
    assert "On typefaces at 40 % its mean is that of Sub-center ArcFace, to the last hit." in told


def test_smooth_proxy_anchor():
    told = page("docs/losses.md")
    best, field = (verdicts("smooth_proxy_anchor", against) for against in ("best baseline", "pfml"))
    assert (len(best), set(best["verdict"])) == (15, {"behind", "not told apart"})
    behind = best[best["verdict"] == "behind"]
    assert (len(behind), set(behind["dataset"]), behind["noise_level"].min()) == (3, {"emoji"}, 0.2)
    assert (len(field), set(field["verdict"])) == (15, {"ahead", "not told apart"})
    ahead = field[field["verdict"] == "ahead"]
    assert set(zip(ahead["dataset"], ahead["track"], ahead["noise_level"], strict=True)) == {
        *(("emoji", "tuned", level) for level in (0, 0.2, 0.4)),
        ("emoji", "tuned_under_noise", 0.2),
    }
    assert (
        "in none of its 15 tables, and behind it in 3, all on emoji under noise. It is ahead of PFML in 4, the three of "
        "values chosen on true labels on emoji and, with values chosen under noise, emoji at 20 %; in these four and at "
        "40 % there PFML's mean is below that of Proxy-Anchor, too."
    ) in told
    emoji = [("tuned", 0), ("tuned", 0.2), ("tuned", 0.4), ("tuned_under_noise", 0.2), ("tuned_under_noise", 0.4)]
    assert all(
        mean("pfml", "emoji", level, track) < mean("proxy_anchor", "emoji", level, track) for track, level in emoji
    )
    pairs = table("comparisons.csv").query("regime == 'frozen' and noise_kind == 'symmetric'")
    pairs = pairs[pairs[["loss", "other"]].isin(["smooth_proxy_anchor", "proxy_anchor"]).all(axis=1)]
    assert len(pairs) == 15
    assert pairs["p_adjusted"].min() > 0.05
    assert "the board, which tells the two apart in no table." in told
    parts = {}
    for dataset in ("emoji", "typefaces", "furniture"):
        for track in ("tuned", "tuned_under_noise"):
            own, base = (
                [mean(loss, dataset, level, track) for level in (0.2, 0.4)]
                for loss in ("smooth_proxy_anchor", "proxy_anchor")
            )
            assert all((mine > other) == (dataset != "furniture") for mine, other in zip(own, base, strict=True))
            shown = " against ".join(" and ".join(f"{value:.2f}" for value in means) for means in (own, base))
            parts[dataset, track] = shown
    assert (
        "above that of Proxy-Anchor, from which it comes, in eight tables: the four on emoji (at 20 and 40 % "
        f"{parts['emoji', 'tuned']}; with values chosen under noise {parts['emoji', 'tuned_under_noise']}) and the four on "
        f"typefaces ({parts['typefaces', 'tuned']}; {parts['typefaces', 'tuned_under_noise']}). It is "
        f"below it in the four on furniture ({parts['furniture', 'tuned']}; {parts['furniture', 'tuned_under_noise']})."
    ) in told


def test_supcon_circle_and_normalised_softmax():
    told = page("docs/losses.md")

    def tables(loss, against):
        found = verdicts(loss, against)
        assert (len(found), set(found["track"])) == (9, {"tuned"})
        return {
            verdict: [(row.dataset, row.noise_level) for row in found[found["verdict"] == verdict].itertuples()]
            for verdict in ("ahead", "behind")
        }

    emoji = [("emoji", level) for level in (0, 0.2, 0.4)]
    best, field = ({loss: tables(loss, against) for loss in WITHOUT_CLAIM} for against in ("best baseline", "pfml"))
    assert not any(found["ahead"] for found in best.values())
    assert not any(found["behind"] for found in field.values())
    assert {loss: found["behind"] for loss, found in best.items()} == {
        "circle": [*emoji, ("furniture", 0.2), ("typefaces", 0.2), ("typefaces", 0.4)],
        "normalized_softmax": emoji[1:],
        "supcon": emoji,
    }
    assert {loss: found["ahead"] for loss, found in field.items()} == {
        "circle": [("emoji", 0), ("emoji", 0.4)],
        "normalized_softmax": [("emoji", 0), ("furniture", 0), ("furniture", 0.4)],
        "supcon": [("furniture", 0.4)],
    }
    assert (
        "Circle is behind it in 6 (all three on emoji, furniture at 20 %, typefaces at 20 and 40 %), SupCon in 3 (on emoji) "
        "and normalised softmax in 2 (emoji at 20 and 40 %). Normalised softmax is ahead of PFML in 3 (emoji and furniture "
        "without noise, furniture at 40 %), Circle in 2 (emoji without noise and at 40 %) and SupCon in 1 (furniture at 40 "
        "%); none is behind it."
    ) in told
    board = table("leaderboard.csv").query("regime == 'frozen' and track == 'tuned' and noise_kind == 'symmetric'")
    means = board.set_index(["dataset", "noise_level", "loss"])["recall_at_1"]
    first = {dataset: means[dataset, 0].idxmax() for dataset in ("typefaces", "furniture")}
    assert first == {"typefaces": "supcon", "furniture": "normalized_softmax"}
    assert (
        f"Without noise SupCon has the highest mean on typefaces ({means['typefaces', 0, 'supcon']:.2f}) and normalised "
        f"softmax that on furniture ({means['furniture', 0, 'normalized_softmax']:.2f})."
    ) in told
    low = means["emoji", 0.4]
    assert low["circle"] < low["supcon"] < low["frozen backbone"] < low["normalized_softmax"]
    assert low["normalized_softmax"] - low["frozen backbone"] < 1 / 20
    assert (
        f"the frozen backbone's mean ({low['frozen backbone']:.2f}) is above those of SupCon and Circle "
        f"({low['supcon']:.2f} and {low['circle']:.2f}), and below that of normalised softmax by less than a twentieth of "
        f"a point ({low['normalized_softmax']:.2f})."
    ) in told


def test_two_radii():
    told, lines = page("docs/losses.md"), lines_of_claims("two-radii")
    lines = [line for _, line in lines]
    parts = []
    for dataset in DATASETS:
        first, second, third = (
            f"{line['effect']:.2f}{{}} ({line['low']:.2f} to {line['high']:.2f})"
            for line in lines
            if line["dataset"] == dataset
        )
        parts.append(f"on {dataset} by {first}, {second} and {third}".format("", "", " points"))
    shown = [line for line in lines if line["verdict"] != "inconclusive"]
    for found in (shown, [line for line in lines if line["other_metric"]["verdict"] != "inconclusive"]):
        assert [line["dataset"] for line in found] == ["emoji"] * 3
    assert {(line["verdict"], line["other_metric"]["verdict"]) for line in shown} == {("supported", "supported")}
    first, second, third = (f"{line['p']:.3f}"[1:] for line in shown)
    assert (
        f"above PFML's at 0, 20 and 40 %, {parts[0]}, {parts[1]} and {parts[2]}. Of the {len(lines)} results of the claims "
        f"the {len(shown)} on emoji are supported, by R@1 (adjusted p {first}, {second} and {third}) and by MAP@R, and the "
        f"{len(lines) - len(shown)} others inconclusive by both."
    ) in told
    assert "each is inconclusive without any of four of the five seeds" in told
    for line in shown:
        assert set(line["flips"].values()) == {"inconclusive"}
        assert sum(look.startswith("without seed") for look in line["flips"]) == len(line["flips"]) == 4
    gains = [line["effect"] for line in shown]
    assert f"PFML gains {min(gains):.2f} to {max(gains):.2f} points where a search chooses a radius" in page(
        "README.md"
    )
    beside, alone = verdicts("pfml_two_radii"), verdicts("pfml").query("track == 'tuned'")
    assert (len(beside), set(beside["verdict"])) == (9, {"not told apart"})
    assert list(alone.loc[alone["verdict"] == "behind", "dataset"]) == ["emoji"] * 3
    gaps = [
        best["delta_repulsion"] - best["delta"]
        for path in (ROOT / "recipes/tuned").glob("*/pfml_two_radii-*.yaml")
        for best in [yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["best"]]
    ]
    assert len(gaps) == 15
    assert f"took a radius of repulsion {min(gaps):.2f} to {max(gaps):.2f} larger than that of attraction." in told
