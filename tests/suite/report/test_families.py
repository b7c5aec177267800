"""Verdicts by family of claims: one line a question, what was not run in one line."""

import yaml

from suite.judging.claims.sensitivity import SWAPPED_METRIC
from suite.report.families import QUESTIONS, claims_summary, families, family_table, question_of, result_counts, totals
from tests.helpers.paths import ROOT


def claim(family, verdict, *lines, regime="frozen", flips=(), **more):
    """A claim of a report; what flips its first result, if anything does."""
    shown = [
        {"verdict": each.strip("()"), "counts": not each.startswith("("), "flips": {}} for each in lines or (verdict,)
    ]
    shown[0]["flips"] = dict.fromkeys(flips, "")
    return {"family": family, "verdict": verdict, "lines": shown, "regime": regime, "flips": {}} | more


REPORT = {
    "claims": [
        claim("reported-resnet50_512-cub", "not run", regime="published"),
        claim("reported-resnet50_512-sop", "not run", regime="published"),
        claim("decay-of-influence", "supported", regime=None),
        claim("mine", "equivalent"),
        claim("above-baselines-noise-20", "contradicted", "contradicted", "inconclusive", "(supported)"),
        claim("above-baselines-noise-0", "inconclusive", "supported", "not run", flips=["without seed 1"]),
        claim("above-baselines-noise-0", "supported"),
        claim("ablation-alpha", "not run"),
        claim("above-baselines-noise-0", "supported", regime="finetuned"),
    ]
}


def test_families_come_in_the_order_of_the_questions_by_regime_and_those_not_run_last():
    assert [(family.regime, family.question) for family in families(REPORT)] == [
        ("frozen", QUESTIONS["above-baselines-noise-0"]),
        ("frozen", QUESTIONS["above-baselines-noise-20"]),
        ("frozen", "mine"),
        ("frozen", QUESTIONS["ablation-alpha"]),
        ("finetuned", QUESTIONS["above-baselines-noise-0"]),
        ("published", QUESTIONS["reported"]),
        (None, QUESTIONS["decay-of-influence"]),
    ]


def test_claims_and_data_sets_are_counted_and_what_does_not_count_is_not():
    first, second, *_ = families(REPORT)
    assert first.results == {"supported": 2, "not run": 1}
    assert (first.claims, first.fragile) == (2, 1)
    assert second.results == {"contradicted": 1, "inconclusive": 1}


def test_the_longest_key_that_begins_a_name_counts():
    assert question_of("robustness-20") == QUESTIONS["robustness-20"]
    assert question_of("above-baselines-noise-20") == QUESTIONS["above-baselines-noise-20"]
    assert question_of("above-baselines-noise-200") == "above-baselines-noise-200"


def test_every_family_of_the_repository_has_a_question():
    paths = sorted((ROOT / "claims").rglob("*.yaml"))
    names = {yaml.safe_load(path.read_text())["family"] for path in paths}
    assert len(names) > 10
    assert [name for name in sorted(names) if question_of(name) == name] == []


def test_the_terminal_gets_a_line_a_family_and_one_for_all_that_was_not_run():
    first, second, decay = (
        QUESTIONS[name] for name in ("above-baselines-noise-0", "above-baselines-noise-20", "decay-of-influence")
    )
    width = len(decay)
    assert claims_summary(REPORT) == [
        "Claims, regime frozen. An embedding layer learns on frozen features.",
        f"  {first:<{width}}  2 supported",
        f"  {second:<{width}}  1 not found on frozen features, 1 inconclusive",
        f"  {'mine':<{width}}  1 equivalent",
        "Claims, regime finetuned. The backbone's last stages learn too, with fine-tuning on embedded data.",
        f"  {first:<{width}}  1 supported",
        "Claims, without training.",
        f"  {decay}  1 supported",
        "Not run: 1 claim (regime frozen); 2 claims (regime published).",
    ]


