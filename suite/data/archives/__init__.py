"""The benchmarks: their archives verified, and their images kept in a cache that training reads at random."""
