"""From records to conclusions: statistics, leaderboard, claims, and whether a rerun reproduces them."""
