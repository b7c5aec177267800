"""Commands of ``suite``, one file a topic."""
