"""Statistics for few paired seeds: t-tests, equivalence, Holm's adjustment, power, trends."""
