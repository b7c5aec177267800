"""Losses to compare with, one file each; nothing is imported until a loss is asked for."""
