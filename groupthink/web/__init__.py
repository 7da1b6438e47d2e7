"""Runs in a browser, and models behind an API: what `groupthink view`, `serve` and `chat` show."""
