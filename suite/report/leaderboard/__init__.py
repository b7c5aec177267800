"""The leaderboard as files: CSV, JSON, Markdown, LaTeX, and the noise figure."""
