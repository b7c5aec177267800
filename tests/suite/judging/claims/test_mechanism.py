"""Verdicts on where proxies and minima lie, and on what far points weigh, from records on disk."""

import pytest

from suite.judging.claims.evidence import Verdict
from tests.suite.judging.claims.synthetic import WIGGLE, claim, judged, model, write

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.mark.parametrize(("own", "verdict"), [(0.3, "supported"), (0.7, "contradicted"), (0.5, "equivalent")])
def test_closeness(own, verdict):
    rows = [model(s, w2=[own + w / 50] * 3 + [0.9 + w / 50]) for s, w in enumerate(WIGGLE)]
    write("geometry", rows + [model(s, loss="cpml") for s in range(5)])
    meets, rest = judged(claim("closeness"))
    assert (meets.verdict, meets.result.premise) == (verdict, 0.75)
    assert float(meets.result.evidence.effect) == pytest.approx(own - 0.5)
    # The fourth class has its sd below delta: it is judged apart and does not count.
    assert not rest.result.counts
    assert rest.verdict == "contradicted"


def test_closeness_relative_to_the_spread_of_each_model():
    rows = [model(s, w2=[0.3] * 4, spread=[0.6 + w / 50] * 4) for s, w in enumerate(WIGGLE)]
    write("geometry", rows + [model(s, loss="cpml", spread=[2.0] * 4) for s in range(5)])
    (found,) = [one for one in judged(claim("closeness", estimand="w2_relative")) if one.result.counts]
    assert float(found.result.evidence.effect) == pytest.approx(0.5 - 0.25, abs=1e-3)
    assert found.verdict == "contradicted"


def test_a_premise_that_no_class_meets_is_the_verdict():
    # As measured once on emoji: class sd .57, delta 1.0, and proxies that lie far from the data.
    write(
        "geometry",
        [model(s, delta=1.0) for s in range(5)]
        + [model(s, loss="cpml", w2=[0.9 + w / 50] * 4) for s, w in enumerate(WIGGLE)],
    )
    meets, rest = judged(claim("closeness"))
    assert meets.verdict == Verdict.PREMISE_NOT_MET
    assert "0.0% of the classes meet it" in meets.result.reason
    assert rest.verdict == "supported"


def test_a_premise_that_too_few_classes_meet_is_not_met():
    write("geometry", [model(s) for s in range(5)] + [model(s, loss="cpml") for s in range(5)])
    strict = {"name": "delta_below_spread", "minimum_share": 0.8, "because": "for a test"}
    assert judged(claim("closeness", premise=strict))[0].verdict == Verdict.PREMISE_NOT_MET


def test_a_premise_that_nothing_in_one_model_meets_is_not_met_and_says_so():
    alone = [model(0, delta=1.0, condition=[0.0] * 4, minima_met=[[0, 0]] * 4), *(model(s) for s in range(1, 5))]
    write("geometry", alone + [model(s, loss="cpml") for s in range(5)])
    for kind, told in (("closeness", "60.0% of the classes meet it"), ("minima", "40.0% of the embeddings meet (*)")):
        found = judged(claim(kind))[0].result
        assert found.state == Verdict.PREMISE_NOT_MET
        assert found.reason == f"{told}; allowed: 10% or more, in each model some, and 1 of 5 have none"


def test_models_whose_blocks_learned_at_other_rates_are_no_pair(workplace):
    def studied(of_cpml):
        mine = [model(s, regime="finetuned", recipe={"backbone_rate": 0.01}) for s in range(5)]
        theirs = [model(s, loss="cpml", regime="finetuned", recipe={"backbone_rate": of_cpml}) for s in range(5)]
        write("geometry", mine + theirs)
        return judged(claim("closeness", regime="finetuned"))[0].result

    assert studied(0.01).state is None
    assert studied(0.1).state == Verdict.NOT_RUN
    assert studied(0.1).reason == "geometry of cpml on emoji has backbone_rate 0.1, that of pfml 0.01"


def test_minima():
    many = [[400, 400], [200, 200], [200, 200], [0, 0]]
    write("geometry", [model(s, minima_met=many) for s in range(5)])
    met, rest = judged(claim("minima"))
    assert (met.verdict, met.result.premise) == (Verdict.SUPPORTED, 0.5)
    assert float(met.result.evidence.high) == 1
    assert (rest.verdict, rest.result.counts) == (Verdict.CONTRADICTED, False)
    assert float(rest.result.evidence.effect) == pytest.approx(8 / 20)


def test_few_flows_support_nothing_however_well_they_agree():
    write("geometry", [model(s) for s in range(5)])  # 100 flows, all of which ended within delta
    met = judged(claim("minima"))[0]
    assert met.verdict == Verdict.INCONCLUSIVE
    assert met.p[Verdict.SUPPORTED] == pytest.approx(2 * 0.99**100)


def test_minima_without_their_condition():
    none = {"condition": [0.0] * 4, "minima_met": [[0, 0]] * 4}
    write("geometry", [model(s, **none) for s in range(5)])
    assert judged(claim("minima"))[0].verdict == Verdict.PREMISE_NOT_MET


@pytest.mark.parametrize(("far", "verdict"), [(1.0, "supported"), (0.05, "equivalent"), (None, "not run")])
def test_decay(workplace, far, verdict):
    rows = ["loss,pair,distance,influence,normalised", "pfml,positive,0.2,8,1", "pfml,positive,1.5,0,0"]
    if far is not None:
        rows += ["cpml,positive,0.2,1,0.5", f"cpml,positive,1.5,2,{far}"]
    path = workplace / "docs/figures/influence.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(rows))
    (found,) = judged(claim("decay"))
    assert (found.verdict, found.shown_p) == (verdict, None)
    if found.result.evidence is not None:
        assert found.result.evidence.remarks == (
            "of the losses with their defaults, not with the values that searches found",
        )


def test_models_whose_delta_was_held_are_judged_beside_the_same_references():
    rows = [model(s, delta=1.0) for s in range(5)] + [model(s, loss="cpml") for s in range(5)]
    held = {"axis": "delta", "value": 0.2}
    at_02 = [model(s, delta=0.2, w2=[0.3 + w / 50] * 4, track="ablation", ablation=held) for s, w in enumerate(WIGGLE)]
    write("geometry", rows + at_02)
    found = {one.result.part: one for one in judged(claim("closeness")) if one.result.counts}
    assert [*found] == ["M = 2, delta below the class's sd", "M = 2, held delta 0.2, delta below the class's sd"]
    searched, at_held = found.values()
    assert searched.verdict == Verdict.PREMISE_NOT_MET
    assert (at_held.verdict, at_held.result.premise) == ("supported", 1.0)
    assert float(at_held.result.evidence.effect) == pytest.approx(-0.2)
    minima = [one.result.part for one in judged(claim("minima")) if one.result.counts]
    assert minima == ["M = 2, (*) holds", "M = 2, held delta 0.2, (*) holds"]
