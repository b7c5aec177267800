"""Losses by name or target: found, tested and built, whatever they are."""
