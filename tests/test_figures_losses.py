"""Figures of docs/losses.md on the regime where the network learns, computed once more from the results in git.

As in tests/test_figures.py a sentence is written here with its figures computed, and must stand in the page.
"""

import json

import pandas as pd
import yaml
from scipy import stats

from tests.helpers.paths import ROOT
from tests.test_figures import DATASETS, committed, page, table
from tests.test_figures_finetuning import CLAIMED, LEVELS, claims, ends, gaps, holm, p_of, recall, short


def test_smooth_ap():
    told, runs, ran = page("docs/losses.md"), recall().mean(axis=1), ["emoji", "furniture"]
    assert {dataset for _, dataset in recall().xs("smooth_ap", level="loss").index} == {*ran}
    assert {runs[level, dataset].idxmax() for level in (0.2, 0.4) for dataset in ran} == {"smooth_ap"}
    means = [runs[level, dataset, "smooth_ap"] for dataset in ran for level in LEVELS]
    assert (
        "means of {:.2f}, {:.2f} and {:.2f} at 0, 20 and 40 % on emoji and {:.2f}, {:.2f} and {:.2f} on furniture".format(
            *means
        )
        in told
    )
    rows = gaps("smooth_ap").loc[([0.2, 0.4], ran, [*CLAIMED, "pfml"]), :]
    p = rows.apply(p_of, axis=1).where(rows.mean(axis=1) > 0, 1.0)
    alone = pd.concat([holm(each) for _, each in p.xs("furniture", level="dataset", drop_level=False).groupby(level=0)])
    p = pd.concat([holm(each) for _, each in p.groupby(level=0)])
    shown = {f"smooth_ap-above-{loss}-noise-{100 * level:.0f} {dataset}" for level, dataset, loss in p.index[p <= 0.05]}
    lines = {" ".join(key[:2]): line for key, line in claims().items() if key[0].startswith("smooth_ap")}
    lines = {name: line for name, line in lines.items() if line["verdict"] != "not run"}
    found = {name: line["verdict"] for name, line in lines.items() if line["verdict"] != "inconclusive"}
    assert found == dict.fromkeys(shown, "supported")
    assert shown == {
        *(f"smooth_ap-above-{loss}-noise-{level} emoji" for loss in ("pfml", "triplet") for level in (20, 40)),
        "smooth_ap-above-cpml-noise-40 emoji",
        "smooth_ap-above-triplet-noise-20 furniture",
    }
    firm = {name for name in shown if not lines[name]["flips"]}
    assert firm == {name for name in shown if name.endswith("emoji") and "cpml" not in name}
    seeds = {name: sum("seed" in why for why in lines[name]["flips"]) for name in shown - firm}
    assert sorted(seeds.items()) == [
        ("smooth_ap-above-cpml-noise-40 emoji", 5),
        ("smooth_ap-above-triplet-noise-20 furniture", 4),
    ]
    assert f"Of the {len(lines)} results of its claims {len(shown)} are supported" in told
    assert f"at 40 % (adjusted p {short(p[0.4, 'emoji', 'cpml'])}, and inconclusive whichever seed" in told
    both = [(0.2, "furniture", "pfml"), (0.4, "furniture", "triplet")]
    before, now = ([short(each[place]) for place in both] for each in (alone, p))
    assert "Triplet at 40 %, too ({} and {}; now {} and {})".format(*before, *now) in told
    ahead = [rows.loc[(level, "emoji", "pfml")].mean() for level in (0.2, 0.4)]
    assert "ahead of PFML on emoji at 20 and 40 % (by {:.2f} and {:.2f} points)".format(*ahead) in told
    gain = (recall() - recall("")).loc[0.4].xs("smooth_ap", level="loss")
    gained = [f"({ends(stats.ttest_1samp(gain.loc[each], 0).confidence_interval())}" for each in ran]
    assert f"gains {gain.loc['emoji'].mean():.2f} points {gained[0]}) over frozen features on emoji" in told
    assert f"{gain.loc['furniture'].mean():.2f} {gained[1]}: not shown) on furniture" in told
    tests = table("finetuned/verdicts.csv").query("loss == 'smooth_ap' and verdict != 'not told apart'")
    assert {*zip(tests["dataset"], tests["noise_level"], tests["against"], tests["verdict"], strict=True)} == {
        ("emoji", 0.2, "pfml", "ahead"),
        ("emoji", 0.4, "pfml", "ahead"),
    }


