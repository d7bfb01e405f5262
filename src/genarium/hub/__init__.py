"""Runs that are shared: their names, what is sent, and how it is fetched and checked."""
