"""The checker under simulation: false findings, coverage, power, for 3, 5, 10 and 20 units.

All of it runs through the functions that judge the records (`suite.judging.claims.evidence`, `suite.judging.claims.judge`),
on arrays with one entry per simulated study; tests/suite/judging/claims/test_judge.py shows that records on disk reach
the same functions.
Bounds leave room for the simulation's own error, four standard errors or more.
"""

import numpy as np
import pytest

from suite.judging.claims.evidence import (
    Verdict,
    difference,
    flatness,
    reproduction,
    saturation,
    share_reached,
    steps,
    within_margin,
)
from suite.judging.claims.judge import adjusted, adjusted_beyond, decide
from suite.judging.claims.parts import ReportedValue
from suite.judging.statistics.estimates import change_over_range
from suite.judging.statistics.power import detectable_in_errors
from suite.judging.statistics.units import by_unit, units

SEEDS = pytest.mark.parametrize("n", [3, 5, 10, 20])
STUDIES = 40_000
FAMILIES = 5_000
SD = 0.4
"""Of a run, in points of R@1, about what the leaderboard shows."""
SMALLEST = 0.5


def rng(n):
    return np.random.default_rng(n)


def share_of(verdict, *family):
    """Share of studies in which one or more lines of the family get the verdict."""
    return float((decide(adjusted(family)) == verdict).any(axis=-1).mean())


def decided(*family):
    """Share of studies in which one or more lines of the family are supported or contradicted."""
    verdicts = decide(adjusted(family))
    return float(np.isin(verdicts, [Verdict.SUPPORTED, Verdict.CONTRADICTED]).any(axis=-1).mean())


def family_of_superiorities(n, lead=0.0, studies=FAMILIES):
    """PFML against four baselines on three data sets, seeds paired: they share an effect, and PFML's runs serve four
    lines."""
    runs = rng(n).normal(0, SD, (studies, 3, 5, n)) + rng(n + 1).normal(0, 1, (studies, 3, 1, n))
    return [difference(runs[:, d, 0] + lead - runs[:, d, b], SMALLEST) for d in range(3) for b in range(1, 5)]


@SEEDS
def test_without_an_effect_a_family_of_twelve_is_rarely_decided(n):
    assert decided(*family_of_superiorities(n)) <= 0.055


@SEEDS
def test_without_an_effect_one_claim_is_decided_as_rarely_as_stated(n):
    pairs = rng(n).normal(0, SD, (STUDIES, 2, n))
    # A margin that five seeds cannot show, so that no study is called equivalent first.
    assert 0.045 <= decided(difference(pairs[:, 0] - pairs[:, 1], 1e-9)) <= 0.055


@SEEDS
def test_without_an_interaction_robustness_is_decided_as_rarely_as_stated(n):
    levels = (0, 0.1, 0.4)
    runs = rng(n).normal(0, SD, (STUDIES, n, 2, 3)) + rng(n + 1).normal(0, 1, (STUDIES, n, 1, 3))
    runs[:, :, 0] += 3  # better throughout
    runs -= np.array([0, 4, 8])  # both lose
    change = change_over_range(runs[:, :, 0] - runs[:, :, 1], levels)
    assert 0.045 <= decided(difference(change, 1e-9)) <= 0.055


@SEEDS
def test_without_interactions_a_family_of_robustness_is_rarely_decided(n):
    """Four baselines on three data sets; PFML's runs at both levels serve four lines, and all methods lose."""
    runs = rng(n).normal(0, SD, (FAMILIES, 3, 5, n, 2)) + rng(n + 1).normal(0, 1, (FAMILIES, 3, 1, n, 2))
    runs += np.arange(5)[:, None, None] - np.array([0, 8])
    changes = [change_over_range(runs[:, d, 0] - runs[:, d, b], (0, 0.2)) for d in range(3) for b in range(1, 5)]
    assert decided(*(difference(change, 1e-9) for change in changes)) <= 0.055


@SEEDS
def test_a_difference_as_large_as_the_margin_is_rarely_called_equivalent(n):
    pairs = rng(n).normal(0, SD / 4, (STUDIES, 2, n))
    assert share_of(Verdict.EQUIVALENT, difference(SMALLEST + pairs[:, 0] - pairs[:, 1], SMALLEST)) <= 0.055


