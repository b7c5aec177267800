"""What was found: sentences that follow from verdicts and claims, a regime each."""

import pandas as pd
import pytest

from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import verdicts
from suite.report.finding import findings
from suite.report.topics import counts_by_subject, found_of_claims
from tests.helpers.records import frozen, table
from tests.suite.report.test_families import REPORT

SEEDS = [0, 0.001, 0.002]


def records(pfml=0.40, **options):
    """Two losses at three levels on one data set; the other one is half way up."""
    return table(
        *(("pfml", level, [pfml - level / 10 + seed for seed in SEEDS]) for level in (0, 0.2, 0.4)),
        *(("cpml", level, [0.50 - level / 10 - seed for seed in SEEDS]) for level in (0, 0.2, 0.4)),
        **options,
    )


def searched(every):
    """Their leaderboard, with as many trials for each loss."""
    return leaderboard(every, frozen(0.3)).assign(trials=20)


def found(*tables, claims=None):
    every = pd.concat(tables, ignore_index=True)
    return findings(searched(every), verdicts(every, []), claims)


def test_the_first_sentence_follows_from_the_verdicts_against_the_best_baseline():
    (told,) = found(records())
    assert told.text() == [
        (
            "Where an embedding layer learns on frozen features, PFML (Bhatnagar & Ahuja, CVPR 2025) does not win: it is "
            "ahead of the best baseline in 0 of 3 comparisons of R@1, behind it in 3 (on emoji), and not told apart in 0; "
            "another loss, tested by itself, is ahead of PFML in 3; PFML's mean is above the frozen backbone's in 3 of 3 (1 "
            "data set, their stored class split, 3 levels of label noise, 3 runs a loss, tuned with equal budgets on true "
            "labels)."
        ),
        (
            "With 40 % wrong labels the highest mean R@1 is that of cpml on emoji. There PFML has place 2 of 2 (shown to "
            "be worse) on emoji."
        ),
    ]
    (won,) = found(records(0.6))
    assert won.outcome.endswith("PFML (Bhatnagar & Ahuja, CVPR 2025) wins:")
    assert won.comparisons.startswith("it is ahead of the best baseline in 3 (on emoji) of 3 comparisons")


def test_ahead_in_a_few_and_level_in_the_rest_is_no_win():
    level = table(
        *(("pfml", noise, [0.4 + seed for seed in SEEDS]) for noise in (0, 0.2, 0.4)),
        *(
            ("cpml", noise, [(0.3 if noise else 0.4) + seed * (2 if noise else -2) for seed in SEEDS])
            for noise in (0, 0.2)
        ),
        *(("cpml", 0.4, [0.4 - 2 * seed for seed in SEEDS]),),
    )
    (told,) = found(level)
    assert told.outcome.endswith("does not win:")
    assert told.comparisons.startswith(
        "it is ahead of the best baseline in 1 (on emoji) of 3 comparisons of R@1, behind it in 0"
    )


def test_it_says_whether_training_was_of_any_use():
    (told,) = findings(leaderboard(records(0.29), frozen(0.3)), verdicts(records(0.29), []), None)
    assert "; PFML's mean is above the frozen backbone's in 0 of 3 (" in told.comparisons


def test_what_no_test_judged_is_not_said_to_be_level():
    seed = records()
    (one,) = found(seed[seed["seed"] == 0])
    assert "and not told apart in 0 (3 not judged on one seed); another" in one.comparisons
    failed = records()
    failed.loc[(failed["loss"] == "pfml") & (failed["noise_level"] == 0.4) & (failed["seed"] == 1), "status"] = "failed"
    (some,) = found(failed)
    assert "behind it in 2 (on emoji), and not told apart in 0 (1 not judged for failed runs);" in some.comparisons


def test_it_says_how_many_searches_there_were():
    for searches, told in (
        ([0, 1, 1], "3 runs a loss, seeds within 2 searches"),
        ([0, 1, 2], "3 runs a loss, each of another search and seed"),
        ([0, 0, 0], "3 runs a loss, all of one search"),
    ):
        runs = records().assign(search=pd.array(searches * 6, dtype="Int64"))
        assert f", {told}, tuned with equal budgets on true labels)." in found(runs)[0].comparisons


