"""Studies outside the grid. ``suite promote`` copies their records to ``results/studies/``."""