@SEEDS
def test_a_curve_with_a_step_as_large_as_the_margin_is_rarely_called_flat(n):
    values = rng(n).normal(0, 0.1, (STUDIES, n, 5)) + np.array([0, 0.2, 1.0, 0.2, 0.0])
    assert share_of(Verdict.SUPPORTED, flatness(values, 1.0)) <= 0.055


@SEEDS
def test_a_flat_curve_is_rarely_called_uneven(n):
    values = rng(n).normal(0, SD, (STUDIES, n, 5))
    assert share_of(Verdict.CONTRADICTED, flatness(values, 1e-9)) <= 0.055


@SEEDS
def test_without_a_rise_saturation_is_rarely_supported(n):
    values = rng(n).normal(0, 0.1, (STUDIES, n, 4))
    # Equivalence would come first here: look at the p of support alone.
    p = saturation(values[..., 0], values[..., 1:], 1.0).p[Verdict.SUPPORTED]
    assert float((p <= 0.05).mean()) <= 0.055


@SEEDS
@pytest.mark.parametrize("gap", [-1.0, 1.0])
def test_losses_as_far_apart_as_the_margin_are_rarely_called_alike_or_apart(n, gap):
    found = within_margin(rng(n).normal(gap, SD / 4, (STUDIES, n)), 1.0)
    assert 0.045 <= share_of(Verdict.SUPPORTED, found) <= 0.055
    assert share_of(Verdict.CONTRADICTED, found) <= 0.055


@SEEDS
@pytest.mark.parametrize("runs", [None, 5])
def test_a_number_as_far_off_as_the_margin_is_rarely_called_reproduced(n, runs):
    theirs = rng(n + 1).normal(0, SD / 2 / np.sqrt(runs or 1), (STUDIES, 1))
    ours = rng(n).normal(51.0, SD / 2, (STUDIES, n)) - theirs
    reported = ReportedValue(value=50, spread=None, runs=runs)
    assert share_of(Verdict.SUPPORTED, reproduction(ours, reported, 1.0)) <= 0.055


def reported_with_error(n, true):
    """Reported means of five runs with their standard errors, one a study: an array stands where a file has a number."""
    theirs = rng(n + 1).normal(true, SD / 2, (STUDIES, 5))
    error = theirs.std(axis=1, ddof=1) / np.sqrt(5)
    return ReportedValue.model_construct(value=theirs.mean(axis=1), spread=error, runs=5)


@SEEDS
def test_a_number_with_its_error_as_far_off_as_the_margin_is_rarely_called_reproduced(n):
    ours = rng(n).normal(51.0, SD / 2, (STUDIES, n))
    assert share_of(Verdict.SUPPORTED, reproduction(ours, reported_with_error(n, 50.0), 1.0)) <= 0.055


@SEEDS
def test_a_share_at_the_edge_is_rarely_called_reached(n):
    ended = rng(n).binomial(400, 0.99, (4_000, n))
    # The order of seeds does not matter: each study that occurs is judged once, and counted as often as it occurs.
    studies, times = np.unique(np.sort(ended), axis=0, return_counts=True)
    p = [share_reached(row, np.full(n, 400), 1.0, 0.01).p[Verdict.SUPPORTED] for row in studies]
    assert np.average(np.array(p) <= 0.05, weights=times) <= 0.055


def covered(evidence, truth):
    return float(((evidence.low <= truth) & (truth <= evidence.high)).mean())


@SEEDS
def test_intervals_of_paired_differences_cover_what_they_state(n):
    pairs = rng(n).normal(0, SD, (STUDIES, 2, n)) + rng(n + 1).normal(0, 1, (STUDIES, 1, n))
    assert 0.94 <= covered(difference(1.5 + pairs[:, 0] - pairs[:, 1], SMALLEST), 1.5) <= 0.96


@SEEDS
def test_intervals_of_interactions_cover_what_they_state(n):
    runs = rng(n).normal(0, SD, (STUDIES, n, 2, 3))
    runs[:, :, 0] += np.array([0, 1, 2])
    change = change_over_range(runs[:, :, 0] - runs[:, :, 1], (0, 0.2, 0.4))
    assert 0.94 <= covered(difference(change, SMALLEST), 2.0) <= 0.96


