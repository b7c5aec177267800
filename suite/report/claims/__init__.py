"""The report on claims as files: JSON, Markdown, a table on the terminal."""
