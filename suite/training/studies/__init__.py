"""Studies beside the grid: asked for by name, their outcomes adopted into ``studies/``."""
