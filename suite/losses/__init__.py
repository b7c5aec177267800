"""Losses by name or target: found, checked and built, without knowing any of them."""
