"""Claims: what the paper says, one YAML file each, and the verdict of the records on it."""
