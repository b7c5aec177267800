"""One training loop, run seed by seed in parallel processes."""
