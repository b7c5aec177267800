"""Verdicts by family of claims: one line a question, what was not run in one line."""

import yaml

from suite.report.families import QUESTIONS, claims_summary, families, family_table, question_of
from tests.helpers.paths import ROOT


def claim(family, verdict, *lines, regime="frozen", flips=()):
    shown = [{"verdict": each.strip("()"), "counts": not each.startswith("(")} for each in lines or (verdict,)]
    return {"family": family, "verdict": verdict, "lines": shown, "regime": regime, "flips": dict.fromkeys(flips, "")}


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
    assert first.claims == {"inconclusive": 1, "supported": 1}
    assert first.results == {"supported": 2, "not run": 1}
    assert first.fragile == 1
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
    width = len(second)
    assert claims_summary(REPORT) == [
        "Claims, regime frozen. An embedding layer learns on frozen features.",
        f"  {first:<{width}}  1 supported, 1 inconclusive",
        f"  {second}  1 contradicted",
        f"  {'mine':<{width}}  1 equivalent",
        "Claims, regime finetuned. The last stages of the backbone and the embedding layer learn.",
        f"  {first:<{width}}  1 supported",
        "Claims, without training.",
        f"  {decay:<{width}}  1 supported",
        "Not run: 1 claim (regime frozen); 2 claims (regime published).",
    ]


def test_the_table_has_a_row_a_family():
    table = family_table(REPORT).splitlines()
    assert table[0] == "| question | judged | claims | on single data sets |"
    assert table[3].endswith("| regime frozen | 1 contradicted | 1 contradicted, 1 inconclusive |")
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
