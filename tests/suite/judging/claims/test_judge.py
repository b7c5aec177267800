"""Every verdict of every kind, from records on disk, on cases built for it."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from suite.judging.claims.evidence import Verdict
from suite.judging.claims.judge import assess
from suite.judging.claims.measured import Measured
from suite.judging.claims.schema import CLAIM_KINDS
from tests.suite.judging.claims.synthetic import WIGGLE, along, claim, judged, model, run, runs, write

pytestmark = pytest.mark.usefixtures("workplace")
TAILS = ((1, "greater"), (-1, "less"))
"""Of a difference beyond a margin of 1."""
REST = np.array([-0.1, 0.05, 0.1, 0.05, -0.1])


def one(*claims):
    (found,) = judged(*claims)
    return found


def compared(difference, level=0.0, scatter=WIGGLE, **condition):
    """Records of pfml and cpml with a mean difference."""
    return runs(50 + difference + scatter, level=level, **condition) + runs(
        50 + REST, loss="cpml", level=level, **condition
    )


@pytest.mark.parametrize(
    ("difference", "scatter", "verdict"),
    [
        (2.0, 1, Verdict.SUPPORTED),
        (-2.0, 1, Verdict.CONTRADICTED),
        (0.05, 1, Verdict.EQUIVALENT),
        (0.25, 0.2, Verdict.EQUIVALENT),  # not zero, yet too small to matter
        (0.3, 10, Verdict.INCONCLUSIVE),
    ],
)
def test_superiority(difference, scatter, verdict):
    write("runs", compared(difference, scatter=scatter * WIGGLE))
    found = one(claim("superiority"))
    assert found.verdict == verdict
    assert (found.detectable is None) == (verdict != Verdict.INCONCLUSIVE)


def test_numbers_of_a_superiority_are_those_of_scipy_and_statsmodels():
    write("runs", compared(0.3))
    found = one(claim("superiority"))
    first, second = 50.3 + WIGGLE, 50 + REST
    oracle = stats.ttest_rel(first, second)
    interval = oracle.confidence_interval(0.95)
    assert found.p[Verdict.SUPPORTED] == pytest.approx(oracle.pvalue)
    assert found.p[Verdict.EQUIVALENT] == pytest.approx(ttost_paired(first, second, -0.5, 0.5)[0])
    evidence = found.result.evidence
    assert (evidence.low, evidence.high) == pytest.approx((interval.low, interval.high))
    assert (float(evidence.effect), evidence.n) == (pytest.approx(0.3), 5)


def test_an_inconclusive_line_says_what_it_could_have_shown():
    write("runs", compared(0.3, scatter=10 * WIGGLE))
    found = one(claim("superiority"))
    sd = np.std(0.3 + 10 * WIGGLE - REST, ddof=1)
    oracle = TTestPower().solve_power(nobs=5, alpha=0.025, power=0.8, alternative="larger")
    assert found.detectable == pytest.approx(oracle * sd, rel=1e-4)


def test_lines_of_a_family_share_an_adjustment():
    write("runs", compared(0.3) + compared(0.1, dataset="furniture"))
    found = judged(claim("superiority", datasets=["emoji", "furniture"]))
    raw = [stats.ttest_rel(50 + d + WIGGLE, 50 + REST).pvalue for d in (0.3, 0.1)]
    assert [line.p[Verdict.SUPPORTED] for line in found] == pytest.approx(list(multipletests(raw, method="holm")[1]))
    apart = judged(claim("superiority"), claim("superiority", id="other", family="two", datasets=["furniture"]))
    assert [line.p[Verdict.SUPPORTED] for line in apart] == pytest.approx(raw)


@pytest.mark.parametrize(
    ("difference", "scatter", "verdict"),
    [
        (0.2, 1, Verdict.SUPPORTED),
        (-0.7, 1, Verdict.SUPPORTED),  # shown not to be zero, yet within the margin
        (1.5, 1, Verdict.CONTRADICTED),
        (-1.5, 1, Verdict.CONTRADICTED),
        (0.2, 10, Verdict.INCONCLUSIVE),
    ],
)
def test_equivalence(difference, scatter, verdict):
    write("runs", compared(difference, scatter=scatter * WIGGLE))
    found = one(claim("equivalence"))
    assert found.verdict == verdict
    first, second = 50 + difference + scatter * WIGGLE, 50 + REST
    assert found.p[Verdict.SUPPORTED] == pytest.approx(ttost_paired(first, second, -1, 1)[0])
    beyond = [stats.ttest_1samp(first - second, bound, alternative=way).pvalue for bound, way in TAILS]
    assert found.p[Verdict.CONTRADICTED] == pytest.approx(min(1, 2 * min(beyond)))
    interval = stats.ttest_rel(first, second).confidence_interval(0.95)
    evidence = found.result.evidence
    assert (evidence.low, evidence.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("clean", "noisy", "verdict"),
    [
        (0.0, 2.0, Verdict.SUPPORTED),
        (2.0, 0.0, Verdict.CONTRADICTED),
        (2.0, 2.0, Verdict.EQUIVALENT),  # better throughout is not more robust
    ],
)
def test_robustness_is_the_difference_of_differences(clean, noisy, verdict):
    write("runs", compared(clean) + compared(noisy, level=0.2, scatter=REST))
    found = one(claim("robustness"))
    assert found.verdict == verdict
    assert float(found.result.evidence.effect) == pytest.approx(noisy - clean)


def test_robustness_over_several_levels_is_the_slope_times_the_range():
    write("runs", compared(0.0) + compared(2.0, level=0.2) + compared(2.4, level=0.4, scatter=REST))
    found = one(claim("robustness", noise={"kind": "symmetric", "levels": [0, 0.2, 0.4]}))
    assert float(found.result.evidence.effect) == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [
        (73.3, Verdict.SUPPORTED),
        (71.0, Verdict.CONTRADICTED),
        (75.8, Verdict.CONTRADICTED),
        (72.6, Verdict.INCONCLUSIVE),
    ],
)
def test_reproduction(mean, verdict):
    write("runs", runs(mean + WIGGLE, dataset="cub", track="paper_values", backbone="resnet50_512"))
    assert one(claim("reproduction")).verdict == verdict


def test_reproduction_with_a_reported_spread_is_welchs():
    write("runs", runs(73 + WIGGLE, dataset="cub", track="paper_values", backbone="resnet50_512"))
    found = one(claim("reproduction"))
    low = stats.ttest_ind_from_stats(73, np.std(WIGGLE, ddof=1), 5, 73.4 - 1, 0.3 * np.sqrt(5), 5, False, "greater")
    assert found.p[Verdict.SUPPORTED] == pytest.approx(low.pvalue)


def test_records_of_another_backbone_are_no_reproduction():
    write("runs", runs(73.4 + WIGGLE, dataset="cub", track="paper_values"))
    assert one(claim("reproduction")).verdict == Verdict.NOT_RUN


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ((50, 50.1, 50), Verdict.SUPPORTED),
        ((50, 51, 50), Verdict.CONTRADICTED),
        ((50, 50.5, 50), Verdict.INCONCLUSIVE),
    ],
)
def test_insensitivity(curve, verdict):
    shifts = (WIGGLE, REST, -WIGGLE)
    grid = dict(zip((0.4, 0.8, 1.2), (y + s for y, s in zip(curve, shifts, strict=True)), strict=True))
    write("ablations", along("delta", grid | {2.0: 20 + WIGGLE}))  # the last lies outside the range of the claim
    found = one(claim("insensitivity"))
    assert found.verdict == verdict
    assert float(found.result.evidence.effect) == pytest.approx(max(curve) - min(curve))


CURVES = pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ((50, 49, 48), Verdict.SUPPORTED),
        ((50, 51, 52), Verdict.CONTRADICTED),
        ((50, 50, 50), Verdict.EQUIVALENT),
        ((50, 51, 45), Verdict.CONTRADICTED),  # falls as a whole, and rises first: no slope may hide that
        ((50, 50, 45), Verdict.INCONCLUSIVE),  # falls as a whole, but not with every step
    ],
)


def stepped(curve, values=(0, 0.1, 0.2)):
    shifts = (WIGGLE, REST, -WIGGLE)
    return dict(zip(values, (y + shift for y, shift in zip(curve, shifts, strict=True)), strict=True))


@CURVES
def test_trend(curve, verdict):
    write("ablations", along("repulsion_margin", stepped(curve) | {0.8: 20 + WIGGLE}))  # not among the claim's values
    found = one(claim("trend"))
    assert found.verdict == verdict
    assert float(found.result.evidence.effect) == pytest.approx(curve[-1] - curve[0])
    first, second = curve[1] - curve[0], curve[2] - curve[1]
    assert f"steps: 0 to 0.1 {first:+.2f}, 0.1 to 0.2 {second:+.2f}" in found.result.evidence.remarks


def test_a_trend_whose_values_were_not_all_run_is_not_run():
    write("ablations", along("repulsion_margin", stepped((50, 49, 48), (0, 0.1, 0.4))))
    found = one(claim("trend"))
    assert found.verdict == Verdict.NOT_RUN
    assert "too few values for this claim: 0, 0.1, 0.4" in found.result.reason


def test_numbers_of_a_trend_are_those_of_scipy_step_by_step():
    grid = {0: 50 + WIGGLE, 0.1: 49.9 + REST, 0.2: 49 - WIGGLE}
    write("ablations", along("repulsion_margin", grid))
    found = one(claim("trend"))
    columns = [50 + WIGGLE, 49.9 + REST, 49 - WIGGLE]
    falls = [stats.ttest_rel(low, high, alternative="greater").pvalue for low, high in pairwise(columns)]
    assert found.p[Verdict.SUPPORTED] == pytest.approx(2 * max(falls))
    rises = [stats.ttest_rel(low, high, alternative="less").pvalue for low, high in pairwise(columns)]
    assert found.p[Verdict.CONTRADICTED] == pytest.approx(min(1, 4 * min(rises)))


def crossed(table, **condition):
    """Records of the crossed ablation of alpha."""
    return along("alpha", table, crossed=True, **condition)


@CURVES
def test_interaction_is_a_trend_of_what_noise_takes(curve, verdict):
    clean, lost = 70 + 5 * WIGGLE, stepped(np.array(curve) - 40, (0, 2, 4))
    noisy = {value: clean - less for value, less in lost.items()}
    write("crossed", crossed(dict.fromkeys(lost, clean)) + crossed(noisy, level=0.4))
    # Those of the same axis around tuned values are another study.
    write("ablations", along("alpha", dict.fromkeys((0, 1, 2, 4), 10 + WIGGLE)))
    found = one(claim("interaction"))
    assert found.verdict == verdict
    assert float(found.result.evidence.effect) == pytest.approx(curve[-1] - curve[0])


def test_an_interaction_needs_every_value_at_every_level():
    values = dict.fromkeys((0, 2, 4), 50 + WIGGLE)
    write("ablations", along("alpha", values))
    assert (
        one(claim("interaction")).result.reason == "no crossed ablation of alpha on emoji at noise 0 in regime frozen"
    )
    write("crossed", crossed(values))
    missing = "no crossed ablation of alpha on emoji at noise 0.4 in regime frozen"
    assert one(claim("interaction")).result.reason == missing
    write("crossed", crossed(values) + crossed({0: 50 + WIGGLE, 2: 50 + REST}, level=0.4))
    found = one(claim("interaction"))
    assert found.verdict == Verdict.NOT_RUN
    assert found.result.reason == "the ablation of alpha on emoji lacks a value of 0, 2, 4 at a level of noise"


@pytest.mark.parametrize(("difference", "beyond"), [(2.0, True), (0.7, False), (-2.0, True), (-0.7, False)])
def test_an_effect_that_is_shown_may_be_open_in_size(difference, beyond):
    scatter = 1.5 * WIGGLE
    write("runs", compared(difference, scatter=scatter))
    found = one(claim("superiority"))
    assert found.verdict == (Verdict.SUPPORTED if difference > 0 else Verdict.CONTRADICTED)
    sign = np.sign(difference)
    oracle = stats.ttest_rel(sign * (50 + difference + scatter), sign * (50 + REST) + 0.5).pvalue
    assert found.beyond == pytest.approx(oracle)
    assert (found.beyond <= 0.05) == beyond


def test_the_size_of_an_effect_that_is_not_shown_or_has_zeros_for_failures_is_not_tested():
    write("runs", compared(0.3, scatter=10 * WIGGLE))
    assert one(claim("superiority")).beyond is None
    write("runs", runs(60 + WIGGLE) + runs(failing(50 + REST, 1), loss="cpml"))
    found = one(claim("superiority"))
    assert (found.verdict, found.beyond) == (Verdict.SUPPORTED, None)


def test_sizes_are_adjusted_over_the_family():
    write("runs", compared(2.0) + compared(1.2, dataset="furniture"))
    found = judged(claim("superiority", datasets=["emoji", "furniture"]))
    raw = [stats.ttest_rel(49.5 + d + WIGGLE, 50 + REST).pvalue for d in (2.0, 1.2)]
    assert [line.beyond for line in found] == pytest.approx(list(multipletests(raw, method="holm")[1]))


def test_a_result_with_failed_runs_counts_among_the_sizes():
    failed = runs(60 + WIGGLE, dataset="furniture") + runs(failing(50 + REST, 1), loss="cpml", dataset="furniture")
    write("runs", compared(2.0) + failed)
    found = judged(claim("superiority", datasets=["emoji", "furniture"]))
    alone = stats.ttest_rel(51.5 + WIGGLE, 50 + REST).pvalue
    assert [line.beyond for line in found] == [pytest.approx(2 * alone), None]


def test_gains_over_the_frozen_backbone_stand_beside_what_is_compared(workplace):
    (workplace / "frozen").mkdir()
    (workplace / "frozen/emoji.json").write_text('{"metrics": {"recall_at_1": 0.4, "map_at_r": 0.2}}')
    write("runs", compared(0.0) + compared(2.0, level=0.2, scatter=REST))
    found = judged(claim("superiority"), claim("robustness", family="two"))
    assert [each.result.gains for each in found] == [
        {"pfml": pytest.approx(10.0), "cpml": pytest.approx(10.0)},
        {"pfml": pytest.approx(12.0), "cpml": pytest.approx(10.0)},
    ]
    write("runs", compared(0.0, regime="finetuned"))
    learned = one(claim("superiority", regime="finetuned")).result.gains  # it begins at the same backbone
    assert learned == {"pfml": pytest.approx(10.0), "cpml": pytest.approx(10.0)}


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ((45, 48, 50, 50.1), Verdict.SUPPORTED),
        ((50, 48, 45, 45.1), Verdict.CONTRADICTED),  # falls to the plateau
        ((45, 48, 50, 53), Verdict.CONTRADICTED),  # rises on the plateau
        ((50, 48, 50, 50.05), Verdict.EQUIVALENT),  # no rise
        ((45, 48, 50, 50.45), Verdict.INCONCLUSIVE),  # rises to something that may or may not be flat
    ],
)
def test_saturation(curve, verdict):
    grid = dict(
        zip((0, 1, 3, 4), (y + s for y, s in zip(curve, (REST, WIGGLE, WIGGLE, REST), strict=True)), strict=True)
    )
    write("ablations", along("alpha", grid))
    assert one(claim("saturation")).verdict == verdict


def test_what_has_no_rows_is_not_run():
    kinds = (
        "superiority",
        "equivalence",
        "robustness",
        "reproduction",
        "insensitivity",
        "trend",
        "interaction",
        "saturation",
        "closeness",
        "minima",
    )
    found = judged(*(claim(kind, id=kind) for kind in (*kinds, "decay")))
    assert {one.verdict for one in found} == {Verdict.NOT_RUN}
    assert all(one.result.reason for one in found)


def test_too_few_seeds_are_not_run():
    write("runs", runs(52 + WIGGLE[:3]) + runs(50 + REST[:3], loss="cpml"))
    found = one(claim("superiority"))
    assert found.verdict == Verdict.NOT_RUN
    assert found.result.reason == "runs/emoji-pfml/records.jsonl: seed: 3 of the 5 seeds that minimum_seeds asks for"
    assert one(claim("superiority", minimum_seeds=3)).verdict == Verdict.SUPPORTED


def test_a_grid_too_small_for_the_claim_is_not_run():
    write("ablations", along("delta", {0.4: 50 + WIGGLE, 1.2: 50 + REST}))
    assert one(claim("insensitivity")).verdict == Verdict.NOT_RUN


def failing(values, *seeds):
    return [None if seed in seeds else value for seed, value in enumerate(values)]


def test_a_method_with_a_failed_run_is_not_supported():
    write("runs", runs(failing(60 + WIGGLE, 1)) + runs(50 + REST, loss="cpml"))
    found = one(claim("superiority"))
    assert found.verdict == Verdict.INCONCLUSIVE
    assert float(found.result.evidence.effect) < 0  # the failed run counts as zero
    assert any("+10." in remark or "+9." in remark for remark in found.result.evidence.remarks)


def test_a_failed_run_of_the_rival_does_not_stand_in_the_way():
    write("runs", runs(60 + WIGGLE) + runs(failing(50 + REST, 1), loss="cpml"))
    assert one(claim("superiority")).verdict == Verdict.SUPPORTED


def test_a_method_that_fails_cannot_be_equivalent():
    write("runs", runs(failing(50 + WIGGLE, 1)) + runs(50 + REST, loss="cpml"))
    assert one(claim("superiority")).verdict == Verdict.INCONCLUSIVE


@pytest.mark.parametrize("loss", ["pfml", "cpml"])
def test_a_method_with_a_failed_run_is_like_no_other(loss):
    values = {"pfml": 50 + WIGGLE, "cpml": 50 + REST}
    values[loss] = failing(values[loss], 1)
    write("runs", [row for name, mine in values.items() for row in runs(mine, loss=name)])
    found = one(claim("equivalence"))
    assert (found.verdict, found.result.evidence.n) == (Verdict.INCONCLUSIVE, 4)
    assert "1 run failed; seeds with a failed run are left out: no support" in found.result.evidence.remarks


def test_a_method_that_always_fails_is_contradicted():
    write("runs", runs([None] * 5) + runs(50 + REST, loss="cpml"))
    assert one(claim("superiority")).verdict == Verdict.CONTRADICTED


def test_a_rival_that_fails_contradicts_nothing():
    write("runs", runs(40 + WIGGLE) + runs(failing(50 + REST, 1), loss="cpml"))
    assert one(claim("superiority")).verdict == Verdict.INCONCLUSIVE


def test_failed_runs_support_no_other_kind_either():
    write(
        "runs",
        compared(0.0)
        + runs(failing(55 + REST, 0), level=0.2)
        + runs(50 + REST, loss="cpml", level=0.2)
        + runs(failing(73.4 + WIGGLE, 0), dataset="cub", track="paper_values", backbone="resnet50_512"),
    )
    flat = {v: 50 + w for v, w in zip((0.4, 0.8, 1.2), (WIGGLE, REST, WIGGLE), strict=True)}
    write("ablations", along("delta", flat | {1.0: failing(50 + REST, 2)}))
    found = judged(claim("robustness"), claim("reproduction", family="b"), claim("insensitivity", family="c"))
    assert [one.verdict for one in found] == [Verdict.INCONCLUSIVE] * 3
    assert all("failed" in " ".join(one.result.evidence.remarks) for one in found)


def test_nothing_but_failed_runs_is_inconclusive():
    write("runs", compared(0.0) + runs([None] * 5, level=0.2) + runs(50 + REST, loss="cpml", level=0.2))
    found = one(claim("robustness"))
    assert (found.verdict, found.result.evidence) == (Verdict.INCONCLUSIVE, None)
    assert "too many failed runs" in found.result.reason


def test_a_run_stands_for_its_own_track():
    write("runs", [*compared(2.0), *compared(-2.0, track="paper_values")])
    assert one(claim("superiority")).verdict == Verdict.SUPPORTED
    assert one(claim("superiority", track="paper_values")).verdict == Verdict.CONTRADICTED


def test_clean_runs_belong_to_every_kind_of_noise():
    rows = [
        run(r, s, loss=loss, noise_kind="small_cluster")
        for loss, r0 in (("pfml", 52), ("cpml", 50))
        for s, r in enumerate(r0 + WIGGLE * (loss == "pfml"))
    ]
    write("runs", rows)
    assert one(claim("superiority")).verdict == Verdict.SUPPORTED


def test_each_regime_has_a_verdict_of_its_own():
    write("runs", compared(2.0))
    assert one(claim("superiority", regime="finetuned")).verdict == Verdict.NOT_RUN
    assert "regime finetuned" in one(claim("superiority", regime="finetuned")).result.reason
    write("runs", [*compared(2.0), *compared(-2.0, regime="finetuned")])
    found = judged(claim("superiority"), claim("superiority", id="other", family="two", regime="finetuned"))
    assert [each.verdict for each in found] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]


def test_studies_of_another_regime_do_not_count():
    write("ablations", along("delta", dict.fromkeys((0.4, 0.8, 1.2), 50 + WIGGLE), regime="finetuned"))
    write("geometry", [model(s, loss=loss, regime="finetuned") for loss in ("pfml", "cpml") for s in range(5)])
    frozen = judged(*(claim(kind, family=kind) for kind in ("insensitivity", "closeness", "minima")))
    assert {each.verdict for each in frozen} == {Verdict.NOT_RUN}
    there = judged(*(claim(kind, family=kind, regime="finetuned") for kind in ("insensitivity", "closeness", "minima")))
    assert Verdict.NOT_RUN not in {each.verdict for each in there}


def test_records_of_another_backbone_do_not_count():
    write("runs", compared(2.0, backbone="resnet18"))
    assert one(claim("superiority")).verdict == Verdict.NOT_RUN
    assert one(claim("superiority", backbone="resnet18")).verdict == Verdict.SUPPORTED


def test_a_metric_that_was_not_measured_is_not_run():
    write("runs", compared(2.0))
    found = one(claim("superiority", estimand="recall_at_1000"))
    assert found.verdict == Verdict.NOT_RUN
    assert found.result.reason == "runs/emoji-pfml/records.jsonl, line 1: R@1000 (recall_at_1000) was not measured"


def test_a_kind_of_noise_is_judged_by_its_own_runs():
    both = compared(2.0, level=0.2) + compared(-2.0, level=0.2, noise_kind="small_cluster")
    write("runs", both)
    assert one(claim("superiority", noise={"kind": "symmetric", "level": 0.2})).verdict == Verdict.SUPPORTED
    assert one(claim("superiority", noise={"kind": "small_cluster", "level": 0.2})).verdict == Verdict.CONTRADICTED


def test_every_kind_of_claim_is_assessed():
    for kind in CLAIM_KINDS:
        assert assess(claim(kind), Measured())
