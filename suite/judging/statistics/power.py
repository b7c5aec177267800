"""Power of one-sided t-tests: what a number of seeds can find, planned before and reported after."""

from functools import cache

from scipy import optimize, stats

POWER = 0.8
"""The chance of finding an effect that planning asks for."""


def power(effect_in_errors: float, degrees: float, level: float = 0.05) -> float:
    """Chance that a one-sided t-test at ``level`` finds a true mean of this many standard errors (noncentral t)."""
    critical = stats.t.ppf(1 - level, degrees)
    return float(stats.nct.sf(critical, degrees, effect_in_errors))


@cache
def detectable_in_errors(degrees: float, level: float = 0.05, wanted: float = POWER) -> float:
    """Smallest true mean, in standard errors, that a one-sided t-test at ``level`` finds with the ``wanted`` power."""
    top = 1.0
    while power(top, degrees, level) < wanted:
        top *= 2
    return float(optimize.brentq(lambda effect: power(effect, degrees, level) - wanted, 0.0, top, xtol=1e-6))


@cache
def equivalence_margin_in_errors(degrees: float, level: float = 0.05, wanted: float = POWER) -> float:
    """Smallest margin, in standard errors, that TOST confirms with the ``wanted`` power if the true mean is zero.

    By integration over the distribution of the standard error: given error s (in units of the true one), TOST confirms
    where the mean lies within margin - t s.
    """
    critical = stats.t.ppf(1 - level, degrees)
    # s^2 * degrees is chi-squared; integrate over its quantiles at midpoints.
    steps = 2000
    quantiles = stats.chi2.ppf([(i + 0.5) / steps for i in range(steps)], degrees)

    def confirmed(margin: float) -> float:
        room = margin - critical * (quantiles / degrees) ** 0.5
        inside = 2 * stats.norm.cdf(room) - 1
        return float(inside.clip(min=0).mean())

    top = 2 * (critical + stats.norm.ppf((1 + wanted) / 2))
    while confirmed(top) < wanted:
        top *= 2
    return float(optimize.brentq(lambda margin: confirmed(margin) - wanted, 0.0, top, xtol=1e-4))
