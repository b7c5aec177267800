"""The results as web pages: ``results/site/``, opened from disk, without a network."""
