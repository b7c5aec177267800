"""From settings to records: planner, one run, its cache, stages, and what learns in each regime."""
