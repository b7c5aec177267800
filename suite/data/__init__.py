"""Data sets: which there are, where they lie, how they are split, how they are corrupted."""
