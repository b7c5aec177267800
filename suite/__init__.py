"""Runs and judges deep metric learning losses: data, noise, features, training, retrieval, records, leaderboard."""
