"""Features of the frozen embedded backbone, computed once per data set."""