def test_a_baseline_that_is_ahead_counts_although_another_one_has_the_greater_mean():
    runs = table(
        ("pfml", 0, [0.4 + seed for seed in SEEDS]),
        ("cpml", 0, [0.45 + 2 * seed for seed in SEEDS]),
        ("triplet", 0, [0.4, 0.6, 0.5]),
    )
    (told,) = found(runs)
    assert (
        "behind it in 0, and not told apart in 1; another loss, tested by itself, is ahead of PFML in 1;"
        in told.comparisons
    )


def test_a_sentence_a_topic_counts_the_claims_of_the_regime_by_speaker_and_the_last_says_what_weakens_them():
    retrieves, others, weakened = found_of_claims(REPORT, "frozen")
    assert retrieves == (
        "That PFML retrieves better than each baseline: 2 supported, 1 not found on frozen features, 1 inconclusive, 1 not "
        "run (on what the paper says)."
    )
    assert others == "Other claims: 1 equivalent (on what the paper says)."
    assert weakened == (
        "Of 5 results run 4 are definite, 1 inconclusive; by another look 1 change, 0 turn "
        "definite; "
        "further class splits not tried; not run: 2."
    )
    assert found_of_claims(REPORT, "published") == ()


def test_results_are_counted_by_who_says_it_and_of_what():
    """A theorem on minima that holds is no support for retrieval, and what PRISM does is none for PFML."""

    def claim(kind, by, *verdicts, loss="pfml"):
        lines = [{"verdict": each, "counts": True} for each in verdicts]
        return {"kind": kind, "subject": loss, "said_by": by, "family": "a", "regime": "frozen", "lines": lines}

    claims = [
        claim("superiority", "paper", "contradicted", "inconclusive", "not run"),
        claim("robustness", "paper", "inconclusive"),
        claim("theorem", "paper", "supported", "premise not met"),
        claim("equivalence", "suite", "equivalent", "not run", loss="prism"),
        claim("plateau", "suite", "supported") | {"regime": "finetuned"},
    ]
    claims[0]["lines"].append(claims[0]["lines"][0] | {"counts": False})
    assert counts_by_subject({"claims": claims}, "frozen") == {
        "the paper: PFML against other losses": "0 supported, 1 not found, 2 inconclusive, 1 not run",
        "the paper: parameters, proxies and minima of PFML": "1 supported, 0 not found, 1 premise not met",
        "the suite: other losses": "0 supported, 0 not found, 1 equivalent, 1 not run",
    }
    assert counts_by_subject({"claims": claims}, "published") == {}
    unrun = [claim("superiority", "paper", "not run")]
    assert counts_by_subject({"claims": unrun}, "frozen") == {}


def test_what_the_suite_has_carried_on_stands_apart():
    own = {"claims": [*REPORT["claims"], REPORT["claims"][4] | {"said_by": "suite"}]}
    assert found_of_claims(own, "frozen")[0].endswith(
        "(on what the paper says) and 1 not found on frozen features, 1 inconclusive (on what the suite has carried on)."
    )


def test_fresh_seeds_further_splits_and_what_cannot_be_run_weaken_the_verdicts():
    tried = {
        "verdict": "supported",
        "counts": True,
        "flips": {},
        "effect": 1.5,
        "fresh_seeds": {"verdict": "supported"},
        "splits": {"1": 0.5, "2": -0.5, "3": 2.0},
    }
    other = tried | {"verdict": "inconclusive", "effect": -1.0, "splits": {"1": -0.5}}
    claims = [
        {"family": "interaction-alpha", "lines": [tried, other], "regime": "frozen"},
        {"family": "reported-a", "lines": [], "regime": "published", "out_of_reach": "for want of images of CUB"},
    ]
    protects, weakened = found_of_claims({"claims": claims}, "frozen")
    assert protects == (
        "That wrong labels take less from it at a larger alpha, smaller delta or smaller repulsion margin, its rates and "
        "the bound of its repulsion searched anew on true labels: 1 supported, 1 inconclusive (on what the paper says)."
    )
    assert weakened == (
        "Of 2 results run 1 are definite, 1 inconclusive; by another look 0 change, 0 turn definite, "
        "fresh seeds change 0 of 1, settle 1 of 1, further class splits turn the sign of 1 of 1, alone show 0; "
        "out of reach: 1 claim."
    )
    both = [*claims, {"family": "interaction-alpha", "lines": [tried], "regime": "finetuned"}]
    assert found_of_claims({"claims": both}, "frozen")[-1] == weakened
    assert "out of reach" not in found_of_claims({"claims": both}, "finetuned")[-1]


