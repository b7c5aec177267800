"""A paper's appendix on one loss: ``suite report LOSS``."""
