"""Where a trained model's proxies lie among the embeddings of their class, and what docs/theory.md predicts of it."""