def test_what_could_not_be_shown_and_what_fresh_seeds_show_weaken_verdicts_in_both_directions():
    open_ = {"verdict": "inconclusive", "counts": True, "flips": {}, "effect": 1.0, "detectable": 0.9}
    lines = [
        open_ | {"fresh_seeds": {"verdict": "contradicted"}},
        open_ | {"detectable": 1.1, "fresh_seeds": {"verdict": "inconclusive"}},
        open_ | {"detectable": None},
        open_ | {"verdict": "supported", "fresh_seeds": {"verdict": "supported"}, "detectable": None},
    ]
    claims = {"claims": [{"family": "interaction-a", "lines": lines, "regime": "frozen", "smallest_effect": 0.5}]}
    told = found_of_claims(claims, "frozen")[-1]
    assert " are definite, 3 inconclusive (1 of 2 could not show twice the smallest effect of interest); by" in told
    assert ", fresh seeds change 0 of 1, settle 1 of 2; " in told


@pytest.mark.parametrize(
    ("other", "told"), [("inconclusive", "turn inconclusive, 0 "), ("contradicted", "change, 0 turn ")]
)
def test_other_looks_that_only_show_less_are_told_from_those_that_show_something_else(other, told):
    lines = [
        {"verdict": "supported", "counts": True, "flips": {"without seed 0": each}, "effect": 1.0}
        for each in ("inconclusive", other)
    ]
    claims = {"claims": [{"family": "interaction-a", "lines": lines, "regime": "frozen"}]}
    assert f"; by another look 2 {told}definite; " in found_of_claims(claims, "frozen")[-1]


def test_a_difference_that_was_shown_names_the_other_loss_and_the_data_sets():
    def line(verdict, loss, dataset):
        gains = {"gains_over_frozen": {"pfml": 1.0, loss: 2.0}, "dataset": dataset}
        return gains | {"verdict": verdict, "counts": True, "flips": {}, "effect": 1.0}

    lines = [
        line("supported", "triplet", "emoji"),
        line("supported", "triplet", "furniture"),
        line("contradicted", "cpml", "emoji"),
        line("contradicted", "triplet", "typefaces"),
        line("inconclusive", "cpml", "typefaces"),
    ]
    claims = {
        "claims": [{"kind": "superiority", "family": "above-baselines-noise-0", "lines": lines, "regime": "frozen"}]
    }
    assert found_of_claims(claims, "frozen")[0] == (
        "That PFML retrieves better than each baseline: 2 supported (against triplet on emoji, furniture), 2 not found on "
        "frozen features (against cpml on emoji; triplet on typefaces), 1 inconclusive (on what the paper says)."
    )


def test_differences_alone_have_a_sign_to_keep():
    """Under other splits what was not shown, or was shown to be nought, may have any sign."""
    shown = {"verdict": "supported", "counts": True, "flips": {}, "effect": 1.5, "splits": {"1": 0.5, "2": 2.0}}
    lines = [shown, shown | {"effect": -1.5}, *(shown | {"verdict": each} for each in ("equivalent", "inconclusive"))]
    claims = {"claims": [{"family": "interaction-alpha", "lines": lines, "regime": "frozen"}]}
    weakened = found_of_claims(claims, "frozen")[-1]
    assert ", further class splits turn the sign of 1 of 2, alone show 0." in weakened


