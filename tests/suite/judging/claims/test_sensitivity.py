"""Other looks at the records, the overall verdict, and the numbers of docs/claims.md."""

import doctest
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from suite.judging.claims.evidence import Verdict
from suite.judging.claims.judge import judge, overall
from suite.judging.claims.load import load_claims
from suite.judging.claims.measured import View
from suite.judging.claims.read import read_measured
from suite.judging.claims.report import report
from suite.judging.claims.sensitivity import SHARES, SWAPPED_METRIC, VALIDATION_EPOCH, sensitivity
from tests.helpers.paths import ROOT
from tests.suite.judging.claims.synthetic import DATASETS, claim, judged, model, run, runs, write

WIGGLE = np.array([0.1, -0.2, 0.15, -0.1, 0.05])


def test_the_numbers_of_the_documentation_are_those_of_the_code():
    results = doctest.testfile(str(ROOT / "docs/claims.md"), module_relative=False)
    assert (results.failed, results.attempted > 15) == (0, True)


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "inconclusive"], "inconclusive"),
        (["supported", "equivalent"], "inconclusive"),
        (["contradicted", "contradicted"], "contradicted"),
        (["supported", "contradicted"], "inconclusive"),
        (["contradicted", "inconclusive"], "inconclusive"),
        (["supported", "contradicted", "not run"], "not run"),
        (["supported", "not run"], "not run"),
        (["supported", "premise not met"], "supported"),
        (["premise not met"], "premise not met"),
        (["equivalent", "equivalent"], "equivalent"),
    ],
)
def test_no_verdict_on_a_data_set_outweighs_another(lines, verdict):
    assert overall([Verdict(line) for line in lines]) == verdict


def looks(rows, kind="superiority"):
    write("runs", rows)
    claims = [claim(kind)]
    base = judged(*claims)
    (found,) = sensitivity(claims, read_measured(DATASETS), base)
    return found


def test_a_verdict_that_every_look_confirms_is_not_fragile(workplace):
    rows = [run(52 + w, s, then=52.1 + w) for s, w in enumerate(WIGGLE)]
    rows += [run(50 - w / 2, s, loss="cpml", then=50 - w / 2) for s, w in enumerate(WIGGLE)]
    found = looks(rows)
    assert found.flips == {}
    assert set(found.others) == {VALIDATION_EPOCH, SWAPPED_METRIC, *(f"without seed {s}" for s in range(5))}
    assert set(found.others.values()) == {Verdict.SUPPORTED}


def test_each_look_can_make_a_verdict_fragile(workplace):
    rows = [run(52 + w, s, then=48 + w, map_at_r=20 + w) for s, w in enumerate(WIGGLE)]
    rows += [run(50.0 - w / 2, s, loss="cpml", then=50 - w / 2, map_at_r=25 - w / 2) for s, w in enumerate(WIGGLE)]
    found = looks(rows)
    assert found.flips == {VALIDATION_EPOCH: Verdict.CONTRADICTED, SWAPPED_METRIC: Verdict.CONTRADICTED}


def under_noise(clean, noisy, loss):
    """R@1 of a loss without and with 20 % noise, seeds that scatter."""
    scatter = WIGGLE if loss == "pfml" else WIGGLE / 2
    return runs(clean + scatter, loss=loss) + runs(noisy - scatter, loss=loss, level=0.2)


def with_backbone(recall):
    """The frozen backbone's R@1 and MAP@R in percent, beside the runs."""
    Path("frozen").mkdir(exist_ok=True)
    metrics = {"recall_at_1": recall / 100, "map_at_r": recall / 200}
    Path("frozen/emoji.json").write_text(json.dumps({"metrics": metrics}))


def test_a_method_that_has_little_to_lose_is_fragile_where_it_loses_the_greater_share(workplace):
    with_backbone(40)
    found = looks(under_noise(44, 41, "pfml") + under_noise(60, 52, "cpml"), "robustness")
    assert found.verdict == Verdict.SUPPORTED
    assert found.flips == {SHARES: Verdict.CONTRADICTED}
    # By hand: gains of 4 and 20 points, and what noise leaves of them, seed by seed.
    left = [100 * (1 - WIGGLE) / (4 + WIGGLE), 100 * (12 - WIGGLE / 2) / (20 + WIGGLE / 2)]
    (seen,) = judge([claim("robustness")], read_measured(DATASETS).seen_as(View(shares=True)))
    assert float(seen.result.evidence.effect) == pytest.approx((left[0] - left[1]).mean())
    assert seen.verdict == Verdict.CONTRADICTED
    (base,) = judged(claim("robustness"))
    assert base.result.evidence.remarks[-1] == "left of those without noise: pfml 25 %, cpml 60 %"


