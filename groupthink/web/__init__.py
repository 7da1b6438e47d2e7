"""Runs in a browser: what `groupthink view` shows, and how."""
