"""The leaderboard: a pure function of the records."""
