"""Fine-tuning of networks from images by published recipes, in the training loop of the suite, on one device or many."""
