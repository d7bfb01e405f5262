"""A metric as a row of a table: its value, interval, note."""