def test_prism_where_the_network_learns():
    told, board = page("docs/losses.md"), table("finetuned/leaderboard.csv")
    found = board.pivot_table(index=["loss", "noise_level"], columns="dataset", values="recall_at_1")[DATASETS]
    gains = table("finetuned/over_frozen.csv").set_index(["metric", "loss", "dataset"])["difference"].sort_index()
    gained = gains.loc["recall_at_1", "prism"][DATASETS]
    assert "gains {:.2f}, {:.2f} and {:.2f} points over frozen features on emoji".format(*gained) in told
    tests = table("finetuned/verdicts.csv").set_index(["loss", "noise_level", "against", "dataset"]).sort_index()
    clean = tests.loc[("prism", 0, "best baseline")]
    assert clean["verdict"][DATASETS].tolist() == ["behind", "not told apart", "behind"]
    assert {*clean["other"]} == {"multi_similarity"}
    pairs = [f"{row.first:.2f} against {row.second:.2f}" for row in clean.loc[DATASETS].itertuples()]
    p = f"{clean.loc['furniture', 'p_adjusted']:.3f}"[1:]
    assert (
        f"Multi-Similarity, on emoji ({pairs[0]}) and typefaces ({pairs[2]}), and not told apart from it on furniture "
        f"({pairs[1]}, adjusted p {p})"
    ) in told
    noisy = tests.loc["prism"].drop(0, level="noise_level")
    assert ({*noisy["verdict"]}, len(noisy)) == ({"not told apart"}, 12)
    claims = json.loads(committed("finetuned/claims.json"))["claims"]
    lines = [line for claim in claims if claim["id"].startswith("prism-above") for line in claim["lines"]]
    verdicts = [line["verdict"] for line in lines if line["planned"]]
    assert {*verdicts} == {"inconclusive"}
    assert f"all {len(verdicts)} results of its claims are inconclusive" in told
    above = found.loc["prism"] > found.loc["pfml"]
    assert above.loc[[0.2, 0.4]].to_numpy().tolist() == [[True] * 3, [False] * 3]
    cells = [cell for loss in ("prism", "pfml") for cell in found.loc[(loss, 0.4)]]
    assert "all three ({:.2f}, {:.2f} and {:.2f} against {:.2f}, {:.2f} and {:.2f})".format(*cells) in told


