"""Results that others hand in: bundles of a loss, their checks, their place beside the board's own, and spot checks."""
