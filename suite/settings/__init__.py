"""What runs: ``params.yaml`` checked and resolved into plans."""