def test_prism_beside_its_base_loss_where_the_network_learns():
    told, rows = page("docs/losses.md"), table("finetuned/records.csv")
    runs, other = (
        100
        * rows[rows["dataset"] == dataset].pivot_table(
            index=["loss", "noise_level"], columns="seed", values="recall_at_1"
        )
        for dataset in ("emoji", "typefaces")
    )
    pair = [other.loc[loss].mean(axis=1) for loss in ("prism", "cross_batch_memory")]
    cells = ["{:.2f}, {:.2f} and {:.2f}".format(*each) for each in pair]
    assert "On typefaces neither is shown to be above the other: {} against {}.".format(*cells) in told
    gaps = [other.loc[("prism", level)] - other.loc[("cross_batch_memory", level)] for level in (0, 0.4)]
    ends = [each for gap in gaps for each in (gap.mean(), *stats.ttest_1samp(gap, 0).confidence_interval())]
    assert "({:.2f} points, {:.2f} to {:.2f}, and {:.2f}, {:.2f} to {:.2f}).".format(*ends) in told
    means = runs.mean(axis=1)
    both = [
        f"{one:.2f}, {two:.2f} and {three:.2f}" for one, two, three in (means["prism"], means["cross_batch_memory"])
    ]
    assert f"its means are lower at all levels, {both[0]} against {both[1]}." in told
    assert (means["prism"] < means["cross_batch_memory"]).all()
    gaps = [runs.loc[("prism", level)] - runs.loc[("cross_batch_memory", level)] for level in (0, 0.4)]
    clean, noisy = (
        "{:.2f}, {:.2f} to {:.2f}".format(gap.mean(), *stats.ttest_1samp(gap, 0).confidence_interval()) for gap in gaps
    )
    assert (
        f"without noise ({clean.replace(',', ' points,', 1)}: by itself this interval is "
        f"below 0) and that PRISM is above at 40 % ({noisy}; one" in told
    )
    least = [runs.loc[(loss, 0.4)].min() for loss in ("prism", "cross_batch_memory")]
    assert "one of its runs there has {:.2f}, one of the base loss {:.2f})".format(*least) in told
    claims = json.loads(committed("finetuned/claims.json"))["claims"]
    lines = [
        (claim["id"], line["dataset"], line["verdict"])
        for claim in claims
        if claim["id"].startswith("prism-base")
        for line in claim["lines"]
        if line["verdict"] != "not run"
    ]
    names = "prism-base-clean", "prism-base-noise-40"
    assert lines == [(name, dataset, "inconclusive") for name in names for dataset in DATASETS]
    furniture = 100 * rows[rows["dataset"] == "furniture"].pivot_table(
        index=["loss", "noise_level"], columns="seed", values="recall_at_1"
    )
    mine, base = (furniture.loc[loss] for loss in ("prism", "cross_batch_memory"))
    gap = {level: stats.ttest_1samp(mine.loc[level] - base.loc[level], 0) for level in (0, 0.2, 0.4)}
    low, high = gap[0].confidence_interval()
    assert gap[0.2].pvalue > 0.05
    assert (
        f"below its base loss without noise, by {-(mine - base).loc[0].mean():.2f} points ({-high:.2f} to {-low:.2f}), and"
        in told
    )
    cells = ["{:.2f}, {:.2f} and {:.2f}".format(*each.mean(axis=1)) for each in (mine, base)]
    noisy = "{:.2f}, {:.2f} to {:.2f}".format((mine - base).loc[0.4].mean(), *gap[0.4].confidence_interval())
    least = mine.loc[0.4].min(), base.loc[0.4].min()
    assert (
        "{} against {} (at 40 % {}; one of its runs has {:.2f}, one of the base loss {:.2f}).".format(
            *cells, noisy, *least
        )
        in told
    )
    gains = table("finetuned/over_frozen.csv").query("loss == 'cross_batch_memory' and metric == 'recall_at_1'")
    gained = gains.set_index("dataset")["difference"][DATASETS]
    assert "The base loss gains {:.2f}, {:.2f} and {:.2f} points over frozen".format(*gained) in told
    tests = table("finetuned/verdicts.csv").query("loss == 'cross_batch_memory' and verdict != 'not told apart'")
    assert {*zip(tests["dataset"], tests["noise_level"], tests["against"], tests["verdict"], strict=True)} == {
        ("emoji", 0.2, "pfml", "ahead"),
        ("emoji", 0.2, "best baseline", "behind"),
        ("typefaces", 0, "best baseline", "behind"),
    }