@SEEDS
@pytest.mark.parametrize("runs", [None, 5])
def test_intervals_around_a_reported_number_without_spread_cover_what_they_state(n, runs):
    theirs = rng(n + 1).normal(0, SD / np.sqrt(runs or 1), (STUDIES, 1))
    ours = rng(n).normal(51.5, SD, (STUDIES, n)) - theirs
    found = reproduction(ours, ReportedValue(value=50, spread=None, runs=runs), 1.0)
    assert 0.94 <= covered(found, 1.5) <= 0.96


@SEEDS
def test_intervals_around_a_reported_number_with_its_error_cover_what_they_state(n):
    ours = rng(n).normal(51.5, SD / 2, (STUDIES, n))
    assert 0.94 <= covered(reproduction(ours, reported_with_error(n, 50.0), 1.0), 1.5) <= 0.96


@SEEDS
def test_intervals_of_a_range_cover_at_least_what_they_state(n):
    values = rng(n).normal(0, SD, (STUDIES, n, 4)) + np.array([0, 0.5, 0.9, 0.2])
    assert covered(flatness(values, 1.0), 0.9) >= 0.94


@SEEDS
def test_power_is_as_planned(n):
    lead = detectable_in_errors(n - 1, 0.025) * SD * np.sqrt(2 / n)
    pairs = rng(n).normal(0, SD, (STUDIES, 2, n))
    assert 0.79 <= share_of(Verdict.SUPPORTED, difference(lead + pairs[:, 0] - pairs[:, 1], 1e-9)) <= 0.81


@SEEDS
def test_power_in_a_family_is_at_least_as_reported(n):
    """What an inconclusive line says it could have shown is shown in four studies of five, whatever the rest of the
    family."""
    lead = detectable_in_errors(n - 1, 0.025 / 12) * SD * np.sqrt(2 / n)
    family = family_of_superiorities(n)
    pairs = rng(n + 2).normal(0, SD, (FAMILIES, 2, n))
    family[0] = difference(lead + pairs[:, 0] - pairs[:, 1], SMALLEST)
    verdicts = decide(adjusted(family))[:, 0]
    assert float((verdicts == Verdict.SUPPORTED).mean()) >= 0.78


SHAPES = pytest.mark.parametrize(("searches", "each"), [(5, 1), (5, 4)])
"""Searches of a loss, and seeds that share the values of one: the units of inference are five, of one run or of four."""
SEARCH, RESPONSE, RUN, MASK, SEED = 0.8, 0.8, 0.4, 0.6, 0.5
"""Standard deviations in points of R@1: of a search; of how its values stand 40 % noise; of a run; of a noise mask at 40 %;
of first network and batches. The first two were measured to be twice that of a run, and more."""
LEVELS = (0, 0.2, 0.4)


def whole_benchmark(searches, each, studies=FAMILIES):
    """R@1 (studies, 3 data sets, 5 losses, 3 noise levels, units) without any difference between losses.

    Searches belong to a loss and a data set. Masks belong to a data set and a seed, and are nested: what the wrong labels at
    20 % do is part of what those at 40 % do. Means of the runs of a search are taken by the functions that judge records.
    """
    seeds = searches * each
    of_seed = np.arange(seeds) % searches
    draw = rng(seeds).normal
    noise = np.array(LEVELS)[:, None] / 0.4
    values = SEARCH * draw(size=(studies, 3, 5, 1, searches))[..., of_seed]
    values = values + RESPONSE * noise * draw(size=(studies, 3, 5, 1, searches))[..., of_seed]
    values = values + SEED * draw(size=(studies, 3, 1, 1, seeds)) - 8 * noise
    halves = MASK / np.sqrt(2) * draw(size=(studies, 3, 1, 2, seeds))
    values[..., 1, :] += halves[..., 0, :]
    values[..., 2, :] += halves.sum(axis=-2)
    values += RUN * draw(size=values.shape)
    return by_unit(values, units([[number, number] for number in of_seed.tolist()]))