def test_the_table_has_a_row_a_family():
    table = family_table(REPORT).splitlines()
    assert table[:3] == [
        "What the paper says:",
        "",
        "| question | judged | claims | results, a claim on a data set each | fragile |",
    ]
    assert table[5].endswith("| regime frozen | 1 | 1 not found on frozen features, 1 inconclusive | 0 |")
    assert len([line for line in table if line.startswith("|")]) == 7
    assert table[-1] == "Not run: 1 claim (regime frozen); 2 claims (regime published)."


def test_without_any_run_there_is_no_table():
    assert family_table({"claims": [claim("mine", "not run")]}) == "Not run: 1 claim (regime frozen).\n"
    assert claims_summary({"claims": []}) == []


def test_what_was_not_run_has_its_commonest_reason():
    report = {"claims": [claim("mine", "not run", *["not run"] * 3), claim("other", "not run")]}
    for line, reason in zip(report["claims"][0]["lines"], ["no seeds", "no runs", "no runs"], strict=True):
        line["remarks"] = [reason]
    assert family_table(report) == ("Not run: 2 claims (regime frozen), because: no runs, and 1 more reason.\n")


def test_what_the_suite_has_carried_on_stands_apart():
    report = {"claims": [*REPORT["claims"], claim("above-baselines-noise-40", "supported", said_by="suite")]}
    paper, own = family_table(report).split("What the suite has carried on:\n")
    assert QUESTIONS["above-baselines-noise-40"] in own
    assert QUESTIONS["above-baselines-noise-40"] not in paper
    assert (
        claims_summary(report)[-3]
        == "The suite's own claims, regime frozen. An embedding layer learns on frozen features."
    )


def test_what_nobody_can_run_here_is_counted_apart():
    reasons = ["for want of images", "for want of images", "for want of a method"]
    waiting = [claim("mine", "not run", regime="published", out_of_reach=reason) for reason in reasons]
    report = {"claims": [claim("ablation-alpha", "not run"), *waiting]}
    assert family_table(report) == (
        "Not run: 1 claim (regime frozen). "
        "Cannot be run here: 3 claims (regime published), 2 for want of images; 1 for want of a method.\n"
    )
    assert "0 were judged, 1 not run, 3 cannot be run here (2 for want of images; 1 for want of a method)" in totals(
        report
    )


def test_contradicted_is_said_of_the_papers_own_regime_alone():
    words = {}
    for regime in ("frozen", "finetuned", "published", None):
        (family,) = families({"claims": [claim("mine", "contradicted", regime=regime)]})
        words[regime] = result_counts(family)
    assert words == {
        "frozen": "1 not found on frozen features",
        "finetuned": "1 not found with fine-tuning on embedded data",
        "published": "1 contradicted",
        None: "1 contradicted",
    }


def test_results_that_the_other_metric_gives_too_are_counted():
    one = claim("mine", "supported", *["supported"] * 3, "inconclusive")
    for line, other in zip(one["lines"], ["supported", "inconclusive", "supported", "inconclusive"], strict=True):
        line["other_metric"] = {"verdict": other}
    (family,) = families({"claims": [one]})
    assert result_counts(family) == "3 supported (2 by MAP@R too), 1 inconclusive"


def test_totals_count_results_and_their_fragility():
    fragile = claim("mine", "inconclusive", "supported", "contradicted", flips=[SWAPPED_METRIC, "without seed 1"])
    other = claim("mine", "supported", flips=["without seed 1"], said_by="suite")
    assert totals({"claims": [fragile, other]}) == (
        "2 claims, 1 of the paper and 1 of the suite's own: 2 were judged, 0 not run, 0 cannot be run here. "
        "3 results, one for each data set and point of a study: 2 supported, 1 not found on frozen features. "
        "2 of the 3 are fragile: another look at the same records gives another verdict, in 1 of them MAP@R in place of R@1."
    )