def test_sub_center_arcface_where_the_network_learns():
    told, rows = page("docs/losses.md"), table("finetuned/records.csv").query("loss == 'sub_center_arcface'")
    runs = 100 * rows.pivot_table(index=["dataset", "noise_level"], columns="seed", values="recall_at_1")
    sentence = (
        "mean R@1 at 0, 20 and 40 % {:.2f}, {:.2f} and {:.2f} on emoji, {:.2f}, {:.2f} and {:.2f} on furniture, {:.2f}, "
        "{:.2f} and {:.2f} on typefaces. At 40 % it has the highest mean of the grid's losses on emoji and typefaces;"
    )
    assert sentence.format(*runs.mean(axis=1)[DATASETS]) in told
    board = table("finetuned/leaderboard.csv").query("noise_level == 0.4 and track == 'tuned'")
    board = board[~board["extended"]]
    best = board.pivot_table(index="loss", columns="dataset", values="recall_at_1").idxmax()
    assert set(best.index[best == "sub_center_arcface"]) == {"emoji", "typefaces"}
    assert best["furniture"] == "cpml"
    gap = gaps("sub_center_arcface").loc[(0.4, "emoji", "cpml")]
    assert abs(gap.mean()) < 0.1
    assert p_of(gap) > 0.5
    cpml = recall().mean(axis=1)[0.4].xs("cpml", level="loss")
    assert (
        f"CPML is level with it on emoji ({cpml['emoji']:.2f}) and has the highest mean of the grid's losses on furniture "
        f"({cpml['furniture']:.2f})"
    ) in told
    tests = table("finetuned/verdicts.csv").query("loss == 'sub_center_arcface'")
    ahead = tests[tests["verdict"] != "not told apart"]
    assert {*zip(ahead["dataset"], ahead["noise_level"], ahead["verdict"], ahead["other"], strict=True)} == {
        *(("emoji", level, "ahead", "pfml") for level in (0, 0.2, 0.4)),
        ("typefaces", 0, "ahead", "pfml"),
    }
    assert len(tests) == 18
    (open_,) = tests.query("dataset == 'typefaces' and noise_level == 0.4 and against == 'pfml'").itertuples()
    assert (
        f"it lies {open_.difference:.2f} points above PFML, p {open_.p:.3f} by itself and {open_.p_adjusted:.3f} among"
    ).replace(" 0.", " .") in told
    whole = table("finetuned/verdicts.csv").query("loss == 'pfml' and other == 'sub_center_arcface'")
    (mine,) = whole.query("dataset == 'typefaces' and noise_level == 0.4").itertuples()
    assert mine.verdict == "behind"
    assert f"the same difference has {mine.p_adjusted:.3f}: README counts".replace(" 0.", " .") in told
    gains = table("finetuned/over_frozen.csv").set_index(["metric", "loss", "dataset"])["difference"].sort_index()
    gained = gains.loc["recall_at_1", "sub_center_arcface"][DATASETS]
    assert "Without noise it gains {:.2f}, {:.2f} and {:.2f} points over frozen features.".format(*gained) in told
    least, *others = sorted(runs.loc[("furniture", 0.4)])
    assert f"runs there have {others[0]:.2f} to {others[-1]:.2f}, the fifth {least:.2f}." in told


def test_runs_that_fail_under_noise():
    board = table("finetuned/leaderboard.csv").query("loss == 'frozen backbone'").drop_duplicates("dataset")
    rows = table("finetuned/records.csv").query("noise_level == 0.4")
    found = 100 * rows["recall_at_1"] > rows["dataset"].map(board.set_index("dataset")["recall_at_1"])
    bad = (~found).groupby(rows["loss"]).agg(["sum", "size"]).sort_values(["sum", "loss"])
    others = set(bad.loc[bad["size"] != 15, "size"])
    told = ", ".join(f"`{loss}` {count}" for loss, count in bad["sum"].items())
    assert (bad["size"].index[bad["size"] != 15].tolist(), others) == (["smooth_ap"], {10})
    assert (
        f"Of 15 runs at 40 % (10 of Smooth-AP) these have an R@1 no higher than the frozen backbone, or failed: {told}."
    ) in page("docs/losses.md")


def test_what_prisms_runs_scatter_where_the_network_learns():
    rows = table("finetuned/records.csv").query("loss == 'prism' and noise_level == 0.4")
    rows = rows.set_index(["dataset", "search"])["recall_at_1"] * 100
    ends = [f"{rows[dataset].min():.2f} to {rows[dataset].max():.2f} on {dataset}" for dataset in DATASETS]
    assert f"Its runs at 40 % scatter: {', '.join(ends)}." in page("docs/losses.md")
    rates = {
        (dataset, number): yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["best"]["noise_rate"]
        for dataset in DATASETS
        for number in range(5)
        for path in [ROOT / f"recipes/finetuned/tuned/{dataset}/prism-{number}.yaml"]
    }
    low, high = min(rates.values()), max(rates.values())
    assert (
        f"took a `noise_rate` of {low:.2f} to {high:.2f}. The run with the highest rate is the best of PRISM's"
        in page("docs/losses.md")
    )
    assert max(rates, key=rates.get) == ("emoji", rows["emoji"].idxmax())
