"""Generic tests of any loss: what a failure means in training, before anything is trained."""
