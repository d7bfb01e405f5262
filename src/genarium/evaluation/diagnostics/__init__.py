"""Copying, repeats and dropped classes: verdicts in words."""
