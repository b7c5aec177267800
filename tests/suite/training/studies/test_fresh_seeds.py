"""Fresh seeds: runs as the grid would have them, with the values of the search whose turn it is."""

from dataclasses import replace

from suite.evaluation.records import read_records
from suite.settings.plans import Run
from suite.training.stage import run_frozen_stage
from suite.training.studies.fresh_seeds import run_fresh_seeds
from tests.helpers.synthetic import json_rows, silent, tuned, write_complete


def test_searches_take_turns_on_the_seeds_after_those_of_the_grid(workplace, one_worker):
    plan = replace(tuned("triplet"), searches=2, seeds=3, noise_levels=(0.0, 0.4))
    plans = [replace(plan, search=number) for number in (0, 1)]
    write_complete(*plans)
    path = run_fresh_seeds("emoji", "triplet", 3, silent())
    read_records([path])
    rows = json_rows(path)
    assert [(row["search"], row["noise_level"], row["seed"]) for row in rows] == [
        (0, 0.0, 4),
        (0, 0.4, 4),
        (1, 0.0, 3),
        (1, 0.0, 5),
        (1, 0.4, 3),
        (1, 0.4, 5),
    ]
    _, (of_a_longer_grid,) = run_frozen_stage("grid", [Run(replace(plans[0], seeds=9), 0.4, 4)], silent())
    assert of_a_longer_grid.record.metrics == rows[1]["metrics"]
