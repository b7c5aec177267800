"""Statistics for few paired seeds: means and errors, many comparisons, power."""