@pytest.mark.parametrize("backbone", [None, 44.05])
def test_shares_of_no_gain_say_nothing(workplace, backbone):
    """One seed of pfml gains nothing where the backbone has 44.05; or its value is not known."""
    if backbone is not None:
        with_backbone(backbone)
    found = looks(under_noise(44, 41, "pfml") + under_noise(60, 52, "cpml"), "robustness")
    assert (found.verdict, found.others[SHARES]) == (Verdict.SUPPORTED, Verdict.NOT_RUN)
    assert SHARES not in found.flips
    (base,) = judged(claim("robustness"))
    assert not any("left of" in remark for remark in base.result.evidence.remarks)


def test_seeds_that_a_verdict_cannot_spare_make_it_fragile(workplace):
    found = looks(runs([50.5, 50.4, 50.5, 50.4, 51.5]) + runs(50 + WIGGLE / 10, loss="cpml"))
    assert found.verdict == Verdict.SUPPORTED
    assert found.flips == {f"without seed {seed}": Verdict.INCONCLUSIVE for seed in range(4)}


def test_a_look_that_was_not_measured_flips_nothing(workplace):
    found = looks(runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    assert found.others[VALIDATION_EPOCH] == Verdict.NOT_RUN
    assert VALIDATION_EPOCH not in found.flips


def test_a_claim_says_under_how_many_splits_its_effect_has_the_same_sign(workplace):
    """Two further splits: one agrees, one does not; the verdict stays that of the stored split."""
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    further = [
        record | {"split": split, "noise_sha256": f"{record['noise_sha256']} {split}"}
        for split, mean in ((1, 51.0), (2, 49.5))
        for record in runs(mean + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml")
    ]
    write("splits", further)
    files = [file for file in load_claims() if file.claim.id == "above-cpml-noise-0"]
    claims = [file.claim for file in files]
    found = judged(*claims)
    told = report(files, found, sensitivity(claims, read_measured(DATASETS), found), {})
    (line,) = [line for line in told["claims"][0]["lines"] if line["dataset"] == "emoji"]
    assert line["effect"] == pytest.approx(2, abs=0.1)
    assert line["splits"] == {"1": pytest.approx(1.0, abs=0.1), "2": pytest.approx(-0.5, abs=0.1)}
    effects = ", ".join(f"{line['splits'][split]:+.2f}" for split in "12")
    first, second = (line["splits"][split] for split in "12")
    mean, half = (first + second) / 2, 12.7062 * abs(first - second) / 2  # t of one degree of freedom
    assert line["remarks"][-1] == (
        f"under further splits of the classes {effects}: the same sign in 1 of 2; "
        f"their mean {mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"
    )


@pytest.mark.parametrize(
    ("deltas", "shown"), [((), "1 of 1 data sets)"), ((0.2,), "1 of 2 results), premise not met (1 of 2)")]
)
def test_several_models_of_a_data_set_are_counted_as_results(workplace, deltas, shown):
    losses = [model(s, delta=1.0) for s in range(5)] + [model(s, loss="cpml") for s in range(5)]
    held = [
        model(s, delta=delta, w2=[0.3 + w / 50] * 4, track="ablation", ablation={"axis": "delta", "value": delta})
        for delta in deltas
        for s, w in enumerate(WIGGLE)
    ]
    write("geometry", losses + held)
    mine = claim("closeness", datasets=["emoji"])
    files = [replace(next(iter(load_claims())), claim=mine)]
    found = judged(mine)
    told = report(files, found, sensitivity([mine], read_measured(DATASETS), found), {})
    assert told["claims"][0]["shown"].endswith(shown)


def test_fresh_seeds_have_a_verdict_of_their_own(workplace):
    """The grid's seeds support, the fresh ones contradict: neither touches the other."""
    write("runs", runs(52 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml"))
    fresh = runs(48 + WIGGLE) + runs(50 - WIGGLE / 2, loss="cpml")
    write("fresh_seeds", [record | {"seed": record["seed"] + 5} for record in fresh])
    files = [file for file in load_claims() if file.claim.id == "above-cpml-noise-0"]
    claims = [file.claim for file in files]
    found = judged(*claims)
    told = report(files, found, sensitivity(claims, read_measured(DATASETS), found), {})
    (line,) = [line for line in told["claims"][0]["lines"] if line["dataset"] == "emoji"]
    assert (line["verdict"], line["n"]) == ("supported", 5)
    assert (line["fresh_seeds"]["verdict"], line["fresh_seeds"]["n"]) == ("contradicted", 5)
    assert line["remarks"][-1].startswith("on fresh seeds alone: not found on frozen features, -2.0")


def test_the_report_says_the_regime_of_each_claim_and_none_for_influence(workplace):
    files = load_claims()
    claims = [file.claim for file in files]
    found = judged(*claims)
    told = report(files, found, sensitivity(claims, read_measured(DATASETS), found), {})
    regimes = {}
    for each in told["claims"]:
        regimes.setdefault(each["kind"], set()).add(each["regime"])
    assert regimes["decay"] == {None}
    assert regimes["reproduction"] == {"published"}
    assert regimes["superiority"] == {"frozen"}
    assert regimes["robustness"] == {"frozen", "published"}
