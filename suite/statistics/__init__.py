"""Statistics for few paired seeds: what may be concluded from a handful of runs."""
