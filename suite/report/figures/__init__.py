"""Figures of docs/: what the losses do, without any training."""