def test_further_splits_show_a_difference_by_themselves_where_their_interval_lies_on_its_side():
    line = {"verdict": "contradicted", "counts": True, "flips": {}, "effect": -1.5}
    spread = ({"1": -1.0, "2": -1.1, "3": -0.9}, {"1": -1.0, "2": -3.0, "3": -0.1}, {"1": 1.0, "2": 1.1, "3": 0.9})
    lines = [line | {"splits": each} for each in (*spread, {"1": -1.0})]
    claims = {"claims": [{"family": "interaction-alpha", "lines": lines, "regime": "frozen"}]}
    told = found_of_claims(claims, "frozen")[-1]
    assert ", further class splits turn the sign of 1 of 4, alone show 1." in told


def test_other_looks_settle_what_is_inconclusive():
    line = {"verdict": "inconclusive", "counts": True, "effect": 1.0}
    flips = (
        {},
        {"without seed 0": "inconclusive"},
        {"without seed 0": "supported"},
        {"a": "equivalent", "b": "supported"},
    )
    claims = {"claims": [{"family": "a", "lines": [line | {"flips": each} for each in flips], "regime": "frozen"}]}
    told = found_of_claims(claims, "frozen")[-1]
    assert told.startswith(
        "Of 4 results run 0 are definite, 4 inconclusive; by another look 0 change, 2 turn definite; "
    )


def test_claims_on_values_chosen_under_noise_stand_apart():
    line = {"verdict": "inconclusive", "counts": True, "flips": {}, "effect": 1.0}
    names = (
        "above-baselines-noise-20",
        "above-baselines-noise-20-tuned_under_noise",
        "robustness-slope-tuned_under_noise",
    )
    claims = [{"family": name, "lines": [line], "regime": "frozen"} for name in names]
    assert found_of_claims({"claims": claims}, "frozen")[:-1] == (
        (
            "That PFML retrieves better than each baseline: 1 inconclusive (on what the paper says); that with values "
            "chosen under label noise PFML retrieves better than each baseline: 1 inconclusive (on what the paper says); "
            "that wrong labels then take less from it than from each baseline, counted from the values on true labels: "
            "1 inconclusive (on what the paper says)."
        ),
    )


def test_each_regime_has_its_own_sentences_and_none_speaks_of_another():
    one, two = found(records(), records(0.6).assign(regime="finetuned"), claims=REPORT)
    assert (one.regime, two.regime) == ("frozen", "finetuned")
    assert "does not win" in one.outcome
    assert two.under_noise.startswith("With 40 % wrong labels the highest mean R@1 is that of pfml on emoji.")
    assert two.text() == [
        "Where the backbone's last stages learn too, with fine-tuning on embedded data, "
        "PFML (Bhatnagar & Ahuja, CVPR 2025) wins: " + two.comparisons,
        two.under_noise,
        *found_of_claims(REPORT, "finetuned"),
    ]


@pytest.mark.parametrize(
    ("track", "told"), [("tuned", "tuned with equal budgets"), ("paper_values", "tuning track paper_values")]
)
def test_the_track_is_the_tuned_one_where_there_is_one(track, told):
    (only,) = found(records(track=track))
    assert told in only.comparisons
    (both,) = found(records(0.6, track="paper_values"), records())
    assert "does not win" in both.outcome


def test_other_tuning_tracks_follow():
    under_noise = records(0.6, track="tuned_under_noise")
    (both,) = found(under_noise, records())
    assert "does not win" in both.outcome
    assert both.comparisons.endswith(
        "); on track tuned_under_noise it is ahead in 3 (on emoji) of 3, behind in 0, another loss ahead in 0."
    )
    (brief,) = both.brief()
    assert "of 3; on track tuned_under_noise it is ahead in 3 (on emoji) of 3" in brief
    assert "data set" not in brief
    (alone,) = found(records(), records(0.6, track="paper_values"))
    assert alone.comparisons.endswith("on true labels).")


def test_without_pfml_or_verdicts_or_a_leaderboard_nothing_is_said():
    lone = table(("cpml", 0, SEEDS), ("triplet", 0, SEEDS))
    assert found(lone) == []
    assert findings(leaderboard(records(), frozen(0.3)), None, REPORT) == []
    assert findings(pd.DataFrame(), verdicts(records(), []), REPORT) == []
