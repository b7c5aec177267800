"""What a search draws: each trial has a random stream, by the name of its search, and follows the scores before it."""

import optuna

from suite.randomness import entropy

RANDOM_TRIALS = 5
"""Trials of a search that are random, whatever the scores before them: before TPE models the objective."""


def sampler(track: str, dataset: str, loss: str, search: int, trial: int) -> optuna.samplers.TPESampler:
    """The sampler of one trial.

    Args:
        track: tuning track of the search.
        dataset: name of the data set.
        loss: name of the loss.
        search: number of the search.
        trial: number of the trial, from 0.
    """
    seed = entropy("tune", track, dataset, loss, search, trial) % 2**32
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS)
