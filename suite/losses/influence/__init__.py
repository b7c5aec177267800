"""Influence curves: how hard any loss pulls a positive and pushes a negative, by their distance."""
