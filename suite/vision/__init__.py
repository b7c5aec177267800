"""Networks from images to embeddings, and what is done to images before."""