def lines_of(benchmark, level):
    """PFML against four baselines on three data sets at one level of noise."""
    return [benchmark[:, d, 0, level] - benchmark[:, d, b, level] for d in range(3) for b in range(1, 5)]


def interactions_of(benchmark, levels):
    """The same for what noise takes over several levels."""
    grid = [LEVELS[level] for level in levels]
    leads = [
        np.moveaxis(benchmark[:, d, 0, list(levels)] - benchmark[:, d, b, list(levels)], -2, -1)
        for d in range(3)
        for b in range(1, 5)
    ]
    return [change_over_range(lead, grid) for lead in leads]


@SHAPES
def test_with_searches_masks_and_three_data_sets_no_family_is_decided_by_chance(searches, each):
    benchmark = whole_benchmark(searches, each)
    families = [*(lines_of(benchmark, level) for level in range(3))]
    families += [interactions_of(benchmark, levels) for levels in ((0, 1), (0, 1, 2))]
    for family in families:
        assert decided(*(difference(line, SMALLEST) for line in family)) <= 0.055


def test_over_seeds_instead_of_searches_most_families_would_be_decided_by_chance():
    """What the unit of inference is for: 20 runs of 5 searches, taken for 20 independent ones."""
    draw = rng(0).normal
    of_search = np.arange(20) % 5
    values = SEARCH * draw(size=(500, 3, 5, 5))[..., of_search] + RUN * draw(size=(500, 3, 5, 20))
    family = [difference(values[:, d, 0] - values[:, d, b], SMALLEST) for d in range(3) for b in range(1, 5)]
    assert decided(*family) > 0.5


@SHAPES
def test_with_searches_and_masks_intervals_cover_what_they_state(searches, each):
    benchmark = whole_benchmark(searches, each, 8_000)
    lines = [*(line for level in range(3) for line in lines_of(benchmark, level)[::4])]
    lines += [line for levels in ((0, 1), (0, 1, 2)) for line in interactions_of(benchmark, levels)[::4]]
    covers = [covered(difference(1.5 + line, SMALLEST), 1.5) for line in lines]
    assert len(covers) == 15
    assert 0.94 <= float(np.mean(covers)) <= 0.96
    assert 0.935 <= min(covers) <= max(covers) <= 0.965  # of single lines, four standard errors more


@SHAPES
def test_with_searches_and_masks_power_is_as_planned(searches, each):
    benchmark = whole_benchmark(searches, each, 20_000)
    error = np.sqrt(2 * (SEARCH**2 + RESPONSE**2 + RUN**2 / each) / searches)
    lead = detectable_in_errors(searches - 1, 0.025) * error
    found = difference(lead + lines_of(benchmark, 2)[0], 1e-9)
    assert 0.79 <= share_of(Verdict.SUPPORTED, found) <= 0.81


@SHAPES
@pytest.mark.parametrize("lost", [(8, 8, 8), (8, 5, 5), (8, 8, 2), (5, 8, 2)])
def test_what_noise_takes_is_rarely_said_to_fall_with_every_step_where_it_does_not(searches, each, lost):
    """Three data sets, three values of a hyper-parameter, each searched anew; support and a step against it together."""
    draw = rng(searches + each).normal
    taken = RESPONSE * draw(size=(FAMILIES, 3, 3, searches)) + RUN / np.sqrt(each) * draw(
        size=(FAMILIES, 3, 3, searches)
    )
    family = [steps(np.moveaxis(taken[:, d], 1, 2) + np.array(lost), 1.0, higher=False) for d in range(3)]
    assert share_of(Verdict.SUPPORTED, *family) <= 0.055
    if list(lost) == sorted(lost, reverse=True):  # it does not rise anywhere
        assert decided(*family) <= 0.055


@SHAPES
def test_a_size_is_rarely_called_beyond_the_smallest_effect_where_it_is_not(searches, each):
    lines = lines_of(whole_benchmark(searches, each), 1)
    beyond = adjusted_beyond([difference(SMALLEST + line, SMALLEST) for line in lines])[Verdict.SUPPORTED]
    assert float((beyond <= 0.05).any(axis=-1).mean()) <= 0.055
