"""Hyper-parameter search on held-out training classes; test classes are never looked at."""
